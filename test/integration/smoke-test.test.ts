import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { registryApi } from '../support/docker-registry';
import { errorsOf } from '../support/extension';
import { importBaseImage } from '../support/shell-image';
import { useEngine } from '../support/use-engine';

/** Answers as a model's API does once it has loaded its model; in Perl without modules, so that its image is small. */
const SERVER = String.raw`
$| = 1;
print "loading the model\n";
my $begun = time;
socket(my $server, 2, 1, 6) or die $!;
bind($server, pack('S n N x8', 2, 8000, 0)) and listen($server, 8) or die $!;
while (accept(my $client, $server)) {
  my ($head, $length) = ('', 0);
  $head .= $_ while defined($_ = <$client>) && !/^\r?\n$/;
  $length = $1 if $head =~ /content-length: *(\d+)/i;
  read($client, my $body, $length) if $length;
  my $status = time < $begun + 1 ? 503 : $head =~ m{^GET /broken} ? 500 : 200;
  my $text = qq({"prediction": 1, "asked": $length});
  print $client "HTTP/1.1 $status x\r\nContent-Length: ", length $text, "\r\nConnection: close\r\n\r\n$text";
  close $client;
}
`;

describe('The smoke test with a real engine', function () {
  this.timeout(180_000);

  const engine = useEngine();
  const base = `model-pipelines-test-perl:${randomUUID()}`;
  const label = () => `test-run=${engine.run}`;

  /** The same image in the registry, for builds without the engine. */
  const pushedBase = () => `${engine.host}/smoke/perl:1.0.0`;

  before(async () => {
    importBaseImage(base, ['/usr/bin/perl']);
    const pushed = await engine.step([`FROM ${base}`, 'USER 0'], { repository: 'smoke/perl' });
    assert.equal(pushed.result, 'Succeeded', errorsOf(pushed));
  });
  after(() => execFileSync('docker', ['image', 'rm', '--force', base], { stdio: 'ignore' }));

  const recipe = (from: string) => [
    `FROM ${from}`,
    'COPY server.pl /server.pl',
    'EXPOSE 8000',
    'CMD ["/usr/bin/perl", "/server.pl"]',
  ];

  const CHECKS = 'GET /api/health 200\nPOST /api/predict {"class": "1st"} 200 /prediction';

  function step(lines: readonly string[], inputs: Record<string, string>) {
    const api = join(engine.folder, 'sources', 'api');
    mkdirSync(api, { recursive: true });
    writeFileSync(join(api, 'server.pl'), SERVER);
    return engine.step(lines, { smokeTest: CHECKS, ...inputs });
  }

  const containers = () =>
    execFileSync('docker', ['ps', '--all', '--quiet', '--filter', `label=${label()}`])
      .toString()
      .trim();

  it('asks what the engine has built', async () => {
    const built = await step(recipe(base), { repository: 'smoke/docker' });
    assert.equal(built.result, 'Succeeded', errorsOf(built));
    assert.ok(built.log.some((line) => /^Smoke test: POST \/api\/predict answered 200/.test(line)));
    const registry = registryApi(engine.host, 'smoke/docker');
    assert.equal(await registry.digestOf('1.0.0'), built.outputVariables.imageDigest);
    assert.equal(containers(), '');
  });

  it('has the engine pull what this step has built, and leaves nothing of it there', async () => {
    const inputs = { repository: 'smoke/direct', builder: 'direct', tags: '1.0.0\nlatest' };
    const direct = await step(recipe(pushedBase()), inputs);
    assert.equal(direct.result, 'Succeeded', errorsOf(direct));
    assert.ok(direct.log.some((line) => line.startsWith('The engine pulled the image in')));
    const { imageDigest, imageRefByDigest } = direct.outputVariables;
    const found = spawnSync('docker', ['image', 'inspect', imageRefByDigest!], { encoding: 'utf8' });
    assert.match(found.stderr, /No such image/i);
    assert.equal(await registryApi(engine.host, 'smoke/direct').digestOf('latest'), imageDigest);
    assert.equal(containers(), '');
  });

  it('sets no tag for an image that does not answer as it should', async () => {
    const failed = await step(recipe(pushedBase()), {
      ...{ repository: 'smoke/broken', builder: 'direct', smokeTest: `${CHECKS}\nGET /broken 200` },
    });
    assert.equal(failed.result, 'Failed');
    assert.match(
      errorsOf(failed),
      /The smoke test failed at GET \/broken: it answered 500, not 200: \{"prediction": 1/,
    );
    assert.ok(failed.log.includes('loading the model'), failed.log.join('\n'));
    const registry = registryApi(engine.host, 'smoke/broken');
    assert.equal(await registry.digestOf('1.0.0'), undefined);
    assert.ok(await registry.digestOf(failed.outputVariables.imageDigest!), 'the image itself is there');
    assert.equal(containers(), '');
  });

  it('tells how a container ended that never answered', async () => {
    const lines = [...recipe(base).slice(0, 3), 'CMD ["/usr/bin/perl", "-e", "die qq(no model)"]'];
    const failed = await step(lines, { repository: 'smoke/ended' });
    assert.match(
      errorsOf(failed),
      /the container does not run: it ended with exit code \d+\. No tag was set/,
    );
    assert.ok(failed.log.some((line) => line.includes('no model')));
  });

  it('asks an image that is not pushed where the engine has it', async () => {
    const built = await step(recipe(base), { push: 'false', repository: 'smoke/local' });
    assert.equal(built.result, 'Succeeded', errorsOf(built));
    assert.ok(built.log.some((line) => /^Smoke test: GET \/api\/health answered 200/.test(line)));
  });
});
