/*
 * A line between this machine and a server of its own: so many bytes a second in each direction, and so long a way. Run as
 * a process of its own, so that it takes no time from what is measured.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, connect as open, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

export interface Line {
  readonly megabytesPerSecond: number;
  /** Milliseconds there and back. */
  readonly roundTrip: number;
}

/** As agents and registries have them. */
export const LINES: readonly Line[] = [
  { megabytesPerSecond: 200, roundTrip: 6 },
  { megabytesPerSecond: 60, roundTrip: 20 },
  { megabytesPerSecond: 12, roundTrip: 40 },
];

/** Bytes that pass as one piece: small enough for the slowest line to be even. */
const PIECE = 64 * 1024;

/**
 * Puts a line before a server.
 *
 * @param server `host:port`
 * @returns the address of the line's other end
 */
export async function startLine(server: string, line: Line): Promise<{ host: string; stop(): void }> {
  const child = fork(fileURLToPath(import.meta.url), [server, JSON.stringify(line)]);
  const [port] = await once(child, 'message');
  return { host: `127.0.0.1:${port}`, stop: () => void child.kill() };
}

/** Everything that goes one way: pieces leave one after the other at the line's speed, and arrive half a round trip later. */
class Direction {
  private free = 0;

  constructor(private readonly line: Line) {}

  join(from: Socket, to: Socket): void {
    const { megabytesPerSecond, roundTrip } = this.line;
    const bytesPerMillisecond = megabytesPerSecond * 1000;
    // What is on the way fills the line; the rest waits at the sender.
    const most = PIECE + (bytesPerMillisecond * roundTrip) / 2;
    const onTheWay: { readonly arrives: number; readonly piece: Buffer | undefined }[] = [];
    let waiting = 0;
    let isDue = false;
    const arrive = () => {
      isDue = false;
      while (onTheWay[0] && onTheWay[0].arrives <= performance.now()) {
        const { piece } = onTheWay.shift()!;
        if (piece) to.write(piece);
        else to.end();
        waiting -= piece?.length ?? 0;
      }
      if (waiting <= most) from.resume();
      expect();
    };
    const expect = () => {
      if (isDue || !onTheWay[0]) return;
      isDue = true;
      setTimeout(arrive, onTheWay[0].arrives - performance.now());
    };
    const leave = (piece: Buffer | undefined) => {
      this.free = Math.max(performance.now(), this.free) + (piece?.length ?? 0) / bytesPerMillisecond;
      onTheWay.push({ arrives: this.free + roundTrip / 2, piece });
      waiting += piece?.length ?? 0;
      expect();
    };
    from.on('data', (data) => {
      for (let at = 0; at < data.length; at += PIECE) leave(data.subarray(at, at + PIECE));
      if (waiting > most) from.pause();
    });
    from.on('end', () => leave(undefined));
    for (const socket of [from, to]) socket.on('error', () => void [from.destroy(), to.destroy()]);
  }
}

function serve(server: string, line: Line): void {
  const [there, back] = [new Direction(line), new Direction(line)];
  const [host, port] = server.split(':');
  process.on('disconnect', () => process.exit());
  const listener = createServer((client) => {
    const remote = open(Number(port), host);
    for (const socket of [client, remote]) socket.setNoDelay(true);
    there.join(client, remote);
    back.join(remote, client);
  });
  listener.listen(0, '127.0.0.1', () => process.send!((listener.address() as AddressInfo).port));
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) {
  const [server, line] = process.argv.slice(2) as [string, string];
  serve(server, JSON.parse(line));
}
