import assert from 'node:assert/strict';
import { IgnoreRules } from '../../../../tasks/AcrBuildPush/context/ignore';
import { explainDockerError } from '../../../../tasks/AcrBuildPush/docker/errors';
import { explainRegistryError } from '../../../../tasks/AcrBuildPush/registry/errors';

/* The texts are what docker 20.10 to 28, BuildKit and Azure Container Registry really say. */

describe('what docker says', () => {
  for (const [words, explanation] of [
    [
      'Cannot connect to the Docker daemon at unix:///nope. Is the docker daemon running?',
      /does not answer at unix:\/\/\/nope\. Start it/,
    ],
    [
      "failed to dial gRPC: cannot connect to the Docker daemon. Is 'docker daemon' running on this host?: dial unix /nope: connect: no such file or directory",
      /does not answer\. Start it/,
    ],
    [
      'error during connect: Get "http://nosuch.local:1/v1.50/version": dial tcp: lookup nosuch.local: no such host',
      /does not answer.*DOCKER_HOST/,
    ],
    [
      'failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct',
      /does not answer at unix:\/\/\/var\/run\/docker\.sock\. Start it/,
    ],
    [
      'permission denied while trying to connect to the docker API at unix:///var/run/docker.sock',
      /no permission on the engine's socket.*group 'docker'/,
    ],
    [
      'Error response from daemon: client version 1.41 is too old. Minimum supported API version is 1.44, please upgrade your client to a newer version',
      /speaks version 1\.41 .* takes 1\.44 at least.*'dockerVersion'.*DOCKER_API_VERSION/,
    ],
    [
      'Error response from daemon: client version 1.99 is too new. Maximum supported API version is 1.41',
      /speaks version 1\.99 .* takes 1\.41 at most.*DOCKER_API_VERSION/,
    ],
    [
      'Failed to initialize: unable to resolve docker endpoint: context "nosuch": context not found: open /home/a/.docker/contexts/meta/9e/meta.json: no such file or directory',
      /^The docker client does not start \(Failed to initialize: .*context "nosuch".*\)\. .*DOCKER_CONTEXT/,
    ],
    [
      'Failed to initialize: unable to resolve docker endpoint: open /home/a/.docker/ca.pem: no such file or directory',
      /^The docker client does not start .*ca\.pem.*DOCKER_TLS_VERIFY/,
    ],
    [
      'DOCKER_BUILDKIT environment variable expects boolean value: strconv.ParseBool: parsing "maybe": invalid syntax',
      /^The docker client does not start .*"maybe".*DOCKER_BUILDKIT\.$/,
    ],
    [
      'Error response from daemon: page not found',
      /^The Docker engine has no such version of its API.*DOCKER_API_VERSION/,
    ],
    [
      'ERROR: failed to push r.azurecr.io/titanic:1: unexpected status from PUT request to https://r.azurecr.io/v2/titanic/manifests/1: 401 Unauthorized',
      /refused the sign-in when buildx pushed/,
    ],
    [
      'unknown flag: --colour\nSee docker buildx build --help',
      /does not know the option --colour\. Check input 'dockerOptions'/,
    ],
    ['write /var/lib/docker/tmp/x: no space left on device', /disk is full.*docker system prune/],
    [
      'toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating',
      /allows no more downloads.*your own registry/,
    ],
    [
      "pull access denied for nosuchimage, repository does not exist or may require 'docker login'",
      /no base image 'nosuchimage'/,
    ],
    ['manifest for python:9 not found: manifest unknown: manifest unknown', /no base image 'python:9'/],
    [
      'ERROR: failed to solve: python:9: failed to resolve source metadata for docker.io/library/python:9: docker.io/library/python:9: not found',
      /no base image 'docker\.io\/library\/python:9'/,
    ],
    [
      'failed to solve with frontend dockerfile.v0: failed to create LLB definition: 127.0.0.1:5077/no/such:9: not found',
      /no base image '127\.0\.0\.1:5077\/no\/such:9'/,
    ],
    [
      'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on 10.0.0.53:53: no such host',
      /found no host 'registry-1\.docker\.io'/,
    ],
    ['Head "https://x/v2/": dial tcp 10.0.0.1:443: i/o timeout', /no connection to 10\.0\.0\.1:443/],
    [
      'Get "https://r/v2/": x509: certificate signed by unknown authority',
      /does not trust.*certificate signed by unknown authority/,
    ],
    [
      'COPY failed: file not found in build context or excluded by .dockerignore: stat pickles/model.pkl: file does not exist',
      /has no 'pickles\/model\.pkl', or \.dockerignore/,
    ],
    [
      'COPY failed: stat /var/lib/docker/tmp/docker-builder123/model.pkl: no such file or directory',
      /has no 'model\.pkl'/,
    ],
    ['failed to compute cache key: "/nothere" not found: not found', /has no 'nothere'/],
    [
      'ERROR: failed to solve: failed to compute cache key: failed to calculate checksum of ref a::b: "/nothere": not found',
      /has no 'nothere'/,
    ],
    ['COPY failed: no source files were specified', /has no 'what its pattern names'/],
    [
      'Error response from daemon: dockerfile parse error line 2: unknown instruction: COPPY',
      /mistake in line 2: unknown instruction: COPPY\./,
    ],
    ['failed to reach build target nope in Dockerfile', /no stage 'nope'.*input 'target'/],
    ['target stage "nope" could not be found', /no stage 'nope'/],
    ['the --mount option requires BuildKit. Refer to https://docs.docker.com', /uses --mount, which needs/],
    ['invalid reference format: repository name must be lowercase', /has capitals.*FROM lines in lower case/],
    [
      'failed to parse stage name "Python:3": invalid reference format: repository name (library/Python) must be lowercase',
      /has capitals/,
    ],
    ['failed to solve: secret pypi: not found', /reads the secret 'pypi'.*'buildSecrets'/],
    [
      'ERROR: Multi-platform build is not supported for the docker driver.',
      /can't build for several platforms.*docker buildx create/,
    ],
    ['ERROR: Cache export is not supported for the docker driver.', /can't write caches.*'inline'/],
    ["The command '/bin/sh -c train' returned a non-zero code: 137", /memory was used up/],
    ['process "/bin/sh -c train" did not complete successfully: exit code: 137', /was killed, most likely/],
    ['no match for platform in manifest: not found', /not for this engine's platform/],
    [
      'image with reference r.io/api:1 was found but does not provide the specified platform (linux/arm64)',
      /not for this engine's platform.*other processor/,
    ],
    ['exec /bin/sh: exec format error', /not for this engine's platform/],
  ] as const) {
    it(`is explained: ${words.slice(0, 70)}`, () =>
      assert.match(explainDockerError(words) ?? '', explanation));
  }

  it('of a file that .dockerignore leaves out is told from one that is not there', () => {
    const words =
      'COPY failed: file not found in build context or excluded by .dockerignore: stat a/m.pkl: file does not exist';
    const context = new IgnoreRules('a');
    assert.match(
      explainDockerError(words, context) ?? '',
      /since \.dockerignore leaves it out.*'!a\/m\.pkl'/,
    );
    assert.match(
      explainDockerError(words, new IgnoreRules('b')) ?? '',
      /Check that an earlier step puts it there/,
    );
  });

  it('of a command that was not found is not taken for a missing base image', () => {
    assert.equal(explainDockerError('/bin/sh: 1: tools/train.sh: not found'), undefined);
  });
});

describe('what a registry says', () => {
  const context = { host: 'r.azurecr.io', repository: 'titanic' };
  for (const [words, explanation] of [
    [
      `{"errors":[{"code":"DENIED","message":"client with IP '20.1.2.3' is not allowed access. Refer https://aka.ms/acr/firewall to grant access."}]}`,
      /firewall of r\.azurecr\.io.*20\.1\.2\.3/,
    ],
    [
      'unknown: The operation is disallowed on this registry, repository or image. View troubleshooting steps at https://aka.ms/acr/faq/#why',
      /'titanic': the tag or the repository is locked.*--write-enabled true/,
    ],
    ['{"errors":[{"code":"REGISTRY_DISALLOWED_OPERATION","message":""}]}', /is locked/],
    ['unauthorized: insufficient_scope: authorization failed', /does not let it push to 'titanic'.*AcrPush/],
    ['denied: requested access to the resource is denied', /does not let it push to 'titanic'/],
    ['unauthorized: the admin user is disabled', /admin user of r\.azurecr\.io is disabled.*'authType'/],
    ['{"errors":[{"code":"CMK_ERROR","message":""}]}', /key vault/],
    ['{"errors":[{"code":"TOOMANYREQUESTS","message":"too many requests"}]}', /more requests than its tier/],
    ['{"errors":[{"code":"MANIFEST_INVALID","message":"http: request body too large"}]}', /fewer layers/],
    ['storage limit exceeded', /storage of r\.azurecr\.io is used up/],
    [
      'unauthorized: authentication required, visit https://aka.ms/acr/authorization for more information.',
      /does not let it push to 'titanic'.*AcrPush/,
    ],
    ['Get "https://10.0.0.1:5000/v2/": http: server gave HTTP response to HTTPS client', /speaks HTTP only/],
  ] as const) {
    it(`is explained: ${words.slice(0, 70)}`, () => {
      assert.match(explainRegistryError(words, context) ?? '', explanation);
    });
  }

  it('is left as it is where it is not known', () => {
    assert.equal(explainRegistryError('{"errors":[{"code":"UNKNOWN"}]}', context), undefined);
  });
});
