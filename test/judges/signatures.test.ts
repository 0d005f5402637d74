import assert from 'node:assert/strict';
import { type ChildProcess, execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ServiceConnection, StepRecord } from '../../local/agent/agent';
import { type Entra, startEntra } from '../../local/entra/entra';
import { type KeyVault, startKeyVault } from '../../local/key-vault/key-vault';
import { type Registry, startRegistry } from '../../local/registry/registry';
import { root } from '../../scripts/paths';
import { PASSWORD, startDockerRegistry, USERNAME } from '../support/docker-registry';
import { errorsOf, runStep } from '../support/extension';
import { type Certificate, logIn, makeCertificate, run, startOthersRegistry } from './tools';

/*
 * notation, cosign and oras, on what the packed task signs with the stand-in for Key Vault: npm run test:judges.
 */

const TENANT = randomUUID();
const APPLICATION = randomUUID();
const SECRET = 'app-s3cret';
const SUBJECT = '/C=US/ST=WA/O=Contoso/CN=models';

/** Subjects of certificates: notation asks for a country, a state and an organization, and for each part once. */
const SUBJECTS: Readonly<Record<string, string>> = {
  full: SUBJECT,
  characters: '/C=CH/ST=Zürich/L=Zürich/O=Contoso, "Ltd." <Models>; #1/OU=ML/CN=#models=1\\\\2',
  short: '/CN=models',
  mail: `${SUBJECT}/emailAddress=models@example.com`,
  twice: '/C=US/ST=WA/O=Contoso/OU=ML/OU=Serving/CN=models',
};

describe('notation and cosign, on what the task signs,', function () {
  this.timeout(600_000);

  let folder: string;
  let entra: Entra;
  let vault: KeyVault;
  let local: Registry;
  let elsewhere: { host: string; stop(): void };
  let docker: [process: ChildProcess, host: string];
  let authority: Certificate;
  let builds = 0;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'judges-'));
    entra = await startEntra({
      tenantId: TENANT,
      applications: [{ clientId: APPLICATION, secret: SECRET }],
    });
    const made = (name: string) => join(folder, 'certificates', name);
    const rootOf = makeCertificate(made('root'), '/C=US/ST=WA/O=Contoso/CN=root', { isAuthority: true });
    authority = makeCertificate(made('between'), '/C=US/ST=WA/O=Contoso/CN=between', {
      isAuthority: true,
      issuer: rootOf,
    });
    writeFileSync(join(folder, 'issuers.pem'), authority.certificate + rootOf.certificate);
    const selfSigned = Object.entries(SUBJECTS).map(([name, subject]) => [
      name,
      makeCertificate(made(name), subject),
    ]);
    const issued = makeCertificate(made('issued'), SUBJECT, { issuer: authority });
    const { key } = makeCertificate(made('bare'), SUBJECT);
    vault = await startKeyVault({
      keys: { ...Object.fromEntries(selfSigned), issued, bare: { key } },
      claims: entra.accessTokenClaims,
    });
    local = await startRegistry({
      folder: join(folder, 'registry'),
      username: USERNAME,
      password: PASSWORD,
    });
    docker = await startDockerRegistry(join(folder, 'docker-registry'));
    elsewhere = await startOthersRegistry();
  });
  after(async () => {
    docker?.[0].kill();
    elsewhere?.stop();
    await Promise.all([entra, vault, local].map((one) => one?.stop()));
    rmSync(folder, { recursive: true, force: true });
  });

  const connection = (): ServiceConnection => ({
    id: '0c9d8e7f-6a5b-4c3d-8e2f-1a0b9c8d7e6f',
    name: 'azure',
    type: 'azurerm',
    url: 'https://management.azure.com/',
    scheme: 'ServicePrincipal',
    parameters: {
      tenantid: TENANT,
      serviceprincipalid: APPLICATION,
      authenticationtype: 'spnKey',
      serviceprincipalkey: SECRET,
    },
    data: { environment: 'AzureCloud', environmentAuthorityUrl: entra.url },
  });

  /** A folder to build an image of; the same one for the same model, so that the same image comes of it. */
  function sourcesWith(model: string): string {
    const sources = join(folder, 'sources', createHash('sha256').update(model).digest('hex'));
    if (existsSync(sources)) return sources;
    mkdirSync(join(sources, 'flask-3.1.dist-info'), { recursive: true });
    writeFileSync(join(sources, 'Dockerfile'), 'FROM scratch\nCOPY . /app/\n');
    writeFileSync(join(sources, 'model.pkl'), model);
    writeFileSync(join(sources, 'flask-3.1.dist-info/METADATA'), 'Name: Flask\nVersion: 3.1\n');
    return sources;
  }

  /** Builds an image, by default one of its own, and signs it. */
  async function step(
    host: string,
    key: string,
    inputs: Record<string, string> = {},
    model = `model ${builds++}`,
  ): Promise<StepRecord> {
    const sources = sourcesWith(model);
    const record = await runStep(
      'AcrBuildPush',
      {
        acrName: 'myregistry',
        acrUsername: USERNAME,
        acrPassword: PASSWORD,
        loginServer: host,
        repository: 'titanic-model-api',
        tags: '1.0.0',
        dockerfile: 'Dockerfile',
        builder: 'direct',
        ...(key && { signingKey: `${vault.url}/${key}`, signingConnection: 'azure' }),
        ...inputs,
      },
      {
        sources,
        serviceConnections: [connection()],
        environment: { PATH: '/nowhere' },
        variables: { SOURCE_DATE_EPOCH: '1764547200' },
      },
    );
    assert.equal(record.result, 'Succeeded', errorsOf(record));
    return record;
  }

  /** A home for the tools, logged in to a registry. */
  function home(host: string): string {
    const place = mkdtempSync(join(folder, 'home-'));
    logIn(place, host, USERNAME, PASSWORD);
    return place;
  }

  /** The commands in a text, with what they need to speak with a registry on this machine. */
  function commandsIn(lines: readonly string[]): string[][] {
    return lines
      .map((line) => line.trim())
      .filter((line) => /^(cosign|notation) /.test(line))
      .map((line) => {
        const [tool, ...args] = line.split(' ');
        const plain = { cosign: '--allow-http-registry', notation: '--insecure-registry' }[tool!]!;
        return [tool!, ...args, ...(args[0]!.startsWith('verify') ? [plain] : [])];
      });
  }

  /** Makes the files that the log of a step holds, each below a line with its name. */
  function writeFilesOf(log: readonly string[], place: string): void {
    for (const [, name, content] of log
      .join('\n')
      .matchAll(/for a file (\S+):\n((?:-----BEGIN[\s\S]*?-----END.*|\{\n[\s\S]*?\n\})\n)/g))
      writeFileSync(join(place, name!), content!);
  }

  /** Runs commands one after the other, and says of each how it ended. */
  async function runAll(commands: readonly string[][], place: string) {
    const ended: { command: string; code: number; output: string }[] = [];
    for (const [tool, ...args] of commands)
      ended.push({ command: [tool, ...args].join(' '), ...(await run(tool!, args, place)) });
    return ended;
  }

  /** Follows the log of a step to the letter. */
  async function verifyByLog({ log }: StepRecord, host: string) {
    const place = home(host);
    writeFilesOf(log, place);
    const ended = await runAll(commandsIn(log), place);
    return { place, ended };
  }

  const failed = (ended: readonly { command: string; code: number; output: string }[]) =>
    ended.filter(({ code }) => code !== 0).map(({ command, output }) => `${command}\n${output}`);
  const verifying = (log: readonly string[]) =>
    commandsIn(log).filter(([, verb]) => verb!.startsWith('verify'));

  const PLACES: Readonly<Record<string, () => string>> = {
    'the local registry, which lists what is attached': () => local.loginServer,
    "Debian's docker-registry, which does not": () => docker[1],
    'a registry of others that lists it': () => elsewhere.host,
  };
  for (const [name, hostOf] of Object.entries(PLACES)) {
    describe(`in ${name},`, () => {
      let host: string;
      let signed: StepRecord;

      before(async () => {
        host = hostOf();
        signed = await step(host, 'certificates/full', {}, name);
      });

      it('accept it by what the log says, word for word', async () => {
        const { ended } = await verifyByLog(signed, host);
        assert.deepEqual(failed(ended), []);
        const verbs = ended.map(({ command }) => command.split(' ').slice(0, 2).join(' '));
        assert.deepEqual(verbs, [
          'cosign verify',
          'cosign verify-attestation',
          'cosign verify-attestation',
          'notation cert',
          'notation policy',
          'notation verify',
        ]);
      });

      it('accept it by what the documentation says', async () => {
        const place = home(host);
        writeFilesOf(signed.log, place);
        const { commands, policy } = documented();
        const image = signed.outputVariables.imageRefByDigest!;
        writeFileSync(
          join(place, 'policy.json'),
          policy.replace('myregistry.azurecr.io/titanic-model-api', image.replace(/@.*/, '')),
        );
        const own = commands.map((command) =>
          command.replace('myregistry.azurecr.io/titanic-model-api@sha256:…', image),
        );
        const ended = await runAll(commandsIn(own), place);
        assert.equal(ended.length, 6);
        assert.deepEqual(failed(ended), []);
      });

      it('get from it what the step has stated of the image', async () => {
        const { ended } = await verifyByLog(signed, host);
        const stated = ended
          .filter(({ command }) => command.includes('verify-attestation'))
          .map(({ output }) => {
            const line = output.split('\n').find((one) => one.startsWith('{'))!;
            return JSON.parse(Buffer.from(JSON.parse(line).payload, 'base64').toString());
          });
        const { imageDigest } = signed.outputVariables;
        for (const { subject } of stated) assert.equal(`sha256:${subject[0].digest.sha256}`, imageDigest);
        assert.deepEqual(
          stated.map(({ predicateType }) => predicateType),
          ['https://slsa.dev/provenance/v1', 'https://cyclonedx.org/bom'],
        );
        assert.match(JSON.stringify(stated[1].predicate), /pkg:pypi\/flask@3\.1/);
      });

      it('accept what this project verifies too, by the root certificate alone', async () => {
        const { place } = await verifyByLog(signed, host);
        const image = signed.outputVariables.imageRefByDigest!;
        const args = [join(root, 'scripts/verify-chain.ts'), image, '--key', 'root.pem', '--json'];
        const { stdout } = await promisify(execFile)(
          process.execPath,
          [join(root, 'node_modules/tsx/dist/cli.mjs'), ...args],
          {
            cwd: place,
            env: { ...process.env, REGISTRY_USERNAME: USERNAME, REGISTRY_PASSWORD: PASSWORD },
          },
        ).catch((error) => error);
        const links: { what: string; detail: string; state: string }[] = JSON.parse(stdout);
        const notary = links.find(({ detail }) => /of the Notary Project/.test(detail));
        assert.equal(notary?.state, 'verified', stdout);
        assert.equal(
          links.find(({ what }) => what === 'attachment'),
          undefined,
          stdout,
        );
      });

      it('refuse it by the key and the certificate of others', async () => {
        const other = await step(host, 'certificates/characters');
        const place = home(host);
        writeFilesOf(other.log, place);
        const setUp = commandsIn(other.log).filter(([, verb]) => !verb!.startsWith('verify'));
        const ended = await runAll([...setUp, ...verifying(signed.log)], place);
        assert.deepEqual(
          ended.map(({ code }) => code !== 0),
          [false, false, true, true, true, true],
          JSON.stringify(ended),
        );
      });

      it('refuse another image beside it, which nobody has signed', async () => {
        const unsigned = await step(host, '', { tags: 'unsigned' });
        const { place } = await verifyByLog(signed, host);
        const commands = verifying(signed.log).map((command) =>
          command.map((part) =>
            part.replace(signed.outputVariables.imageDigest!, unsigned.outputVariables.imageDigest!),
          ),
        );
        for (const { command, code } of await runAll(commands, place)) assert.notEqual(code, 0, command);
      });

      it('accept it after a second run, which attaches nothing more', async () => {
        const attached = async () => {
          const image = signed.outputVariables.imageRefByDigest!;
          const args = ['discover', '--plain-http', '--format', 'json', image];
          const { code, output, stdout } = await run('oras', args, home(host));
          assert.equal(code, 0, output);
          const { referrers, manifests } = JSON.parse(stdout);
          return (referrers ?? manifests).map((one: { artifactType: string }) => one.artifactType).sort();
        };
        const before = await attached();
        assert.deepEqual(before, [
          'application/vnd.cncf.notary.signature',
          'application/vnd.cyclonedx+json',
          ...Array(3).fill('application/vnd.dev.sigstore.bundle.v0.3+json'),
          'application/vnd.in-toto+json',
        ]);
        const again = await step(host, 'certificates/full', {}, name);
        assert.equal(again.outputVariables.imageDigest, signed.outputVariables.imageDigest);
        assert.deepEqual(await attached(), before);
      });
    });
  }

  for (const name of Object.keys(SUBJECTS)) {
    it(`accept a certificate of ${SUBJECTS[name]} by the policy in the log`, async () => {
      const record = await step(local.loginServer, `certificates/${name}`);
      assert.deepEqual(failed((await verifyByLog(record, local.loginServer)).ended), []);
    });
  }

  it('accept a certificate that an authority below the root has issued', async () => {
    const inputs = { signingCertificates: join(folder, 'issuers.pem') };
    const record = await step(local.loginServer, 'certificates/issued', inputs);
    assert.deepEqual(failed((await verifyByLog(record, local.loginServer)).ended), []);
  });

  it('are asked for no signature of notation where the key has no certificate', async () => {
    const record = await step(local.loginServer, 'keys/bare');
    const { ended } = await verifyByLog(record, local.loginServer);
    assert.deepEqual(failed(ended), []);
    assert.deepEqual(
      ended.map(({ command }) => command.split(' ')[0]),
      ['cosign', 'cosign', 'cosign'],
    );
  });

  it('refuse signatures of one image that somebody attaches to another', async () => {
    const host = local.loginServer;
    const signed = await step(host, 'certificates/full');
    const other = await step(host, '', { tags: 'other' });
    const api = (path: string, options: RequestInit = {}) =>
      fetch(`http://${host}/v2/titanic-model-api/${path}`, {
        ...options,
        headers: {
          Authorization: `Basic ${Buffer.from(`${USERNAME}:${PASSWORD}`).toString('base64')}`,
          'Content-Type': 'application/vnd.oci.image.manifest.v1+json',
        },
      });
    const attachedTo = async ({ outputVariables }: StepRecord) => {
      const answer = await api(`referrers/${outputVariables.imageDigest}`);
      const { manifests } = (await answer.json()) as { manifests: { digest: string }[] };
      return Promise.all(
        manifests.map(
          async ({ digest }) => (await api(`manifests/${digest}`)).json() as Promise<{ subject: object }>,
        ),
      );
    };
    const [{ subject }] = (await attachedTo(other)) as [{ subject: object }];
    for (const manifest of await attachedTo(signed)) {
      const body = JSON.stringify({ ...manifest, subject });
      const sha256 = createHash('sha256').update(body).digest('hex');
      assert.equal((await api(`manifests/sha256:${sha256}`, { method: 'PUT', body })).status, 201);
    }
    const { place } = await verifyByLog(signed, host);
    const commands = verifying(signed.log).map((command) =>
      command.map((part) =>
        part.replace(signed.outputVariables.imageDigest!, other.outputVariables.imageDigest!),
      ),
    );
    for (const { command, code } of await runAll(commands, place)) assert.notEqual(code, 0, command);
  });

  it('accept it where it was copied to, with all that is attached', async () => {
    const signed = await step(elsewhere.host, 'certificates/full');
    const from = signed.outputVariables.imageRefByDigest!;
    const copied = await step(docker[1], '', { sourceImage: from, repository: 'promoted', builder: 'auto' });
    assert.equal(copied.outputVariables.imageDigest, signed.outputVariables.imageDigest);
    const [before, after] = [from, copied.outputVariables.imageRefByDigest!].map((name) =>
      name.replace(/@.*/, ''),
    );
    const log = signed.log.map((line) => line.replaceAll(before!, after!));
    const place = home(docker[1]);
    writeFilesOf(log, place);
    assert.deepEqual(failed(await runAll(commandsIn(log), place)), []);
  });
});

/** What docs/AcrBuildPush.md has people run to verify an image, and the policy for it. */
function documented(): { commands: string[]; policy: string } {
  const text = readFileSync(join(root, 'docs/AcrBuildPush.md'), 'utf8');
  const [section = ''] = text.match(/The log has these commands[\s\S]*?\n## /) ?? [];
  const blocks = [...section.matchAll(/```(sh|json)\n([\s\S]*?)```/g)];
  const [policy = ''] = blocks.filter(([, kind]) => kind === 'json').map(([, , content]) => content!);
  const lines = blocks.filter(([, kind]) => kind === 'sh').flatMap(([, , content]) => content!.split('\n'));
  return { commands: lines.filter(Boolean), policy };
}
