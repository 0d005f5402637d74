// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of Dockerfiles.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findEngine } from '../../local/engine/engine';
import { planDirectBuild } from '../../tasks/AcrBuildPush/build/direct/direct-build';
import { NeedsEngine } from '../../tasks/AcrBuildPush/build/needs-engine';
import { splitBuild } from '../../tasks/AcrBuildPush/build/split';
import type { ImageConfig } from '../../tasks/AcrBuildPush/image/image';
import { writeContext } from '../support/build-contexts';
import { PASSWORD, startDockerRegistry, USERNAME } from '../support/docker-registry';
import { type Builder, build, findBuilders, removeBuilt, save } from '../support/engine-builds';
import { errorsOf, runStep } from '../support/extension';
import { asPulledImage, flattenBuilt } from '../support/image-files';
import { portion, RUNS_ALL, SEED } from '../support/seeded';
import { importBaseImage } from '../support/shell-image';
import { skip } from '../support/skip';
import { capturedLog, leastPlan } from '../unit/AcrBuildPush/support';

const RUN = randomUUID();
const LABEL = `split-build-test=${RUN}`;
const BASE = `split-build-base:${RUN}`;

/** Dockerfiles over the context of `writeContext`, with what commands may leave behind for those that follow. */
const RECIPES: Readonly<Record<string, readonly string[]>> = {
  'a model behind a command': ['RUN echo 1 > /made', 'COPY model.pkl /app/model.pkl', 'CMD ["sh"]'],
  'a folder that a command made': ['RUN : > /x && mkdir -p /a/b', 'COPY model.pkl /a/b', 'COPY conf /a/b/'],
  'a link that a command made': [
    'RUN mkdir /real && ln -s /real /link',
    'COPY model.pkl /link/',
    'COPY conf /link',
  ],
  'a folder that a command removed': ['COPY conf /c', 'RUN rm -r /c', 'COPY model.pkl /c'],
  'a file over what a command made': ['RUN echo 1 > /m', 'COPY model.pkl /m'],
  'a user that a command added': [
    "RUN echo 'app:x:77:78::/:' > /etc/passwd && echo 'staff:x:79:' > /etc/group",
    'COPY --chown=app:staff model.pkl /m',
    'USER app',
  ],
  'variables and arguments from before': [
    'ARG NAME=model.pkl',
    'ARG GIVEN',
    'ENV PLACE=/place',
    'RUN echo $NAME > /name',
    'COPY $NAME $PLACE/$GIVEN',
    'ENV LATER=$NAME',
  ],
  'a working folder from before': [
    'WORKDIR /w',
    'RUN echo 1 > x',
    'COPY model.pkl .',
    'WORKDIR y',
    'COPY conf .',
  ],
  'a working folder that a command removed': ['WORKDIR /w/v', 'RUN rm -r /w', 'WORKDIR /w/v', 'COPY conf /c'],
  'a command of its own before the entry point': [
    'CMD ["a"]',
    'RUN echo 1 > /x',
    'COPY conf /c',
    'ENTRYPOINT ["b"]',
  ],
  'no command of its own before the entry point': ['RUN echo 1 > /x', 'COPY conf /c', 'ENTRYPOINT ["b"]'],
  'a shell from before': ['SHELL ["/bin/sh", "-e", "-c"]', 'RUN echo 1 > /x', 'COPY conf /c', 'CMD run it'],
  'settings of all kinds': [
    'EXPOSE 80',
    'VOLUME /v',
    'RUN echo 1 > /x',
    'COPY model.pkl app.py /app/',
    'EXPOSE 81/udp',
    'VOLUME /w',
    'LABEL a=b',
    'STOPSIGNAL SIGINT',
    'HEALTHCHECK CMD true',
  ],
  'a large file': ['RUN echo 1 > /x', 'COPY big.bin model.pkl /b/'],
};

/** The same, of more than one stage. */
const STAGES: Readonly<Record<string, readonly string[]>> = {
  'commands in the stage below': [
    `FROM ${BASE} AS below`,
    'RUN mkdir /app',
    'CMD ["a"]',
    'FROM below',
    'COPY model.pkl /app/',
    'ENTRYPOINT ["b"]',
  ],
  'a copy of what a command made': [
    `FROM ${BASE} AS made`,
    'RUN mkdir /out && echo 1 > /out/x',
    `FROM ${BASE}`,
    'COPY --from=made /out /out',
    'COPY model.pkl /out/',
  ],
  'owners of what is copied out of a stage': [
    'FROM scratch AS files',
    'COPY --chown=3:4 conf /conf',
    `FROM ${BASE}`,
    'RUN mkdir /c',
    'COPY --from=files /conf /c/',
  ],
  'a copy out of a stage without commands': [
    'FROM scratch AS files',
    'COPY conf /conf',
    `FROM ${BASE}`,
    'RUN mkdir /conf',
    'COPY --from=files /conf /conf/',
  ],
};

/** Where docker's two builders differ, BuildKit is followed. */
const AS_BUILDKIT: Readonly<Record<string, readonly string[]>> = {
  'an argument of the stage below': [
    `FROM ${BASE} AS below`,
    'ARG A=app',
    'RUN mkdir /app',
    'FROM below',
    'COPY model.pkl /$A/',
  ],
  'a working folder for a user': [`FROM ${BASE}`, 'RUN echo 1 > /x', 'USER 7:8', 'WORKDIR /w', 'COPY conf .'],
};

describe('A build that is split between an engine and the step', function () {
  this.timeout(300_000);

  const folder = mkdtempSync(join(tmpdir(), 'split-build-'));
  const context = join(folder, 'context');
  let builders: Builder[] = [];
  let server: ChildProcess | undefined;
  let host: string;

  before(async function () {
    const engine = await findEngine();
    if ('missing' in engine) skip(this, `no Docker engine: ${engine.missing}`);
    console.log(`SEED=${SEED}${RUNS_ALL ? ', all of it' : ''}`);
    mkdirSync(context);
    writeContext(context);
    importBaseImage(BASE, ['/bin/mkdir', '/bin/ln', '/bin/rm']);
    builders = await findBuilders(folder, LABEL);
    [server, host] = await startDockerRegistry(join(folder, 'registry'));
  });

  after(async () => {
    if (builders[0]) {
      removeBuilt(builders[0].client, LABEL);
      execFileSync('docker', ['image', 'rm', BASE], { stdio: 'ignore' });
    }
    if (server) {
      server.kill();
      await once(server, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  });

  const all = {
    ...Object.fromEntries(Object.entries(RECIPES).map(([what, lines]) => [what, [`FROM ${BASE}`, ...lines]])),
    ...STAGES,
    ...AS_BUILDKIT,
  };
  const fewForLegacy = portion([...Object.keys(RECIPES), ...Object.keys(STAGES)], 4);
  for (const [number, [what, lines]] of Object.entries(all).entries()) {
    it(`makes the same image as the engine alone: ${what}`, async function () {
      const fit = builders.filter(({ kind }) => kind === 'buildkit' || !(what in AS_BUILDKIT));
      if (fit.length === 0) skip(this, 'no docker client here brings BuildKit');
      // Each line costs the legacy builder a container, so that it is asked for a few where there is another.
      const asked = fit.filter(
        ({ kind }, at) => at === 0 || kind === 'buildkit' || fewForLegacy.includes(what),
      );
      for (const builder of asked)
        assert.ok(await compare(builder, [...lines, ''].join('\n'), `${number}`), 'it was not split');
    });
  }

  /**
   * Has an image built by the engine alone, and by engine and step.
   *
   * @returns false where the Dockerfile is not to be split
   */
  async function compare(builder: Builder, recipe: string, number: string): Promise<boolean> {
    const place = mkdtempSync(join(folder, 'case-'));
    const given = { GIVEN: 'given' };
    const plan = {
      ...leastPlan,
      ...{ recipe, context, arguments: given, dockerfile: join(place, 'Dockerfile') },
      labels: Object.fromEntries([LABEL.split('=')]),
    };
    const split = splitBuild(plan);
    if (!split) return false;
    const words = { context, label: LABEL, arguments: given };
    const name = (part: string) => `split-build-${RUN}:${part}-${number}-${builder.kind}`;
    writeFileSync(plan.dockerfile, recipe);
    writeFileSync(join(place, 'head'), split.head);
    assert.equal(await build(builder, { ...words, file: plan.dockerfile, name: name('all') }), undefined);
    assert.equal(
      await build(builder, { ...words, file: join(place, 'head'), name: name('head') }),
      undefined,
    );

    const theirs = join(place, 'theirs');
    const parent = join(place, 'parent');
    for (const path of [theirs, parent]) mkdirSync(path);
    const images = await save(builder, [name('all')], theirs);
    await save(builder, [name('head')], parent);
    const options = {
      pull: () => Promise.reject(new Error('nothing is pulled here')),
      log: capturedLog().log,
      signal: new AbortController().signal,
    };
    const planned = await planDirectBuild(plan, options, { split, image: asPulledImage(parent) });
    assert.ok(!(planned instanceof NeedsEngine), String(planned));
    const built = await planned.make(plan.labels);
    assert.deepEqual(await flattenBuilt(built), images.get(name('all')), `${builder.kind}: ${recipe}`);
    const { history, rootfs } = JSON.parse(built.config.toString('utf8'));
    const steps = history.filter((step: { empty_layer?: boolean }) => !step.empty_layer);
    assert.equal(steps.length, rootfs.diff_ids.length);
    rmSync(place, { recursive: true });
    return true;
  }

  /** Runs the packed task as a pipeline would that says nothing of who builds. */
  function step(tag: string, lines: readonly string[], inputs: Record<string, string> = {}) {
    const sources = mkdtempSync(join(folder, 'sources-'));
    const recipe = [`FROM ${BASE}`, `LABEL ${LABEL}`, ...lines, ''];
    writeFileSync(join(sources, 'Dockerfile'), recipe.join('\n'));
    writeFileSync(join(sources, 'model.pkl'), `the model ${tag}`);
    const workFolder = join(sources, 'agent');
    const defaults = {
      ...{ loginServer: host, acrUsername: USERNAME, acrPassword: PASSWORD, repository: `split-${RUN}` },
      ...{ tags: `${tag}\nlatest`, dockerfile: 'Dockerfile', ...inputs },
    };
    return runStep('AcrBuildPush', defaults, { sources, workFolder });
  }

  /** Reads from the repository as another client would. */
  async function read<T>(path: string): Promise<T> {
    const authorization = `Basic ${Buffer.from(`${USERNAME}:${PASSWORD}`).toString('base64')}`;
    const answer = await fetch(`http://${host}/v2/split-${RUN}/${path}`, {
      headers: { Authorization: authorization, Accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    return answer.json() as Promise<T>;
  }

  const lines = ['RUN mkdir /app', 'ARG VERSION', 'COPY model.pkl /app/', 'ENV VERSION=$VERSION'];

  it('brings a model to the registry that the engine has not seen, and reads the engine no second time', async () => {
    const first = await step('1.0.0', lines);
    assert.equal(first.result, 'Succeeded', errorsOf(first));
    const log = first.log.join('\n');
    assert.match(
      log,
      /The Docker engine builds the first 3 lines of the Dockerfile, and this step adds the rest/,
    );
    assert.match(log, /The engine gave what it built/);
    assert.equal(first.outputVariables.builder, 'docker');
    assert.match(first.summaries[0]!.markdown, /from line 4 on this step/);

    const second = await step('2.0.0', lines);
    assert.equal(second.result, 'Succeeded', errorsOf(second));
    assert.match(second.log.join('\n'), /The registry has what the engine built/);
    assert.doesNotMatch(second.log.join('\n'), /The engine gave what it built|Reading the/);
    for (const [tag, { outputVariables }] of [
      ['1.0.0', first],
      ['2.0.0', second],
    ] as const) {
      const manifest = await read<{ config: { digest: string } }>(`manifests/${outputVariables.imageDigest}`);
      const { config, rootfs, history } = await read<ImageConfig>(`blobs/${manifest.config.digest}`);
      assert.equal(rootfs.diff_ids.length, 3);
      assert.ok(config!.Env!.includes(`VERSION=${tag}`));
      assert.equal(config!.Labels!['org.opencontainers.image.version'], tag);
      assert.match(history!.at(-2)!.created_by!, /^COPY model\.pkl/);
    }
  });

  it('leaves all to the engine where docker is asked for', async () => {
    const run = await step('1.0.0', lines, { builder: 'docker', repository: `whole-${RUN}` });
    assert.equal(run.result, 'Succeeded', errorsOf(run));
    assert.doesNotMatch(run.log.join('\n'), /this step adds the rest/);
  });

  for (const [what, begin, error] of [
    [
      'fails in a command',
      ['RUN echo begin', '', 'RUN exit 3'],
      /Dockerfile line 5 failed with exit code 3: RUN exit 3/,
    ],
    [
      'has not what it copies',
      ['RUN echo begin', '# none', 'COPY none.txt /', 'RUN true'],
      /Dockerfile line 5: .*'none\.txt'/,
    ],
  ] as const) {
    it(`names the line of the whole Dockerfile where the engine ${what}`, async () => {
      const run = await step('1.0.0', [...begin, 'COPY model.pkl /app/'], { repository: `line-${RUN}` });
      assert.equal(run.result, 'Failed');
      assert.match(run.log.join('\n'), /this step adds the rest/);
      assert.match(errorsOf(run), error);
    });
  }

  it('leaves the rest to the engine where it turns out to need one', async () => {
    const stages = [`FROM ${BASE}`, `LABEL ${LABEL}`, ...lines, 'COPY --from=0 /bin/sh /shell'];
    const run = await step('1.0.0', stages, { repository: `rest-${RUN}` });
    assert.equal(run.result, 'Succeeded', errorsOf(run));
    assert.match(run.log.join('\n'), /The engine gave what it built/);
    assert.match(run.log.join('\n'), /\. So the engine builds the rest as well\./);
    assert.doesNotMatch(run.summaries[0]!.markdown, /on this step/);
  });
});
