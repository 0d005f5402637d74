import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { carryOut } from './commands';
import { ContainerApps } from './container-apps';
import { ContainerGroups } from './container-groups';
import { CliError, type ImageRunner } from './places';

/** Container apps and container instances on this machine, and an `az` that manages them. */
export interface LocalAzure {
  /** Holds the program `az`; put it first on the path. */
  readonly folder: string;
  stop(): Promise<void>;
}

export interface LocalAzureOptions {
  readonly runner: ImageRunner;
  /** The digest of what `repository:tag` names in the registry; undefined where there is none. */
  readonly digestOf: (image: string) => Promise<string | undefined>;
}

/** Starts the places; the program `az` only hands its command line to them. */
export async function startLocalAzure({ runner, digestOf }: LocalAzureOptions): Promise<LocalAzure> {
  const apps = new ContainerApps(runner);
  const groups = new ContainerGroups(runner);
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    serve(socket, (args) => carryOut(args, { apps, groups, digestOf }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const folder = await mkdtemp(join(tmpdir(), 'azure-'));
  const program = join(folder, 'az');
  await writeFile(program, programAt((server.address() as AddressInfo).port));
  await chmod(program, 0o755);
  return {
    folder,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await Promise.all([apps.stop(), groups.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Reads a command line, its number of words first, each ended by a zero; answers with the exit code in a line, and the output. */
function serve(socket: Socket, command: (args: readonly string[]) => Promise<string>): void {
  let received = '';
  socket.setEncoding('utf8').on('data', async (text: string) => {
    received += text;
    const [count, ...words] = received.split('\0').slice(0, -1);
    if (count === undefined || words.length < Number(count)) return;
    const answer = await command(words).then(
      (output) => `0\n${output}\n`,
      (error: Error) => `${error instanceof CliError ? error.exitCode : 1}\nERROR: ${error.message}\n`,
    );
    socket.end(answer);
  });
}

/** Bash alone, since a deployment calls it often. */
function programAt(port: number): string {
  return `#!/usr/bin/env bash
exec 3<>/dev/tcp/127.0.0.1/${port} || exit 1
printf '%s\\0' "$#" "$@" >&3
IFS= read -r code <&3
IFS= read -r -d '' output <&3
if [ "$code" = 0 ]; then printf '%s' "$output"; else printf '%s' "$output" >&2; fi
exit "$code"
`;
}
