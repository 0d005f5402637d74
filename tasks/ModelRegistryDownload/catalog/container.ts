import { IdleTimer, throwIfCancelled } from '../../common/cancel';
import type { Logger } from '../../common/log';
import type { NetworkSettings } from '../../common/network';
import { detach, formatDuration } from '../../common/text';
import type { BlobGeneration, ModelContainer, Range, RangeReceiver } from '../registry/container';
import { BrokenAnswerError, bareEtag, MovedError, RestError, reason } from '../registry/errors';
import { type Head, type Stop, stoppedBy } from '../registry/http/answer';
import { type Connection, limitSilence } from '../registry/persist';
import { RangeGuard, totalOf } from '../registry/range-guard';
import { Directories, encodePath } from './directories';
import { explainCatalogError, saysNotFound, type WorkspaceNames } from './errors';
import { Links } from './links';
import type { ModelPath } from './model-path';
import type { Workspace } from './workspace';

/** Requests at a time, by links and through the workspace, whose limits nobody tells: Databricks' own clients make so many. */
const MOST_BY_LINKS = 16;
const MOST_THROUGH_WORKSPACE = 8;

/** Milliseconds after which the cloud's storage counts as closed to this agent. */
const PROBE = 8_000;

export interface CatalogSettings {
  readonly workspace: Workspace;
  readonly names: WorkspaceNames;
  readonly model: ModelPath;
  readonly network: NetworkSettings;
  readonly log: Logger;
  readonly connection: Connection;
}

/** What answers tell of a file that listings do not. */
interface Told {
  readonly etag?: string | undefined;
  readonly time?: string | undefined;
  readonly md5?: string | undefined;
}

/**
 * The files of a model in Unity Catalog, or in a volume: by the Files API of the workspace, or from the cloud's storage
 * where the workspace gives links to it and the network lets them be followed.
 */
export function openCatalog(settings: CatalogSettings): ModelContainer {
  const { workspace, names, model, network, log, connection } = settings;
  const directories = new Directories(workspace, model, names, log);
  const call = (what: string) => ({ action: what, permission: model.permission, api: 'Files API' });
  const told = new Map<string, Told>();
  const isLocal = names.origin.startsWith('http:');
  let isProbed = false;

  const links = new Links({
    network,
    log,
    isLocal,
    ask: (name) =>
      limitSilence(
        (idle) => {
          const query = { path: `${model.root}${name}`, expire_time: inAnHour() };
          const what = call(`give a link to '${name}'`);
          return workspace.ask('POST', '/api/2.0/fs/create-download-url', query, what, idle);
        },
        {
          ...connection,
          patience: { ...connection.patience, idle: Math.min(PROBE, connection.patience.idle) },
        },
      ),
  });

  /** Holds an answer against those before it: listings tell sizes, and times in seconds at best. */
  function refuseOther({ name, size }: BlobGeneration, { offset, length }: Range, head: Head): void {
    const { status, headers } = head;
    const total = totalOf(head);
    const isWhole = status === 200 && offset === 0 && headers.get('content-length') === String(length);
    if (!isWhole && (status !== 206 || total === undefined)) {
      throw new BrokenAnswerError(`the answer is not the part that was asked for (HTTP ${status})`);
    }
    const etag = headers.get('etag');
    const now: Told = {
      etag: etag === undefined ? undefined : bareEtag(etag),
      time: headers.get('last-modified'),
      md5: md5Of(head),
    };
    const before = told.get(name) ?? now;
    const isOther = (key: 'etag' | 'time') =>
      before[key] !== undefined && now[key] !== undefined && before[key] !== now[key];
    if ((total ?? length) !== size || isOther('etag') || isOther('time')) throw new MovedError(name);
    told.set(name, ownTexts({ ...now, ...defined(before) }));
  }

  async function readByLink(blob: BlobGeneration, range: Range, receiver: RangeReceiver, stop: Stop) {
    return links.read(blob.name, async (link) => {
      // The link itself is a sign of life.
      receiver.begin();
      const etag = told.get(blob.name)?.etag;
      const guard = new RangeGuard(range, receiver, (head) => refuseOther(blob, range, head));
      await links.get(link, { range: rangeOf(range), ...(etag && { 'if-match': `"${etag}"` }) }, guard, stop);
      guard.end();
    });
  }

  async function readThroughWorkspace(
    blob: BlobGeneration,
    range: Range,
    receiver: RangeReceiver,
    stop: Stop,
  ) {
    const path = `/api/2.0/fs/files${encodePath(model.root)}${encodePath(blob.name)}`;
    const guard = new RangeGuard(range, receiver, (head) => refuseOther(blob, range, head));
    const headers = { range: rangeOf(range), ...notSince(blob.etag) };
    await workspace.read(path, headers, guard, stop, call(`read '${model.root}${blob.name}'`));
    guard.end();
  }

  async function read(
    blob: BlobGeneration,
    range: Range,
    receiver: RangeReceiver,
    stop: Stop,
  ): Promise<void> {
    try {
      if (await readByLink(blob, range, receiver, stop)) return;
      await readThroughWorkspace(blob, range, receiver, stop);
    } catch (error) {
      throw asMoved(error, blob.name, names);
    }
  }

  return {
    place: model.kind === 'model' ? `Unity Catalog as '${model.name}'` : `'${model.root.slice(0, -1)}'`,
    leastProof: 'length and time',

    explain: (error) => explainCatalogError(error, names),

    listBlobs: (prefix, from, idle) => directories.listBlobs(prefix, from, idle),

    listFolders: (prefix, from, idle) => directories.listFolders(prefix, from, idle),

    read,

    async readChecked(blob, range, receiver, stop) {
      await read(blob, range, receiver, stop);
      return undefined;
    },

    toldMd5: (name) => told.get(name)?.md5 ?? null,

    async prepare(blobs, { signal }) {
      const largest = blobs.reduce((most, blob) => (blob.size > most.size ? blob : most));
      if (!isProbed && largest.size > 0) {
        isProbed = true;
        links.isOpen = true;
        await probe(largest, signal);
      }
      return links.isOpen ? MOST_BY_LINKS : MOST_THROUGH_WORKSPACE;
    },

    close() {
      links.close();
      workspace.close();
    },
  };

  /** Brings one byte: a network that swallows what is sent to the storage would cost each file its patience. */
  async function probe(blob: BlobGeneration, signal: AbortSignal): Promise<void> {
    const idle = new IdleTimer(PROBE, signal);
    const nobody: RangeReceiver = { begin() {}, take() {} };
    try {
      await stoppedBy(idle.signal, (stop) => readByLink(blob, { offset: 0, length: 1 }, nobody, stop));
    } catch (error) {
      throwIfCancelled(signal);
      const why = idle.expired ? `nothing came for ${formatDuration(PROBE)}` : reason(error as Error);
      links.shut(`the cloud's storage, where they are, can't be read (${why})`);
    } finally {
      idle.stop();
    }
  }
}

function rangeOf({ offset, length }: Range): string {
  return `bytes=${offset}-${offset + length - 1}`;
}

/** Headers tell times in whole seconds: one that is rounded down would be of another state. */
function notSince(state: string): Record<string, string> {
  if (state === '') return {};
  const seconds = Math.ceil(Date.parse(state) / 1000);
  return { 'if-unmodified-since': new Date(seconds * 1000).toUTCString() };
}

function inAnHour(): string {
  return new Date(Date.now() + 60 * 60_000).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** The MD5 of a whole file, which Blob storage tells with each part. */
function md5Of({ status, headers }: Head): string | undefined {
  const text =
    headers.get('x-ms-blob-content-md5') ?? (status === 200 ? headers.get('content-md5') : undefined);
  const md5 = Buffer.from(text ?? '', 'base64');
  return md5.length === 16 ? md5.toString('hex') : undefined;
}

function defined({ etag, time, md5 }: Told): Told {
  return { ...(etag && { etag }), ...(time && { time }), ...(md5 && { md5 }) };
}

/** What is kept of thousands of files must not keep the heads of their answers. */
function ownTexts({ etag, time, md5 }: Told): Told {
  const own = (text: string | undefined) => text && detach(text);
  return { etag: own(etag), time: own(time), md5: own(md5) };
}

/** What it means for a file when the workspace or its storage says that it was replaced or removed. */
function asMoved(error: unknown, name: string, names: WorkspaceNames): unknown {
  if (!(error instanceof RestError)) return error;
  if (error.statusCode === 412 || error.statusCode === 416) return new MovedError(name);
  const isGone = saysNotFound(error, names) || /^(BlobNotFound|NoSuchKey)$/.test(error.code ?? '');
  return isGone ? new MovedError(name, true) : error;
}
