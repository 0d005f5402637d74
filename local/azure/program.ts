import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CliError } from './places';

/** A program `az` that hands its command line to this process. */
export interface AzProgram {
  /** Holds the program; put it first on the path. */
  readonly folder: string;
  stop(): Promise<void>;
}

/** @param carryOut answers a command line with what the program prints; CliError is what it complains of */
export async function startAz(carryOut: (args: readonly string[]) => Promise<string>): Promise<AzProgram> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    serve(socket, carryOut);
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
