import assert from 'node:assert/strict';
import { type Extension, identityOf, underIdentity } from '../../../scripts/identity';
import { linkedTo } from '../../../scripts/links';
import { packageOptions } from '../../../scripts/options';
import { URL_NAMESPACE, uuidV5 } from '../../../scripts/uuid';

const OWN = { publisher: 'original', id: 'model-pipeline-tasks' };

const extension: Extension = {
  manifest: {
    ...OWN,
    version: '1.0.0',
    name: 'Model Pipeline Tasks',
    files: [],
    contributions: [
      { type: 'ms.vss-distributed-task.task', properties: { name: 'tasks/AcrBuildPush' } },
      {
        type: 'ms.vss-endpoint.service-endpoint-type',
        properties: { name: 'databricks', displayName: 'Databricks workspace' },
      },
    ],
  },
  tasks: {
    AcrBuildPush: {
      id: '2c76871b-a224-4f82-a48e-374bd3f156b1',
      name: 'AcrBuildPush',
      friendlyName: 'Build an image',
      instanceNameFormat: 'Build $(repository)',
      helpUrl: 'https://example.com/here',
      version: { Major: 1, Minor: 0, Patch: 0 },
      inputs: [
        { name: 'plain', type: 'connectedService:databricks' },
        { name: 'filtered', type: 'connectedService:databricks:Token,None' },
        { name: 'azure', type: 'connectedService:AzureRM' },
        { name: 'text', type: 'string' },
      ],
    },
  },
};

const build = (publisher: string, more: { dev?: boolean; extensionId?: string } = {}) =>
  underIdentity(extension, identityOf(OWN, { publisher, ...more }));

/** All that two extensions may not share in one organization. */
function claims({ manifest, tasks }: Extension, withNames: boolean): string[] {
  return [
    `${manifest.publisher}.${manifest.id}`,
    ...manifest.contributions
      .filter(({ type }) => type.endsWith('endpoint-type'))
      .map(({ properties }) => properties.name.toLowerCase()),
    ...Object.values(tasks).flatMap(({ id, name }) => (withNames ? [id, name.toLowerCase()] : [id])),
  ];
}

function assertApart(first: Extension, second: Extension, withNames: boolean): void {
  const taken = claims(first, withNames);
  assert.deepEqual(
    claims(second, withNames).filter((claim) => taken.includes(claim)),
    [],
  );
}

describe('the identity of a build', () => {
  it('is the extension’s own where nothing else is asked for', () =>
    assert.deepEqual(underIdentity(extension, identityOf(OWN, {})), extension));

  it('has ids of tasks that other tools make too', () => {
    // The example of RFC 9562, appendix A.4 (of the namespace of names in DNS).
    const dns = '6ba7b810-9dad-11d1-80b4-00c04fd430c8';
    assert.equal(uuidV5(dns, 'www.example.com'), '2ed6657d-e927-568b-95e1-2665a8aea6a2');
    assert.equal(
      uuidV5(URL_NAMESPACE, 'https://marketplace.visualstudio.com/vsts'),
      'bc9bcd49-cee9-5f05-a430-a7d26465cf46',
    );
    // Made with tfx's companions, microsoft/azure-devops-extension-tasks and jessehouwing/azdo-marketplace.
    assert.equal(build('acme', { dev: true }).tasks.AcrBuildPush!.id, '6b5b295f-80cc-58ce-ab47-54b937ea65d2');
  });

  it('is the same each time', () => assert.deepEqual(build('acme'), build('acme')));

  it('shares nothing with the original or another publisher’s', () => {
    assertApart(extension, build('acme'), false);
    assertApart(build('acme'), build('umbrella'), false);
    assertApart(build('acme'), build('acme', { extensionId: 'another' }), false);
  });

  it('of one’s own leaves the names that pipelines use', () => {
    const { manifest, tasks } = build('acme');
    assert.equal(tasks.AcrBuildPush!.name, 'AcrBuildPush');
    assert.equal(manifest.name, 'Model Pipeline Tasks');
  });

  it('for development shares no names of tasks either, whoever builds it', () => {
    const publishers = ['original', 'acme', 'umbrella', 'acme-ml', 'acmeml', 'ac-meml', 'acmeml-', 'a'];
    for (const [index, publisher] of publishers.entries()) {
      assertApart(extension, build(publisher, { dev: true }), true);
      assertApart(build(publisher), build(publisher, { dev: true }), true);
      for (const other of publishers.slice(index + 1)) {
        assertApart(build(publisher, { dev: true }), build(other, { dev: true }), true);
      }
      assert.match(build(publisher, { dev: true }).tasks.AcrBuildPush!.name, /^AcrBuildPushDev[A-Za-z0-9]+$/);
    }
  });

  it('for development says so in every name that a person reads', () => {
    const { manifest, tasks } = build('acme', { dev: true });
    assert.deepEqual(
      [
        manifest.name,
        manifest.contributions[1]!.properties.displayName,
        tasks.AcrBuildPush!.friendlyName,
        tasks.AcrBuildPush!.instanceNameFormat,
      ].filter((name) => !name?.endsWith(' (dev)')),
      [],
    );
  });

  it('takes connections of its own type, and of others’ as before', () => {
    const [plain, filtered, azure, text] = build('acme').tasks.AcrBuildPush!.inputs.map(({ type }) => type);
    const own = build('acme').manifest.contributions[1]!.properties.name;
    assert.equal(plain, `connectedService:${own}`);
    assert.equal(filtered, `connectedService:${own}:Token,None`);
    assert.equal(azure, 'connectedService:AzureRM');
    assert.equal(text, 'string');
  });

  for (const [options, mistake] of [
    [{ publisher: 'a b' }, /--publisher 'a b'/],
    [{ publisher: '' }, /--publisher ''/],
    [{ publisher: '../up' }, /--publisher/],
    [{ 'extension-id': '-id' }, /--extension-id '-id'/],
    [{ version: '1.2.0' }, /npm run set-version/],
    [{ dev: true, version: '1.2' }, /'1.2' is no version/],
    [{ dev: true, public: true }, /not for the public/],
    [{ repository: 'git@github.com:a/b.git' }, /--repository/],
    [{ repository: 'https://user:secret@github.com/a/b' }, /--repository/],
  ] as const) {
    it(`is refused with ${JSON.stringify(options)}`, () =>
      assert.throws(() => packageOptions(options, OWN), mistake));
  }
});

describe('the links of a package', () => {
  const manifest = { ...extension.manifest, links: { support: { uri: 'docs/support.md' } } };
  const support = (repository: string) => linkedTo(manifest, repository).links!.support!.uri;

  it('lead into the repository that is named', () => {
    assert.equal(support('https://github.com/a/b.git'), 'https://github.com/a/b/blob/HEAD/docs/support.md');
    assert.equal(support('https://gitlab.com/a/b/'), 'https://gitlab.com/a/b/-/blob/HEAD/docs/support.md');
    assert.equal(
      support('https://dev.azure.com/a/b/_git/c'),
      'https://dev.azure.com/a/b/_git/c?path=/docs/support.md',
    );
  });

  it('are left out where none is', () => assert.equal(linkedTo(manifest, undefined).links, undefined));
});
