import assert from 'node:assert/strict';
import { useDownload } from './download';
import { contentOf } from './support';

describe('downloading a model', () => {
  const story = useDownload();

  describe('from a registry that is written to at the same time', () => {
    it('starts over when a file is replaced after it was listed', async () => {
      story.server.fault = ({ kind }) => {
        if (kind === 'read' && story.server.reads.length === 1)
          story.server.put('titanic', '1.0.0/model.pkl', 'newer');
        return undefined;
      };
      await story.download();
      assert.equal((await story.modelFiles())['model.pkl'], 'newer');
      assert.match(
        story.step.text,
        /has changed in the registry since it was listed\. The download starts over/,
      );
    });

    it('starts over when a file was added meanwhile, and takes it too', async () => {
      story.server.fault = ({ kind }) => {
        if (kind === 'read' && story.server.reads.length === 1)
          story.server.put('titanic', '1.0.0/added.pkl', 'added');
        return undefined;
      };
      await story.download();
      assert.equal((await story.modelFiles())['added.pkl'], 'added');
    });

    it('starts over when the marker of the version is replaced, though it is not downloaded', async () => {
      story.server.fault = ({ kind }) => {
        if (kind === 'read' && story.server.reads.length === 1)
          story.server.put('titanic', '1.0.0/_SUCCESS', '');
        return undefined;
      };
      await story.download({ patterns: ['*.pkl'] });
      assert.match(story.step.text, /'_SUCCESS' has changed in the registry.*The download starts over/);
    });

    it('does not start over for a file that is neither downloaded nor a marker', async () => {
      story.server.fault = ({ kind }) => {
        if (kind === 'read' && story.server.reads.length === 1)
          story.server.put('titanic', '1.0.0/train.log', 'x');
        return undefined;
      };
      await story.download({ patterns: ['*.pkl'] });
      assert.doesNotMatch(story.step.text, /starts over/);
    });

    for (const [what, changes, lost] of [
      ['a file', {}, 'model.pkl'],
      [
        'the file that says what the version is, though it is not downloaded',
        { patterns: ['*.pkl'] },
        'metadata.json',
      ],
      [
        'a required file that is not downloaded',
        { patterns: ['*.pkl'], requiredFiles: ['data/flags.pkl'] },
        'data/flags.pkl',
      ],
    ] as const) {
      it(`fails by name for ${what} that goes away after the listing`, async () => {
        story.server.fault = ({ kind, blob }) => {
          if (kind === 'read' && !blob.endsWith('metadata.json'))
            story.server.remove('titanic', `1.0.0/${lost}`);
          return undefined;
        };
        await assert.rejects(story.download(changes), {
          name: 'TaskError',
          message: new RegExp(
            `^'${lost.replace('.', '\\.')}' of version '1\\.0\\.0' went away while it was downloaded`,
          ),
        });
        assert.deepEqual(await contentOf(story.destination).catch(() => 'no folder'), 'no folder');
      });
    }

    for (const [what, looks, outcome] of [
      ['brings a file that went away and is back in another state', 1, undefined],
      [
        'fails by name when a file is back only after a second look',
        2,
        /'model\.pkl' of version '1\.0\.0' went away/,
      ],
    ] as const) {
      it(what, async () => {
        let left: number | undefined;
        story.server.fault = ({ kind, blob }) => {
          if (kind === 'read' && blob === '1.0.0/model.pkl' && left === undefined) {
            story.server.remove('titanic', blob);
            left = looks;
          } else if (kind === 'list' && left !== undefined && --left === 0) {
            story.server.put('titanic', '1.0.0/model.pkl', 'back again');
          }
          return undefined;
        };
        if (outcome) {
          await assert.rejects(story.download({ completeness: 'requiredFiles' }), outcome);
        } else {
          await story.download({ completeness: 'requiredFiles' });
          assert.equal((await story.modelFiles())['model.pkl'], 'back again');
          assert.match(
            story.step.text,
            /'model\.pkl' is no longer in the registry.*The download starts over/,
          );
        }
      });
    }

    for (const fault of [
      { status: 404, code: 'BlobNotFound' },
      { status: 404, code: '' },
      { status: 410, code: '' },
    ]) {
      it(`says so when a file is listed and yet not there (${fault.status} ${fault.code})`, async () => {
        story.server.fault = ({ blob }) => (blob === '1.0.0/model.pkl' ? fault : undefined);
        await assert.rejects(story.download(), {
          message:
            /'model\.pkl' is listed in version '1\.0\.0', but the registry answers that there is no such file.*secondary/,
        });
      });
    }
  });
});
