import { pipeline, type Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { TaskError } from '../../../common/errors';
import { bound } from '../../../common/foreign-text';
import type { HttpClient } from '../../../common/http';
import type { Logger } from '../../../common/log';
import { formatBytes } from '../../../common/text';
import type { BuildPlan } from '../../build-plan';
import { readIgnoreRules } from '../../context/build-context';
import { packContext } from '../../context/pack';
import { withLabelLine } from '../../dockerfile/label-line';
import { isLoopback } from '../../registry/names';

/** Bytes that are sent at once; a block is what is sent again when the line breaks. */
const BLOCK_SIZE = 8 * 1024 * 1024;

/**
 * Sends the context in blocks. The Dockerfile goes with it under a name of its own, which no `.dockerignore` leaves
 * out, and with the labels in it, for which the service has no other place.
 */
export async function sendContext(
  plan: BuildPlan,
  dockerfile: string,
  uploadUrl: string,
  { http, log }: { http: Pick<HttpClient, 'send'>; log: Logger },
): Promise<void> {
  const url = addressIn(uploadUrl, 'the build context');
  if (url.protocol !== 'https:' && !isLoopback(url.host)) {
    throw new TaskError(
      `Azure names ${url.host} for the build context, where it must not go without encryption. Check for a proxy in between, and run the step again.`,
    );
  }
  for (const [name, value] of url.searchParams) if (name === 'sig') log.maskSecret(value);
  const recipe = withLabelLine(plan.recipe, plan.labels, plan.target) ?? plan.recipe;
  // The service's builder is docker's legacy one.
  const rules = readIgnoreRules(plan.context, plan.dockerfile, { isLegacy: true });
  const extra = [{ name: dockerfile, content: Buffer.from(recipe) }];
  const packed = createGzip({ level: 1 });
  // What goes wrong on the way comes out at its end.
  pipeline(packContext(plan.context, rules, extra), packed, () => undefined);

  const put = async (query: Record<string, string>, body: Buffer | string) => {
    const address = new URL(url);
    for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
    const answer = await http.send({ method: 'PUT', url: address.href, body, repeatable: true });
    if (answer.status === 201) return;
    throw new TaskError(
      `The build context could not be sent to ${url.host} (HTTP ${answer.status}). Check that this agent may reach it: proxy, firewall, private network.`,
      { details: [bound(answer.body.toString('utf8'), 2_000)] },
    );
  };
  const ids: string[] = [];
  let sent = 0;
  for await (const block of inBlocks(packed)) {
    const id = Buffer.from(String(ids.length).padStart(8, '0')).toString('base64');
    await put({ comp: 'block', blockid: id }, block);
    ids.push(id);
    sent += block.length;
  }
  const list = ids.map((id) => `<Latest>${id}</Latest>`).join('');
  await put({ comp: 'blocklist' }, `<?xml version="1.0" encoding="utf-8"?><BlockList>${list}</BlockList>`);
  log.info(`Sent the build context, ${formatBytes(sent)} compressed.`);
}

async function* inBlocks(stream: Readable): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    parts.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size < BLOCK_SIZE) continue;
    yield Buffer.concat(parts);
    [parts, size] = [[], 0];
  }
  if (size > 0) yield Buffer.concat(parts);
}

/**
 * An address that Azure names.
 *
 * @param what it is for, as messages go on from "for"
 * @throws TaskError for what is none
 */
export function addressIn(text: string, what: string): URL {
  if (URL.canParse(text)) return new URL(text);
  throw new TaskError(
    `Azure named no address for ${what}. Check for a proxy in between, and run the step again.`,
  );
}
