import { ConnectionError } from '../../common/http';
import type { RegistryClient } from './client';
import { isTaken } from './upload-outcome';
import type { UploadSession } from './upload-session';

/** Bytes of a request whose time is that which any request takes. */
const SMALL = 16 * 1024;

/** Of a request's time, no more than this part is taken for that which any takes: a slow answer to one may be chance. */
const MOST_OVERHEAD = 3 / 4;

/**
 * How many bytes a second the line to a registry takes, as its answers show it: what the systems at both ends hold back
 * is not taken for sent. The first half of the bytes also has the line get up to speed; the quicker half counts, since what
 * comes between only makes them slower.
 *
 * @param session an upload that nothing was sent by; it can go on where the line was measured
 * @returns undefined where the registry does not take all of it
 */
export async function measureLine(
  registry: RegistryClient,
  session: UploadSession,
  content: Buffer,
  signal: AbortSignal,
  now = () => performance.now(),
): Promise<number | undefined> {
  const half = Math.floor((content.length - SMALL) / 2);
  const times: number[] = [];
  let last = 0;
  for (const end of [half, half + SMALL, content.length]) {
    const begun = now();
    if (!(await sendPart(registry, session, content.subarray(last, end), signal))) return undefined;
    times.push(now() - begun);
    last = end;
  }
  const [first, anyRequest, second] = times as [number, number, number];
  const quicker = Math.min(first, second);
  const milliseconds = quicker - Math.min(anyRequest, quicker * MOST_OVERHEAD);
  return (half / Math.max(0.1, milliseconds)) * 1000;
}

/** Whether a registry has taken in bytes that follow those that it has. */
async function sendPart(
  registry: RegistryClient,
  session: UploadSession,
  part: Buffer,
  signal: AbortSignal,
): Promise<boolean> {
  const { offset } = session;
  const end = offset + part.length;
  try {
    const answer = await registry.send(session.location, {
      method: 'PATCH',
      headers: {
        'Content-Type': 'application/octet-stream',
        'Content-Range': `${offset}-${end - 1}`,
      },
      body: part,
      signal,
    });
    if (!isTaken(answer)) return false;
    session.follow(answer, end);
    return session.offset === end;
  } catch (error) {
    if (error instanceof ConnectionError) return false;
    throw error;
  }
}
