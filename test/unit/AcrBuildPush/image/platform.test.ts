import assert from 'node:assert/strict';
import {
  agentPlatform,
  formatPlatform,
  isKnownPlatform,
  normalize,
  parsePlatform,
  platformArguments,
  runnable,
  startsWithSystem,
} from '../../../../tasks/AcrBuildPush/image/platform';

/** A platform's normal form; undefined for what is none. */
const normal = (text: string) => {
  const platform = parsePlatform(text);
  return platform && formatPlatform(platform);
};

describe('a platform', () => {
  const own = formatPlatform(agentPlatform());

  // What containerd makes of them, and every variant stays but the one that goes without saying.
  for (const [text, expected] of [
    ['linux/amd64', 'linux/amd64'],
    ['linux/amd64/v1', 'linux/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3'],
    ['linux/amd64/3', 'linux/amd64/3'],
    ['linux/i386/v5', 'linux/386'],
    ['linux/x86_64', 'linux/amd64'],
    ['linux/x86-64', 'linux/amd64'],
    ['LINUX/AMD64', 'linux/amd64'],
    ['linux/i386', 'linux/386'],
    ['linux/arm64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/8', 'linux/arm64'],
    ['linux/arm64/v9', 'linux/arm64/v9'],
    ['linux/aarch64', 'linux/arm64'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/arm/v6', 'linux/arm/v6'],
    ['linux/arm/6', 'linux/arm/v6'],
    ['linux/armhf', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6'],
    ['linux/ppc64le', 'linux/ppc64le'],
    ['windows/amd64', 'windows/amd64'],
    ['macos/arm64', 'darwin/arm64'],
    ['arm64', 'linux/arm64'],
    ['s390x', 'linux/s390x'],
    ['linux', own],
    ['windows', own.replace('linux', 'windows')],
    ['macos', own.replace('linux', 'darwin')],
    ['freebsd', own.replace('linux', 'freebsd')],
  ] as const) {
    it(`is read by whatever name: ${text}`, () => assert.equal(normal(text), expected));
  }

  for (const text of [
    '',
    '/',
    'linux/',
    '/amd64',
    'linux//v7',
    'linux/arm/v7/x',
    'linux/-arm',
    'linux/a b',
    'a,b',
    '.x',
    'x',
    'amd46',
  ]) {
    it(`is not ${JSON.stringify(text)}`, () => assert.equal(parsePlatform(text), undefined));
  }

  it("of the agent is Linux on the agent's processor", () => {
    assert.equal(formatPlatform(agentPlatform('x64')), 'linux/amd64');
    assert.equal(formatPlatform(agentPlatform('ia32')), 'linux/386');
    assert.equal(formatPlatform(agentPlatform('arm64')), 'linux/arm64');
    assert.equal(formatPlatform(agentPlatform('arm')), 'linux/arm/v7');
  });

  for (const [text, isKnown] of [
    ['linux/amd64', true],
    ['linux/arm/v7', true],
    ['linux/arm/v10', true],
    ['windows/386', true],
    ['linux/mips64le', true],
    ['linux/riscv64', true],
    ['linux/wasm', true],
    ['linux/amd65', false],
    ['linux/xarm', false],
    ['linux/armx', false],
    ['linuks/amd64', false],
    ['linux/arm/seven', false],
    ['linux/arm/xv7', false],
    ['linux/arm/v7x', false],
    ['linux/arm/17', false],
  ] as const) {
    it(`is ${isKnown ? 'one that images are made for' : 'misspelled'}: ${text}`, () => {
      assert.equal(isKnownPlatform(parsePlatform(text)!), isKnown);
    });
  }

  it('may begin with a system, in capitals too, or with a processor', () => {
    assert.deepEqual(['linux', 'Windows/amd64', 'macos', 'arm64', 'linuks/x'].map(startsWithSystem), [
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  it('is told to the Dockerfile in the arguments that BuildKit sets', () => {
    assert.deepEqual(platformArguments(parsePlatform('linux/amd64')!, parsePlatform('linux/arm/v7')!), {
      ...{
        BUILDPLATFORM: 'linux/amd64',
        BUILDOS: 'linux',
        BUILDOSVERSION: '',
        BUILDARCH: 'amd64',
        BUILDVARIANT: '',
      },
      TARGETPLATFORM: 'linux/arm/v7',
      ...{ TARGETOS: 'linux', TARGETOSVERSION: '', TARGETARCH: 'arm', TARGETVARIANT: 'v7' },
    });
  });
});

describe('The platforms whose images run on', () => {
  // What containerd's `platforms.Only` tries, in its order.
  for (const [platform, wanted] of [
    ['linux/amd64', ['linux/amd64', 'linux/386']],
    ['linux/amd64/v3', ['linux/amd64/v3', 'linux/amd64/v2', 'linux/amd64', 'linux/386']],
    ['linux/arm64', ['linux/arm64', 'linux/arm/v8', 'linux/arm/v7', 'linux/arm/v6', 'linux/arm/v5']],
    ['linux/arm', ['linux/arm/v7', 'linux/arm/v6', 'linux/arm/v5']],
    ['linux/arm/v6', ['linux/arm/v6', 'linux/arm/v5']],
    ['linux/s390x', ['linux/s390x']],
  ] as const) {
    it(`${platform} are its own and those below it`, () => {
      const all = runnable(parsePlatform(platform)!).map(formatPlatform);
      assert.deepEqual([...new Set(all)], wanted);
    });
  }

  it('are called as here, by whatever names an image has them', () => {
    assert.deepEqual(normalize({ os: 'linux', architecture: 'aarch64', variant: 'v8' }), {
      os: 'linux',
      architecture: 'arm64',
    });
    assert.deepEqual(normalize({ os: 'linux', architecture: 'arm', variant: '' }), {
      os: 'linux',
      architecture: 'arm',
      variant: 'v7',
    });
  });
});
