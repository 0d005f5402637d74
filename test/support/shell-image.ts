import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Gives the engine an image with a shell in it, made of this machine's own: none can be pulled from outside.
 *
 * @param more programs that it is to have besides
 */
export function importBaseImage(name: string, more: readonly string[] = []): void {
  const files = withLibraries(['/bin/sh', '/bin/sleep', ...more]).map((file) => file.slice(1));
  const archive = execFileSync('tar', ['-C', '/', '--dereference', '-c', ...files], { maxBuffer: 1e9 });
  execFileSync('docker', ['import', '-', name], { input: archive, stdio: ['pipe', 'ignore', 'pipe'] });
}

/** Puts a shell, and what scripts need most, into a folder that an image is made of. */
export function copyShell(folder: string): void {
  for (const file of withLibraries([
    '/bin/sh',
    '/bin/mkdir',
    '/bin/ln',
    '/bin/rm',
    '/bin/cat',
    '/bin/chmod',
  ])) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    copyFileSync(file, join(folder, file));
  }
}

function withLibraries(programs: readonly string[]): string[] {
  const libraries = programs.flatMap((program) =>
    [...execFileSync('ldd', [program], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g)].map(
      ([, file]) => file!,
    ),
  );
  return [...new Set([...programs, ...libraries])];
}
