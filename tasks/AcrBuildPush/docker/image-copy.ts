import { hostname } from 'node:os';
import { CancelledError, describeError, TaskError } from '../../common/errors';
import { readJson } from '../../common/json';
import type { Logger } from '../../common/log';
import { ArrivingLayers, type CopyRequest } from './arriving-layers';
import type { DockerCli } from './cli';
import { receiveImage } from './pushed-image';
import { saveImage } from './saved-image';

export interface EngineCopyRequest extends CopyRequest {
  /** Bytes of its files. */
  readonly size: number;
  /** Whether it is only a part of what is built: an engine may forget it where nothing else names it. */
  readonly isPart: boolean;
  readonly log: Logger;
}

/** A copy of an image that an engine holds. */
export interface ImageCopy {
  readonly config: Buffer;
  /** By which the engine gave it. */
  readonly command: 'docker push' | 'docker save';
  /** Ends whoever reads its layers with an error. */
  fail(error: Error): void;
  /** Closes its layers, which nobody may read any more. */
  close(): Promise<void>;
}

/** Of smaller images, in bytes, `docker save` is over before another way is found. */
const SMALL = 50_000_000;

/** Milliseconds for an engine to describe itself. */
const ANSWER_LIMIT = 20_000;

/**
 * Takes an image out of an engine. Wanted layers go to files, from which they can be read while they are still coming,
 * until the copy is closed.
 *
 * @returns when all of the image has arrived, and was found to be what the engine says that it is
 * @throws UnreadableImageError when the engine can't give the image, the disk can't hold it, or its form is unknown
 */
export async function copyImage(docker: DockerCli, request: EngineCopyRequest): Promise<ImageCopy> {
  const layers = new ArrivingLayers(request);
  try {
    const received = await receiveQuickly(docker, request, layers);
    return {
      config: received ?? (await saveImage(docker, request, layers)),
      command: received ? 'docker push' : 'docker save',
      fail: (error) => layers.fail(error),
      close: () => layers.close(),
    };
  } catch (error) {
    layers.fail(error as Error);
    await layers.close();
    throw error;
  }
}

/** Takes an image out of an engine, and closes the copy when it has been used. */
export async function withImageCopy<T>(
  docker: DockerCli,
  request: EngineCopyRequest,
  use: (copy: ImageCopy) => Promise<T>,
): Promise<T> {
  const copy = await copyImage(docker, request);
  try {
    return await use(copy);
  } catch (error) {
    copy.fail(error as Error);
    throw error;
  } finally {
    await copy.close();
  }
}

/** Has an engine push an image here; undefined where that is no quicker, or does not work. */
async function receiveQuickly(
  docker: DockerCli,
  request: EngineCopyRequest,
  layers: ArrivingLayers,
): Promise<Buffer | undefined> {
  if (request.size < SMALL) return undefined;
  try {
    return (await isQuicker(docker, request)) ? await receiveImage(docker, request, layers) : undefined;
  } catch (error) {
    if (error instanceof CancelledError || !layers.isEmpty) throw error;
    const details = error instanceof TaskError ? error.details.join(' ') : '';
    request.log.debug(`The engine can't push to this step: ${describeError(error)} ${details}`);
    return undefined;
  }
}

/** Whether an engine is on this machine, and keeps images in containerd's store. */
async function isQuicker(docker: DockerCli, { id, isPart }: EngineCopyRequest): Promise<boolean> {
  const format = '{{json .DriverStatus}} {{json .Name}}';
  const [info, names] = await Promise.all([
    docker.capture(['info', '--format', format], ANSWER_LIMIT),
    // Such an engine forgets an image whose last name is taken away.
    isPart || docker.capture(['image', 'inspect', '--format', '{{len .RepoTags}}', id], ANSWER_LIMIT),
  ]);
  const [, status, host] = /^(\[.*\]) (".*")$/.exec(info.stdout.trim()) ?? [];
  const hasName = names === true || Number(names.stdout) > 0;
  const isInContainerd = status?.includes('io.containerd.snapshotter') ?? false;
  return hasName && isInContainerd && readJson(host!) === hostname();
}
