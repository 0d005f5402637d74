// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of Dockerfiles.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { NeedsEngine } from '../../../../../tasks/AcrBuildPush/build/direct/direct-build';
import type { LocalLayer, OciImage } from '../../../../../tasks/AcrBuildPush/image/image';
import { flattenBuilt } from '../../../../support/image-files';
import { directBuild, leastPlan } from '../../support';

/** A path whose last part has a byte for each letter, as disks of old have it. */
function inLatin1(folder: string, name: string): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, 'latin1')]);
}

describe('A direct build of a Dockerfile', () => {
  let context: string;
  const warnings: string[] = [];

  beforeEach(() => {
    context = mkdtempSync(join(tmpdir(), 'direct-'));
    warnings.length = 0;
    writeFileSync(join(context, 'model.pkl'), 'a model');
    mkdirSync(join(context, 'conf'));
    writeFileSync(join(context, 'conf/a.yaml'), 'a');
  });

  afterEach(() => rmSync(context, { recursive: true, force: true }));

  function attempt(lines: string[], given: Record<string, string> = {}) {
    return directBuild(
      {
        ...leastPlan,
        dockerfile: join(context, 'Dockerfile'),
        recipe: lines.join('\n'),
        context,
        arguments: given,
      },
      {
        pull: () => Promise.reject(new Error('nothing is pulled here')),
        log: { warning: (text: string) => warnings.push(text), debug() {}, info() {} } as never,
        signal: new AbortController().signal,
        created: new Date(0),
      },
    );
  }

  async function build(lines: string[], given: Record<string, string> = {}): Promise<OciImage> {
    const image = await attempt(lines, given);
    assert.ok(!(image instanceof NeedsEngine), String(image));
    return image;
  }

  it('gives the same bytes whatever the times of the files', async () => {
    const recipe = ['FROM scratch', 'COPY . /app/'];
    const first = await build(recipe);
    utimesSync(join(context, 'model.pkl'), 1, 1);
    assert.deepEqual((await build(recipe)).config, first.config);
  });

  it('gives the same bytes whoever owns the files, and in whatever order they were written', async () => {
    const layersOf = async (names: readonly string[], owner: number) => {
      const folder = join(context, 'src');
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder);
      for (const name of names) {
        writeFileSync(join(folder, name), name);
        if (process.getuid?.() === 0) chownSync(join(folder, name), owner, owner);
      }
      return (await build(['FROM scratch', 'COPY src /src'])).layers.map(({ diffId }) => diffId);
    };
    assert.deepEqual(await layersOf(['b', 'a', 'Z', 'ä'], 0), await layersOf(['ä', 'Z', 'a', 'b'], 1000));
  });

  it('has layers whose digests and sizes are those of their bytes, from any byte on', async () => {
    writeFileSync(join(context, 'large.bin'), Buffer.alloc(9_000_000, 'x'));
    const { layers, config } = await build(['FROM scratch', 'COPY . /app/']);
    assert.deepEqual(
      JSON.parse(config.toString()).rootfs.diff_ids,
      layers.map((layer) => layer.diffId),
    );
    for (const layer of layers as LocalLayer[]) {
      const bytes = await buffer(layer.open());
      assert.equal(bytes.length, layer.size);
      assert.equal(`sha256:${createHash('sha256').update(bytes).digest('hex')}`, layer.diffId);
      for (const start of [1, 513, layer.size - 1_000, layer.size]) {
        assert.deepEqual(await buffer(layer.open(start)), bytes.subarray(start));
      }
    }
  });

  for (const [lines, labels] of [
    [['ENV D=env', 'ARG D=arg', 'LABEL d=$D'], { d: 'arg' }],
    [['ARG D=arg', 'ENV D=env', 'LABEL d=$D'], { d: 'env' }],
    [['ENV D=env', 'ARG D', 'LABEL d=$D'], { d: 'env' }],
    [['ARG D=1', 'ENV D=2', 'ARG D=3', 'ENV E=$D', 'LABEL d=$D e=$E'], { d: '3', e: '3' }],
    [['ENV D=1', 'ARG D=${D}2', 'LABEL d=$D'], { d: '12' }],
    [['ARG PATH=/x', 'LABEL d=$PATH'], { d: '/x' }],
  ] as const) {
    it(`gives a name the value that it got last: ${lines.join('; ')}`, async () => {
      const { config } = await build(['FROM scratch', ...lines]);
      const { Env, Labels } = JSON.parse(config.toString()).config;
      assert.deepEqual(Labels, labels);
      // An argument is never a part of the environment.
      assert.ok(!Env.some((one: string) => /^D=(arg|3|12)$/.test(one)), Env.join());
    });
  }

  // BuildKit sets the whole environment of the image below once more where a stage begins.
  for (const [below, label] of [
    [['ENV D=env', 'ARG D=arg'], 'env'],
    [['ARG D=arg'], 'arg'],
    [['ARG D=arg', 'ENV D=env'], 'env'],
  ] as const) {
    it(`begins a stage with the environment of the one below: ${below.join('; ')}`, async () => {
      const { config } = await build(['FROM scratch AS one', ...below, 'FROM one', 'LABEL d=$D']);
      assert.deepEqual(JSON.parse(config.toString()).config.Labels, { d: label });
    });
  }

  it('takes an argument that is given over a variable', async () => {
    const { config } = await build(['FROM scratch', 'ENV D=env', 'ARG D', 'LABEL d=$D'], { D: 'given' });
    assert.deepEqual(JSON.parse(config.toString()).config.Labels, { d: 'given' });
  });

  it('leaves what it copies out of a stage to its owner', async () => {
    const stage = ['FROM scratch AS files', 'COPY --chown=3:4 conf /conf', 'FROM scratch'];
    const image = await build([
      ...stage,
      'COPY --from=files /conf /kept',
      'COPY --from=files --chown=5:6 /conf /given',
    ]);
    const { files } = await flattenBuilt(image);
    assert.match(files['kept/a.yaml']!, / 3:4 /);
    assert.match(files.kept!, / 0:0$/);
    assert.match(files['given/a.yaml']!, / 5:6 /);
  });

  it('gives a large file a layer of its own, which other files do not change', async () => {
    writeFileSync(join(context, 'large.bin'), Buffer.alloc(9_000_000));
    const first = await build(['FROM scratch', 'COPY . /app/']);
    writeFileSync(join(context, 'model.pkl'), 'another model');
    const second = await build(['FROM scratch', 'COPY . /app/']);
    assert.equal(first.layers.length, 2);
    assert.notEqual(second.layers[0]!.diffId, first.layers[0]!.diffId);
    assert.equal(second.layers[1]!.diffId, first.layers[1]!.diffId);
    const { history } = JSON.parse(first.config.toString());
    assert.equal(history.filter((entry: { empty_layer?: boolean }) => !entry.empty_layer).length, 2);
  });

  it('writes tars that tar itself reads, with long and foreign names', async () => {
    const name = `${'n'.repeat(120)}-ü`;
    writeFileSync(join(context, name), 'long');
    const { layers } = await build(['FROM scratch', 'COPY . /app/']);
    const tar = join(context, 'layer.tar');
    writeFileSync(tar, await buffer((layers[0] as LocalLayer).open()));
    const listing = execFileSync('tar', ['--quoting-style=literal', '-tf', tar], {
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
    });
    assert.deepEqual(listing.toString().trim().split('\n').sort(), [
      'app/',
      'app/conf/',
      'app/conf/a.yaml',
      'app/model.pkl',
      `app/${name}`,
    ]);
  });

  it('copies documents, with variables replaced unless their name is quoted', async () => {
    const image = await build([
      'FROM scratch',
      'ENV A=1',
      'COPY <<one <<"two" /d/',
      'a="$A"',
      'one',
      'a="$A"',
      'two',
      'COPY --chown=3:4 <<x /file',
      'x',
    ]);
    const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12);
    assert.deepEqual((await flattenBuilt(image)).files, {
      d: 'directory 755 0:0',
      'd/one': `file 644 0:0 ${digest('a="1"\n')}`,
      'd/two': `file 644 0:0 ${digest('a="$A"\n')}`,
      file: `file 644 3:4 ${digest('')}`,
    });
  });

  it('copies onto a link that leads nowhere, to where it leads', async () => {
    symlinkSync('/no/where', join(context, 'conf/dangling'));
    const { files } = await flattenBuilt(
      await build(['FROM scratch', 'COPY conf /d/', 'COPY model.pkl /d/dangling']),
    );
    assert.match(files['no/where']!, /^file 644 0:0/);
    assert.match(files['d/dangling']!, /^symlink/);
  });

  it('hands on the group of a folder that says so', async () => {
    mkdirSync(join(context, 'shared'));
    chmodSync(join(context, 'shared'), 0o2775);
    const { files } = await flattenBuilt(
      await build(['FROM scratch', 'COPY --chown=3:4 . /g/', 'COPY model.pkl /g/shared/x/y/']),
    );
    assert.equal(files['g/shared/x/y'], 'directory 2755 0:4');
    assert.match(files['g/shared/x/y/model.pkl']!, / 644 0:0 /);
  });

  for (const [chmod, file, folder] of [
    ['640', '640', '640'],
    ['4755', '4755', '755'],
    ['u+x', '744', '755'],
    ['go=,u-w', '400', '755'],
    ['a=rX', '444', '755'],
    ['g=u,o+w', '666', '755'],
    ['=t', '1644', '755'],
    ['a=u-w', '444', '755'],
  ] as const) {
    it(`sets permissions by --chmod=${chmod}, of folders that it makes on the way too where it is a number`, async () => {
      const { files } = await flattenBuilt(
        await build(['FROM scratch', `COPY --chmod=${chmod} model.pkl /new/m`]),
      );
      assert.match(files['new/m']!, new RegExp(`^file ${file} `));
      assert.match(files.new!, new RegExp(`^directory ${folder} `));
    });
  }

  it('leaves set-id bits alone where permissions are copied from others, as BuildKit does', async () => {
    writeFileSync(join(context, 'tool'), '', { mode: 0o644 });
    chmodSync(join(context, 'tool'), 0o2755);
    const { files } = await flattenBuilt(
      await build(['FROM scratch', 'COPY --chmod=u=rwx,go=u-w tool /a', 'COPY --chmod=g= tool /b']),
    );
    assert.match(files.a!, /^file 2755 /);
    assert.match(files.b!, /^file 705 /);
  });

  it('looks an owner up as soon as something was copied, and be it nothing', async () => {
    await assert.rejects(attempt(['FROM scratch', 'COPY --chown=app conf /c']), /line 2.*can't be looked up/);
    const { files } = await flattenBuilt(
      await build(['FROM scratch', 'COPY *.none /x/', 'COPY --chown=app conf/a.yaml /c']),
    );
    assert.match(files.c!, / 0:0 /);
  });

  it('takes an owner that the image does not know for root', async () => {
    const { files } = await flattenBuilt(
      await build([
        ...[
          'FROM scratch',
          'COPY conf /c',
          'COPY --chown=app model.pkl /x',
          'COPY --chown=5:staff model.pkl /y',
        ],
      ]),
    );
    assert.match(files.x!, / 0:0 /);
    assert.match(files.y!, / 5:5 /);
  });

  it('keeps what it says of its author and its ports', async () => {
    const { config } = await build([
      ...['FROM scratch', 'MAINTAINER me <m@x>', 'EXPOSE 8080:80 127.0.0.1:90:91/udp [::1]:1:92'],
    ]);
    const image = JSON.parse(config.toString());
    assert.equal(image.author, 'me <m@x>');
    assert.deepEqual(Object.keys(image.config.ExposedPorts), ['80/tcp', '91/udp', '92/tcp']);
  });

  it('never leaves the context, wherever a link points', async () => {
    symlinkSync('../../../../../../etc/passwd', join(context, 'out'));
    await assert.rejects(attempt(['FROM scratch', 'COPY out /x']), /line 2.*there is no/);
    symlinkSync('round', join(context, 'round'));
    await assert.rejects(attempt(['FROM scratch', 'COPY round /x']), /circle/);
  });

  it('prefers the .dockerignore that belongs to the Dockerfile', async () => {
    writeFileSync(join(context, '.dockerignore'), 'conf\n');
    writeFileSync(join(context, 'Dockerfile.dockerignore'), '*\n!conf\n');
    const { files } = await flattenBuilt(await build(['FROM scratch', 'COPY . /']));
    assert.deepEqual(Object.keys(files), ['conf', 'conf/a.yaml']);
  });

  it('says when a pattern matches nothing', async () => {
    await build(['FROM scratch', 'COPY *.none /x/']);
    assert.match(warnings.join('\n'), /Line 2 .*nothing matches '\*\.none'/);
  });

  for (const [lines, why] of [
    [['COPY conf/*.pkl /x/'], "nothing matches 'conf/\\*.pkl', and nothing else is copied from 'conf'"],
    [['COPY link/*.pkl /x/'], "nothing matches 'link/\\*.pkl', and nothing else is copied from 'conf'"],
    [['COPY --parents conf/./*.pkl /x/'], "nothing matches 'conf/./\\*.pkl'"],
    [['COPY model.pkl/* /x/'], "nothing matches 'model.pkl/\\*'"],
    [['COPY models/*.pkl /x/'], "there is no 'models', where 'models/\\*.pkl' begins"],
    [['COPY models/*.pkl /x/', 'COPY . /all/'], "there is no 'models'"],
    [['COPY model.pkl /x/', 'FROM scratch', 'COPY --from=0 /none/* /y/'], "there is no 'none'"],
  ] as const) {
    it(`refuses a pattern where BuildKit has no folder to look into: ${lines.join('; ')}`, async () => {
      symlinkSync('conf', join(context, 'link'));
      await assert.rejects(attempt(['FROM scratch', ...lines]), new RegExp(`line \\d: ${why}`));
    });
  }

  for (const lines of [
    ['COPY conf/*.pkl /x/', 'COPY conf/a.yaml /y/'],
    ['COPY conf/*.pkl /x/', 'COPY . /all/'],
    ['COPY --exclude=*.yaml conf /y/', 'COPY conf/*.pkl /x/'],
    ['COPY c*/*.yaml /y/', 'COPY conf/*.pkl /x/'],
    ['COPY link /y/', 'COPY conf/*.pkl /x/'],
    ['COPY link/*.pkl link /y/', 'COPY conf/*.pkl /x/'],
    // BuildKit takes all of a folder in which a link matches.
    ['COPY conf/*/none /x/'],
    ['COPY --parents conf/*.pkl /x/'],
    [
      'COPY conf/*.pkl /x/',
      'FROM scratch AS other',
      'COPY conf /y/',
      'FROM scratch',
      'COPY --from=0 /x* /x',
      'COPY --from=1 / /y',
    ],
  ]) {
    it(`lets a pattern for nothing pass where BuildKit has its folder: ${lines.join('; ')}`, async () => {
      symlinkSync('conf', join(context, 'link'));
      symlinkSync('a.yaml', join(context, 'conf/inner'));
      await build(['FROM scratch', ...lines]);
      assert.match(warnings.join('\n'), /nothing matches 'conf/);
    });
  }

  for (const [line, reason] of [
    ['RUN true', /runs a command/],
    ['ADD https://example.com/x /x', /downloads/],
    ['ADD packed.tgz /x', /unpacks an archive/],
    ['COPY --from=busybox /bin/sh /x', /another image/],
    ['COPY [z-a]* /x/', /may not read/],
    ['COPY caf* /x/', /whose name is not in UTF-8/],
    ['COPY names /x/', /whose target is not in UTF-8/],
  ] as const) {
    it(`leaves ${line} to an engine, and says where and why`, async () => {
      writeFileSync(inLatin1(context, 'café.txt'), '');
      mkdirSync(join(context, 'names'));
      symlinkSync(Buffer.from('café', 'latin1'), join(context, 'names', 'link'));
      writeFileSync(join(context, 'some.tar'), '');
      execFileSync('tar', ['-czf', join(context, 'packed.tgz'), '-C', context, 'model.pkl']);
      const result = await attempt(['FROM scratch', '', line]);
      assert.ok(result instanceof NeedsEngine);
      assert.equal(result.line, 3);
      assert.equal(result.instruction, line.split(' ')[0]);
      assert.match(result.reason, reason);
    });
  }

  for (const [directive, reason] of [
    ['# syntax=example.com/team/recipes:1', /image example\.com\/team\/recipes:1 is to read/],
    ['# check=skip=JSONArgsRecommended;error=true', /BuildKit is to check/],
    ['# check=eror=false', /BuildKit is to check/],
  ] as const) {
    it(`leaves a file with ${directive} to an engine, also one that can't be read here`, async () => {
      const result = await attempt([directive, 'FROM scratch', 'INCLUDE more']);
      assert.ok(result instanceof NeedsEngine);
      assert.equal(result.line, 1);
      assert.match(result.reason, reason);
    });
  }

  it("builds what docker's own reader is to read, and to warn of", async () => {
    for (const directive of [
      '# syntax=docker/dockerfile:1',
      '# syntax = mirror.example.com/docker/dockerfile:1.7-labs@sha256:0  # pinned',
      '# syntax=docker/dockerfile-upstream:master',
      '# check=skip=all',
      '# check=experimental=all;error=false',
    ]) {
      await build([directive, 'FROM scratch', 'COPY model.pkl /m']);
    }
  });

  it('knows no names but those of the Dockerfile', async () => {
    const lines = [
      'ARG constructor',
      'ARG toString=t',
      'ENV valueOf=v',
      'LABEL __proto__=p hasOwnProperty=h',
    ];
    const { config } = await build([
      'ARG constructor',
      'FROM scratch',
      ...lines,
      'LABEL l="$constructor,$toString,$valueOf"',
    ]);
    assert.deepEqual(Object.entries(JSON.parse(config.toString()).config.Labels), [
      ['__proto__', 'p'],
      ['hasOwnProperty', 'h'],
      ['l', ',t,v'],
    ]);
  });

  it('keeps a health check as BuildKit reads it', async () => {
    const check = async (line: string) =>
      JSON.parse((await build(['FROM scratch', line])).config.toString()).config.Healthcheck;
    const Test = ['CMD-SHELL', 'x'];
    assert.deepEqual(await check('HEALTHCHECK --interval=+1m --retries=+3 CMD x'), {
      Test,
      Interval: 60e9,
      Retries: 3,
    });
    assert.deepEqual(await check('HEALTHCHECK --timeout=0 --retries= CMD x'), { Test });
  });

  it('adds a compressed file that is no archive as it is', async () => {
    writeFileSync(join(context, 'model.gz'), gzipSync('a model'));
    const { files } = await flattenBuilt(await build(['FROM scratch', 'ADD model.gz /m']));
    assert.deepEqual(Object.keys(files), ['m']);
  });

  it('copies documents whose names begin at the root', async () => {
    const { files } = await flattenBuilt(
      await build(['FROM scratch', 'COPY <</a.txt <<./b.txt /x/', '/a.txt', './b.txt']),
    );
    assert.deepEqual(Object.keys(files), ['x', 'x/a.txt', 'x/b.txt']);
  });

  it('passes over stages that the target does not need', async () => {
    await build(['FROM nowhere AS no', 'RUN false', 'FROM scratch', 'COPY model.pkl /m']);
  });

  for (const [lines, problem] of [
    [['COPY missing /x'], /line 2.*no 'missing'/],
    [['COPY --chmod=u+q model.pkl /x'], /line 2.*--chmod=u\+q/],
    [['COPY --link --chown=app model.pkl /x'], /line 2.*--chown=app has a name/],
    [['COPY --chown=app model.pkl /x'], /line 2.*'app' can't be looked up/],
    [['USER app', 'WORKDIR /x'], /line 3.*'app' can't be looked up/],
    [['STOPSIGNAL NOSUCH'], /line 2.*no signal/],
    [['EXPOSE 1-3:2-3'], /line 2.*no port/],
    [['EXPOSE x'], /line 2.*no port/],
    [['HEALTHCHECK --interval=5 CMD x'], /line 2.*duration/],
    [['HEALTHCHECK --retries=0x3 CMD x'], /line 2.*whole number/],
    [['HEALTHCHECK --retries=-1 CMD x'], /line 2.*whole number/],
    [['HEALTHCHECK CMD [ ]'], /line 2.*a command/],
    [['COPY <<a/b.txt /x/', 'a', 'a/b.txt'], /line 2.*'a\/b\.txt' has a folder/],
    [['FROM scratch AS Base', 'FROM Base'], /line 3.*'Base' is to be written 'base'/],
    [['LABEL a=${B'], /line 2/],
    [['COPY conf /c', 'COPY model.pkl /c/a.yaml/x'], /line 3.*no folder/],
  ] as const) {
    it(`names the mistake in ${lines.join('; ')}`, async () => {
      await assert.rejects(attempt(['FROM scratch', ...lines]), problem);
    });
  }

  /** Each says the same as the one before it twice: 60 of them come to more than any machine holds. */
  const doubled = (line: string) => Array.from({ length: 60 }, () => line);
  for (const [what, lines] of [
    ['arguments before the first FROM', ['ARG A=x', ...doubled('ARG A=$A$A'), 'FROM scratch']],
    ['arguments', ['FROM scratch', 'ARG A=x', ...doubled('ARG A=${A}${A}')]],
    ['variables', ['FROM scratch', 'ENV A=x', ...doubled('ENV A=$A$A')]],
    ['defaults', ['FROM scratch', 'ENV A=x', ...doubled('ENV A=${B:-$A$A}')]],
    ['labels', ['FROM scratch', `ARG A=${'x'.repeat(5_000)}`, `LABEL a="${'$A'.repeat(2_000)}"`]],
    ['stages', ['FROM scratch AS a', 'ARG A=x', ...doubled('FROM a AS a\nARG A=$A$A')]],
    ['replacements', ['FROM scratch', 'ARG A=aa', ...doubled('ARG A=${A//a/aaaa}')]],
    [
      'long replacements',
      ['FROM scratch', `ARG A=${'a'.repeat(9_000)}`, `ENV B=\${A//a/${'b'.repeat(9_000)}}`],
    ],
    ['documents', ['FROM scratch', `ARG A=${'x'.repeat(5_000)}`, 'COPY <<E /a', '$A'.repeat(2_000), 'E', '']],
    ['ports', ['FROM scratch', `EXPOSE ${'1-65535 '.repeat(4_000)}`]],
  ] as const) {
    it(`refuses ${what} that grow beyond all measure`, async () => {
      const refused = /mistake in line \d+: .*(characters in all|too much|more ports than)/;
      await assert.rejects(attempt([...lines]), refused);
    });
  }
});
