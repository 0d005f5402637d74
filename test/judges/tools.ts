import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { root } from '../../scripts/paths';

/** Where test/judges/install puts the tools of others. */
const tools = join(root, '.local/judges');

export interface Ending {
  readonly code: number;
  readonly output: string;
  readonly stdout: string;
}

/** Runs one of the tools, with a folder as its home and as the place of its files. */
export function run(tool: string, args: readonly string[], home: string): Promise<Ending> {
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    DOCKER_CONFIG: join(home, 'docker'),
    SYFT_REGISTRY_INSECURE_USE_HTTP: 'true',
    SYFT_CHECK_FOR_APP_UPDATE: 'false',
  };
  const options = { cwd: home, env, maxBuffer: 256 * 1024 * 1024, timeout: 300_000 };
  return new Promise((resolve) => {
    execFile(join(tools, tool), args, options, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0;
      resolve({ code, output: `${stdout}${stderr}${code < 0 ? error : ''}`, stdout });
    });
  });
}

/** Logs the tools in to a registry, for those who have it as their home. */
export function logIn(home: string, host: string, username: string, password: string): void {
  mkdirSync(join(home, 'docker'), { recursive: true });
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  writeFileSync(join(home, 'docker/config.json'), JSON.stringify({ auths: { [host]: { auth } } }));
}

/** Starts a registry, by others, that lists what is attached to an image, and asks for no password. */
export async function startOthersRegistry(): Promise<{ host: string; stop(): void }> {
  const server = spawn(join(tools, 'registry'), { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const host of createInterface(server.stdout)) return { host, stop: () => server.kill() };
  throw new Error('The registry did not start.');
}

export interface Certificate {
  /** PEM. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
}

const LEAF = 'keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n';
const AUTHORITY = 'basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\n';

/**
 * Makes a certificate with openssl, as Key Vault makes them by the policy that the documentation names.
 *
 * @param subject such as `/C=US/ST=WA/O=Contoso/CN=models`
 * @param issuer who signs it; itself by default
 * @param isAuthority whether it is to sign others
 */
export function makeCertificate(
  folder: string,
  subject: string,
  { issuer, isAuthority = false }: { issuer?: Certificate; isAuthority?: boolean } = {},
): Certificate {
  const file = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  mkdirSync(folder, { recursive: true });
  openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', file('sec1.key'));
  openssl('pkcs8', '-topk8', '-nocrypt', '-in', file('sec1.key'), '-out', file('key'));
  writeFileSync(file('extensions'), isAuthority ? AUTHORITY : LEAF);
  openssl('req', '-new', '-utf8', '-key', file('key'), '-subj', subject, '-out', file('request'));
  if (issuer) {
    writeFileSync(file('issuer'), issuer.certificate);
    writeFileSync(file('issuer.key'), issuer.key);
  }
  const by = issuer ? ['-CA', file('issuer'), '-CAkey', file('issuer.key')] : ['-signkey', file('key')];
  openssl(
    ...['x509', '-req', '-in', file('request'), '-days', '30', '-extfile', file('extensions'), ...by],
    ...['-set_serial', `0x${Date.now().toString(16)}`, '-out', file('certificate')],
  );
  return { certificate: readFileSync(file('certificate'), 'utf8'), key: readFileSync(file('key'), 'utf8') };
}
