import type { Platform } from './image';

/** Other names of processors, with the variant that they stand for, as containerd has them. */
const ARCHITECTURES: Readonly<Record<string, Pick<Platform, 'architecture' | 'variant'>>> = {
  i386: { architecture: '386', variant: '' },
  x86_64: { architecture: 'amd64' },
  'x86-64': { architecture: 'amd64' },
  aarch64: { architecture: 'arm64' },
  armhf: { architecture: 'arm', variant: 'v7' },
  armel: { architecture: 'arm', variant: 'v6' },
  // Node's own.
  x64: { architecture: 'amd64' },
  ia32: { architecture: '386' },
};

/** Variants that go without saying. */
const PLAIN_VARIANTS: Readonly<Record<string, string>> = { amd64: 'v1', arm64: 'v8' };

/** Variants that a number names. */
const NUMBERED: Readonly<Record<string, RegExp>> = { arm: /^[5-8]$/, arm64: /^[89]$/ };

/** Systems that may stand alone for a platform; anything else that does is a processor. */
const SYSTEMS = ['linux', 'windows', 'darwin', 'freebsd'];

/** Processors that images are made for, as Go calls them. */
const PROCESSORS = /^(?:386|amd64|arm|arm64|loong64|mips(?:64)?(?:le)?|ppc64(?:le)?|riscv64|s390x|wasm)$/;

/** What an engine on this agent would build for: Linux on its own kind of processor. */
export function agentPlatform(arch: string = process.arch): Platform {
  return withArchitecture('linux', arch, undefined);
}

/**
 * Reads a platform such as `linux/arm64` or `linux/arm/v7`, its parts by whatever name.
 *
 * @returns undefined for what is none
 */
export function parsePlatform(text: string): Platform | undefined {
  const parts = text.toLowerCase().split('/');
  if (parts.length > 3 || !parts.every((part) => /^[a-z0-9][a-z0-9_.-]*$/.test(part))) return undefined;
  const [first = '', architecture, variant] = parts;
  if (architecture !== undefined) return withArchitecture(systemOf(first), architecture, variant);
  if (SYSTEMS.includes(systemOf(first))) {
    return withArchitecture(systemOf(first), agentPlatform().architecture, undefined);
  }
  const platform = withArchitecture('linux', first, undefined);
  return PROCESSORS.test(platform.architecture) ? platform : undefined;
}

/** Whether a platform begins with a system, not with a processor. */
export function startsWithSystem(text: string): boolean {
  return SYSTEMS.includes(systemOf(text.toLowerCase().split('/')[0]!));
}

/** Whether a platform's system and processor are among those that images are made for: others are misspelled. */
export function isKnownPlatform({ os, architecture, variant }: Platform): boolean {
  return (
    SYSTEMS.includes(os) && PROCESSORS.test(architecture) && (variant === undefined || /^v\d+$/.test(variant))
  );
}

/** `linux/arm/v7`. */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter(Boolean).join('/');
}

/** A platform that an index or a configuration names, as it is called here. */
export function normalize({ os, architecture, variant }: Platform): Platform {
  return withArchitecture(systemOf(os), architecture, variant || undefined);
}

/** The platforms whose images run on one, the best first, as containerd has them. */
export function runnable(platform: Platform): Platform[] {
  const { os, architecture, variant } = normalize(platform);
  const level = Number(variant?.slice(1)) || (architecture === 'arm64' ? 8 : 1);
  const down = (name: string, from: number, to: number) =>
    Array.from({ length: Math.max(from - to + 1, 0) }, (_, index) =>
      withArchitecture(os, name, `v${from - index}`),
    );
  switch (architecture) {
    case 'amd64':
      return [...down('amd64', level, 1), { os, architecture: '386' }];
    case 'arm64':
      return [normalize(platform), { os, architecture: 'arm64' }, ...down('arm', 8, 5)];
    case 'arm':
      return down('arm', level, 5);
    default:
      return [normalize(platform)];
  }
}

/** The arguments that BuildKit sets by itself, for a build on one platform for another. */
export function platformArguments(build: Platform, target: Platform): Record<string, string> {
  return Object.fromEntries(
    Object.entries({ BUILD: build, TARGET: target }).flatMap(([side, platform]) => [
      [`${side}PLATFORM`, formatPlatform(platform)],
      [`${side}OS`, platform.os],
      [`${side}OSVERSION`, ''],
      [`${side}ARCH`, platform.architecture],
      [`${side}VARIANT`, platform.variant ?? ''],
    ]),
  );
}

function systemOf(name: string): string {
  return name === 'macos' ? 'darwin' : name;
}

function withArchitecture(os: string, name: string, given: string | undefined): Platform {
  const known = ARCHITECTURES[name] ?? { architecture: name };
  const { architecture } = known;
  const isNumber = given !== undefined && NUMBERED[architecture]?.test(given);
  const numbered = isNumber ? `v${given}` : given;
  const variant = known.variant ?? numbered ?? (architecture === 'arm' ? 'v7' : undefined);
  const isPlain = !variant || variant === PLAIN_VARIANTS[architecture];
  return { os, architecture, ...(!isPlain && { variant }) };
}
