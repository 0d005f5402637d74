import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RunningImage } from '../../local/azure/places';

/** How an API of a model behaves that a test has deployed. */
export interface ToyApi {
  readonly modelDigest?: string;
  /** Never ready. */
  readonly isBroken?: boolean;
  /** Answers as many questions about being ready, and none after that. */
  readonly readyTimes?: number;
}

/** Serves what the smoke test asks of a model's API. */
export async function serveToyApi({
  modelDigest,
  isBroken,
  readyTimes = Infinity,
}: ToyApi): Promise<RunningImage> {
  let asked = 0;
  const server = createServer((question, answer) => {
    const isReady = !isBroken && asked < readyTimes;
    const answers: Record<string, () => [number, object]> = {
      '/api/ready': () => {
        asked++;
        if (!isReady) return [503, { status: 'not ready', error: 'The model cannot answer.' }];
        return [200, { status: 'ready', model: 'lamp', version: '1.0.0', modelDigest }];
      },
      '/api/predict/params': () => [
        200,
        {
          parameters: [
            { name: 'color', type: 'category', values: ['red'] },
            { name: 'share', type: 'number' },
          ],
          outcomes: ['off', 'on'],
        },
      ],
      '/api/predict': () => [200, { prediction: 'on', probabilities: { off: 0.25, on: 0.75 } }],
    };
    const [status, body] = answers[question.url!]?.() ?? [404, { error: 'There is nothing here.' }];
    question.resume();
    answer.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
