import type { Platform } from './image';

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

/** What an engine on this agent would build for: Linux on its own kind of processor. */
export function agentPlatform(arch: string = process.arch): Platform {
  return { os: 'linux', architecture: ARCHITECTURES[arch] ?? arch };
}

/**
 * Reads a platform such as `linux/arm64` or `linux/arm/v7`.
 *
 * @returns undefined for what is none
 */
export function parsePlatform(text: string): Platform | undefined {
  const [os, architecture, variant] = text.toLowerCase().split('/');
  return os && architecture ? { os, architecture, ...(variant && { variant }) } : undefined;
}

/** The arguments that BuildKit sets by itself, for a build on one platform for another. */
export function platformArguments(build: Platform, target: Platform): Record<string, string> {
  return Object.fromEntries(
    Object.entries({ BUILD: build, TARGET: target }).flatMap(([side, { os, architecture, variant }]) => [
      [`${side}PLATFORM`, [os, architecture, variant].filter(Boolean).join('/')],
      [`${side}OS`, os],
      [`${side}ARCH`, architecture],
      [`${side}VARIANT`, variant ?? ''],
    ]),
  );
}
