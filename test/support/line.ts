import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A line to a server that breaks when a test wants it to. */
export async function startLine(target: string) {
  const port = Number(target.split(':')[1]);
  const sockets = new Set<Socket>();
  const lost = new Set<Socket>();
  let plan: { bytes: number; how: 'cut' | 'stall'; onBreak: () => void } | undefined;
  const server: Server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    let passed = 0;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
    upstream.pipe(client);
    client.on('data', (chunk) => {
      passed += chunk.length;
      if (lost.has(client)) return;
      if (!plan || passed < plan.bytes) {
        if (!upstream.write(chunk)) {
          client.pause();
          upstream.once('drain', () => client.resume());
        }
        return;
      }
      // Whatever comes now is lost.
      lost.add(client);
      const { how, onBreak } = plan;
      plan = undefined;
      // What has passed so far arrives before the line breaks.
      if (how === 'cut') upstream.end(() => client.destroy());
      onBreak();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** @param onBreak called when it has come to that */
    breakAfter(bytes: number, how: 'cut' | 'stall', onBreak: () => void = () => undefined) {
      plan = { bytes, how, onBreak };
    },
    stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
