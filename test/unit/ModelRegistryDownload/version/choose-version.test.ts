import assert from 'node:assert/strict';
import { createLogger } from '../../../../tasks/common/log';
import { openContainer } from '../../../../tasks/ModelRegistryDownload/registry/client';
import { PORTABLE } from '../../../../tasks/ModelRegistryDownload/registry/names';
import { connect } from '../../../../tasks/ModelRegistryDownload/registry/persist';
import {
  chooseVersion,
  type VersionWish,
} from '../../../../tasks/ModelRegistryDownload/version/choose-version';
import { type BlobRequest, BlobServer, type Fault } from '../../../support/blob-server';
import { impatient } from '../support';

describe('the choice of a version', () => {
  let server: BlobServer;
  let lines: string[];

  beforeEach(async () => {
    server = await BlobServer.start();
    server.createContainer('titanic');
    lines = [];
  });

  afterEach(() => server.stop());

  /** Publishes files under their names alone: what is in them does not matter here. */
  function publish(version: string, ...files: string[]) {
    for (const file of files.length > 0 ? files : ['model.pkl']) {
      server.put('titanic', `${version}/${file}`, 'x');
    }
  }

  async function choose(version: string, changes: Partial<VersionWish> = {}) {
    const container = openContainer({
      account: server.account,
      credential: server.credential,
      endpoint: server.endpoint,
      container: 'titanic',
      network: { proxyFor: () => undefined, tls: {} },
    });
    const log = createLogger((line) => lines.push(line));
    const connection = connect(log, new AbortController().signal, impatient());
    const wish: VersionWish = {
      version,
      includePrereleases: false,
      versionsFolder: '',
      patterns: ['**'],
      requiredFiles: [],
      completeness: 'auto',
      nameRules: PORTABLE,
      isHeld: () => false,
      ...changes,
    };
    try {
      return await chooseVersion(container, wish, connection);
    } finally {
      container.close();
    }
  }

  const chosen = async (version: string, changes?: Partial<VersionWish>) =>
    (await choose(version, changes)).name;

  describe('by name', () => {
    it('asks for that version alone, when nothing about it is in doubt', async () => {
      publish('1.0.0', 'model.pkl', '_SUCCESS');
      publish('1.1.0', 'model.pkl', '_SUCCESS');
      assert.equal(await chosen('1.0.0'), '1.0.0');
      assert.deepEqual(
        server.requests.map(({ kind }) => kind),
        ['list'],
      );
    });

    for (const name of ['2026-11-23 (rc 1)', 'production', 'v1.0.0', '1.0.0-rc.1+5']) {
      it(`takes ${name}`, async () => {
        publish(name);
        assert.equal(await chosen(name), name);
      });
    }

    it('takes a folder for itself, though its name could be read as a range', async () => {
      publish('1.x');
      publish('1.5.0');
      assert.equal(await chosen('1.x'), '1.x');
      assert.match(lines.join('\n'), /'1\.x' is the name of a folder there, so it is not read as a range/);
    });

    for (const [name, range] of [
      ['v1', '1.x'],
      ['1', '1.x'],
      ['1.2', '1.2.x'],
    ] as const) {
      it(`does not take a longer version for ${name}, and says how to ask for one`, async () => {
        publish('v1.2.3');
        await assert.rejects(choose(name), {
          message: new RegExp(`no version '${name}'.*begins with it is asked for by '${range}'`),
        });
        assert.equal(await chosen(range), 'v1.2.3');
      });
    }

    for (const [wanted, folder] of [
      ['latest', 'latest'],
      ['Latest', 'latest'],
      ['latest', 'LATEST'],
    ] as const) {
      it(`takes a folder ${folder} for ${wanted}, and says that it did`, async () => {
        publish('1.0.0');
        publish('2.0.0');
        publish(folder);
        const { name, why } = await choose(wanted);
        assert.deepEqual([name, why], [folder, "named by 'modelVersion'"]);
        assert.deepEqual(lines, [
          `'${folder}' is the name of a folder there, so it is taken rather than the newest. '*' asks for that.`,
        ]);
        assert.equal(await chosen('*'), '2.0.0');
      });
    }

    it('asks which, when several folders are called latest and none is written like the input', async () => {
      publish('LATEST');
      publish('Latest');
      await assert.rejects(choose('latest'), /could be any of the folders 'LATEST', 'Latest'/);
      assert.equal(await chosen('Latest'), 'Latest');
    });

    it('leads to all versions when there is none of that name, and they are few', async () => {
      publish('1.0.0');
      publish('2.0.0');
      await assert.rejects(choose('1.0.1'), /no version '1\.0\.1'.*its versions are '1\.0\.0', '2\.0\.0'\.$/);
    });

    it('leads to the nearest versions when they are many', async () => {
      for (let n = 0; n < 20; n++) publish(`1.${n}.0`);
      await assert.rejects(choose('1.13.1'), /nearest of its versions are '1\.13\.0', /);
    });

    it('looks only where versions should be', async () => {
      publish('1.0.0');
      publish('live/3.0.0');
      await assert.rejects(
        choose('2.0.0', { versionsFolder: 'live/' }),
        /under 'live\/'.*versions are '3\.0\.0'\.$/,
      );
    });

    it('says when there are no versions at all', async () => {
      for (const version of ['1.0.0', 'latest', '1.x']) {
        await assert.rejects(
          choose(version),
          /holds no versions at all\. Check 'modelName' and 'pathPrefix'/,
        );
      }
    });

    it('does not take a version of the same rank for it', async () => {
      publish('v1.0.0');
      await assert.rejects(choose('1.0.0'), /its versions are 'v1\.0\.0'/);
    });
  });

  describe('by latest or a range', () => {
    beforeEach(() => {
      for (const version of ['1.0.0', '1.9.0', '1.10.0', '2.0.0', '2.1.0-rc.1', 'tmp']) publish(version);
    });

    it('takes the newest, by number and not by name', async () => {
      assert.equal(await chosen('1.x'), '1.10.0');
      assert.equal(await chosen('Latest'), '2.0.0');
    });

    it('takes pre-releases only when asked for', async () => {
      assert.equal(await chosen('latest', { includePrereleases: true }), '2.1.0-rc.1');
      assert.equal(await chosen('~2.1.0-rc'), '2.1.0-rc.1');
    });

    it('lists the versions once, and of their files those of the chosen one only', async () => {
      publish('2.0.0', '_SUCCESS');
      server.requests.length = 0;
      await choose('latest');
      assert.deepEqual(
        server.requests.map(({ kind }) => kind),
        ['folders', 'list'],
      );
    });

    it('is explained in the log', async () => {
      const { why } = await choose('1.x');
      assert.equal(why, "the newest of 3 that fit '1.x'");
      assert.deepEqual(lines, [
        "'1.x' asks for the newest version that fits >=1.0.0 <2.0.0. Of 5 versions these fit, newest first: 1.10.0, 1.9.0, 1.0.0.",
        'Left out for names that no range can be held against: tmp. They can be asked for by name.',
        "Chose version 1.10.0: the newest of 3 that fit '1.x'.",
      ]);
    });

    it('names what could be the newest, when the names do not tell', async () => {
      publish('2026-11-23');
      await assert.rejects(choose('latest'), {
        message:
          /cannot be told from the names in container 'titanic'.*any of '2\.0\.0', '2026-11-23'.*\* or 1\.x/,
      });
      assert.equal(await chosen('*'), '2.0.0');
    });

    it('names the pre-releases that it leaves out', async () => {
      await choose('latest');
      assert.match(lines.join('\n'), /Left out as pre-releases: 2\.1\.0-rc\.1\. 'includePrereleases'/);
    });

    it('names versions of equal rank', async () => {
      publish('v2.0.0');
      assert.equal(await chosen('latest'), 'v2.0.0');
      assert.match(lines.join('\n'), /'v2\.0\.0', '2\.0\.0' have the same rank/);
    });

    const failures: [version: string, message: RegExp][] = [
      [
        '3.x',
        /No version of the model fits '3\.x' in container 'titanic'.*newest versions there are '2\.1\.0-rc\.1', '2\.0\.0', '1\.10\.0'/,
      ],
      ['~2.1.0', /Only pre-releases of the model fit '~2\.1\.0'.*'2\.1\.0-rc\.1'\. Set 'includePrereleases'/],
    ];
    for (const [version, message] of failures) {
      it(`fails for ${version} with what to do`, () =>
        assert.rejects(choose(version), { name: 'TaskError', message }));
    }

    it('fails where no folder is named like a version', async () => {
      publish('eu/january');
      await assert.rejects(
        choose('latest', { versionsFolder: 'eu/' }),
        /no folder is named like one: 'january'/,
      );
    });

    it('goes on over all pages of the versions', async () => {
      server.pageSize = 2;
      assert.equal(await chosen('latest'), '2.0.0');
    });

    for (const kind of ['same marker', 'same blobs', 'empty pages'] as const) {
      it(`ends with an error when the versions never end (${kind})`, async () => {
        server.endless = kind;
        await assert.rejects(choose('latest'), /lists the same files again and again/);
      });
    }
  });

  describe('where a version is not complete', () => {
    const registries: [
      what: string,
      versions: Record<string, string[]>,
      changes: Partial<VersionWish>,
      lack: RegExp,
    ][] = [
      [
        'for lacking a required file',
        { '1.0.0': ['model.pkl', 'flags.pkl'], '1.1.0': ['model.pkl'] },
        { requiredFiles: ['model.pkl', 'flags.pkl'] },
        /it lacks 'flags\.pkl', which 'requiredFiles' asks for/,
      ],
      [
        'for lacking a required file, where other versions do not count',
        { '1.0.0': ['model.pkl', 'flags.pkl'], '1.1.0': ['model.pkl'] },
        { requiredFiles: ['flags.pkl'], completeness: 'requiredFiles' },
        /it lacks 'flags\.pkl'/,
      ],
      [
        'for lacking the marker of the version before, though it has metadata',
        { '1.0.0': ['model.pkl', '_SUCCESS'], '1.1.0': ['model.pkl', 'metadata.json'] },
        {},
        /it lacks '_SUCCESS', which version '1\.0\.0' has/,
      ],
      [
        'for lacking the manifest that the version before has, among counters',
        { '9': ['model.pkl', 'model-manifest.json'], '10': ['model.pkl'] },
        {},
        /it lacks 'model-manifest\.json', which version '9' has/,
      ],
    ];
    for (const [what, versions, changes, lack] of registries) {
      const [older, newer] = Object.keys(versions).sort(
        (a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10),
      ) as [string, string];
      const prepare = () => {
        for (const [version, files] of Object.entries(versions)) publish(version, ...files);
      };

      it(`${what}, latest passes over it and says so`, async () => {
        prepare();
        const { name, why } = await choose('latest', changes);
        assert.equal(name, older);
        assert.equal(why, `the newest complete of 2 versions; passed over '${newer}'`);
        assert.match(
          lines.join('\n'),
          new RegExp(`type=warning;\\]Passed over version ${newer}, which is not complete: ${lack.source}`),
        );
      });

      const isGuess = !changes.requiredFiles;
      it(`${what}, it is ${isGuess ? 'taken with a warning' : 'refused'} when it is named`, async () => {
        prepare();
        if (isGuess) {
          assert.equal(await chosen(newer, changes), newer);
          assert.match(
            lines.join('\n'),
            new RegExp(`type=warning;\\].*${lack.source.slice(3)}.*since it is named`),
          );
        } else {
          await assert.rejects(choose(newer, changes), {
            name: 'TaskError',
            message: new RegExp(`'${newer}' is not complete: ${lack.source}`),
          });
        }
        assert.equal(server.reads.length, 0);
      });

      it(`${what}, it is taken where completeness is off`, async () => {
        prepare();
        for (const version of ['latest', newer]) {
          assert.equal(await chosen(version, { ...changes, completeness: 'off' }), newer);
        }
        assert.doesNotMatch(lines.join('\n'), /warning/);
      });
    }

    const guesses: [what: string, changes: Partial<VersionWish>][] = [
      ['required files are given', { requiredFiles: ['model.pkl'] }],
      ['only required files are to count', { completeness: 'requiredFiles' }],
    ];
    for (const [what, changes] of guesses) {
      it(`does not guess from other versions where ${what}`, async () => {
        publish('1.0.0', 'model.pkl', '_SUCCESS');
        publish('1.1.0');
        assert.equal(await chosen('latest', changes), '1.1.0');
        assert.doesNotMatch(lines.join('\n'), /warning/);
      });
    }

    for (const name of ['_started_71', '_committed_71', '.complete', 'READY', '_metadata', '_SUCCESS.crc']) {
      it(`does not take ${name}, of other tools, for a marker`, async () => {
        publish('1.0.0', 'model.pkl', name);
        publish('1.1.0');
        assert.equal(await chosen('latest'), '1.1.0');
        assert.equal(await chosen('1.1.0'), '1.1.0');
        assert.doesNotMatch(lines.join('\n'), /warning/);
      });
    }

    it('does not take metadata for a marker', async () => {
      publish('1.0.0', 'model.pkl', 'metadata.json');
      publish('1.1.0');
      assert.equal(await chosen('latest'), '1.1.0');
    });

    it('knows of no other versions where their listing is forbidden', async () => {
      publish('1.0.0', 'model.pkl', '_SUCCESS');
      publish('1.1.0');
      let forbidden: string[] = ['folders'];
      const isForbidden = ({ kind }: { kind: string }) =>
        forbidden.includes(kind) ? { status: 403, code: 'AuthorizationPermissionMismatch' } : undefined;
      server.fault = isForbidden;
      assert.equal(await chosen('1.1.0'), '1.1.0');
      await assert.rejects(
        choose('3.0.0'),
        /no version '3\.0\.0'.*which versions there are, the step may not see/,
      );
      let lists = 0;
      forbidden = ['list'];
      server.fault = (request) =>
        request.kind === 'list' && lists++ === 0 ? undefined : isForbidden(request);
      assert.equal(await chosen('1.1.0'), '1.1.0');
      assert.doesNotMatch(lines.join('\n'), /warning/);
    });

    const troubles: [what: string, fault: Fault][] = [
      ...[400, 401, 403, 404, 408, 409, 429, 500, 503].map((status): [string, Fault] => [
        `HTTP ${status}`,
        { status },
      ]),
      [
        'a page for people',
        { instead: { status: 200, headers: { 'Content-Type': 'text/html' }, body: '<html></html>' } },
      ],
      ['a connection that breaks', { resetAfter: 0 }],
    ];
    for (const [what, fault] of troubles) {
      it(`takes a version that is named where ${what} answers about others`, async () => {
        publish('1.0.0', 'model.pkl', '_SUCCESS');
        publish('1.1.0');
        for (const isOfOthers of [
          ({ kind }: BlobRequest) => kind === 'folders',
          ({ kind }: BlobRequest) => kind === 'list' && server.requests.some((one) => one.kind === 'folders'),
        ]) {
          server.requests.length = 0;
          server.fault = (request) => (isOfOthers(request) ? fault : undefined);
          assert.equal(await chosen('1.1.0'), '1.1.0');
          assert.doesNotMatch(lines.join('\n'), /warning/);
        }
      });
    }

    for (const status of [401, 403]) {
      it(`believes no single HTTP ${status} about other versions where it decides`, async () => {
        publish('1.0.0', 'model.pkl', '_SUCCESS');
        publish('1.1.0');
        let listings = 0;
        server.fault = ({ kind }) => (kind === 'folders' && ++listings === 2 ? { status } : undefined);
        assert.equal(await chosen('latest'), '1.0.0');
      });
    }

    it('looks past a neighbour that is not complete either', async () => {
      publish('1.0.0', 'model.pkl', '_SUCCESS');
      publish('1.1.0');
      publish('1.2.0');
      assert.equal(await chosen('latest'), '1.0.0');
    });

    it('passes over a folder that holds nothing but stubs', async () => {
      publish('1.0.0');
      server.put('titanic', '1.1.0/', '', { metadata: { hdi_isfolder: 'true' } });
      assert.equal(await chosen('latest'), '1.0.0');
      await assert.rejects(choose('1.1.0'), /Version '1\.1\.0' of the model holds no files/);
    });

    it('asks for no marker where none is in use, or was in use by then', async () => {
      publish('1.0.0');
      publish('1.1.0');
      publish('1.2.0', 'model.pkl', 'metadata.json');
      for (const version of ['1.0.0', '1.1.0']) {
        if (version === '1.0.0') server.remove('titanic', '1.2.0/metadata.json');
        assert.equal(await chosen(version), version);
        publish('1.2.0', 'metadata.json');
      }
    });

    it('fails when all are', async () => {
      publish('1.0.0');
      publish('1.1.0');
      await assert.rejects(
        choose('latest', { requiredFiles: ['scaler.pkl'] }),
        /No complete version of the model fits 'latest': the newest, '1\.1\.0' lacks 'scaler\.pkl'.*and 1 older is no better/,
      );
    });

    it('does not look through a whole registry for a complete one', async () => {
      for (let n = 0; n < 60; n++) publish(`1.${n}.0`);
      await assert.rejects(
        choose('latest', { requiredFiles: ['scaler.pkl'] }),
        (error: { details: string[] }) => error.details.includes('40 more were not looked at.'),
      );
      assert.equal(server.requests.length, 21);
    });
  });

  it('tells of all archived files at once, with tier and what becomes of them', async () => {
    server.put('titanic', '1.0.0/a.pkl', 'abc', { tier: 'Archive' });
    server.put('titanic', '1.0.0/b.pkl', 'abc', {
      tier: 'Archive',
      archiveStatus: 'rehydrate-pending-to-hot',
    });
    server.put('titanic', '1.0.0/c.pkl', 'abc', { tier: 'Cold' });
    await assert.rejects(choose('1.0.0'), (error: Error & { details: string[] }) => {
      assert.match(error.message, /^2 files of version '1\.0\.0' cannot be read.*archive tier.*Rehydrate/);
      assert.deepEqual(error.details, [
        'a.pkl (3 B): tier Archive',
        'b.pkl (3 B): tier Archive, rehydrate-pending-to-hot',
      ]);
      return true;
    });
  });
});
