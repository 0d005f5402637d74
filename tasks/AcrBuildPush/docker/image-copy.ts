import { hostname } from 'node:os';
import { TaskError } from '../../common/errors';
import { readJson } from '../../common/json';
import type { Logger } from '../../common/log';
import { ArrivingLayers, type CopyRequest } from './arriving-layers';
import { ANSWER_LIMIT, type DockerCli } from './cli';
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
    const { config, command } = await takeOut(docker, request, layers);
    return {
      config,
      command,
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

/** Has an engine push an image here, or save it where that is no slower, or pushing does not work. */
async function takeOut(
  docker: DockerCli,
  request: EngineCopyRequest,
  layers: ArrivingLayers,
): Promise<Pick<ImageCopy, 'config' | 'command'>> {
  let command: ImageCopy['command'] = 'docker push';
  const save = () => {
    command = 'docker save';
    return saveImage(docker, request, layers);
  };
  const otherwise = (error: Error) => {
    if (!(error instanceof TaskError) || !layers.isEmpty) throw error;
    request.log.debug(`The engine can't push to this step: ${error.message} ${error.details.join(' ')}`);
    return save();
  };
  const isQuicker = await isPushQuicker(docker, request);
  const config = await (isQuicker ? receiveImage(docker, request, layers, otherwise) : save());
  return { config, command };
}

/** Whether an engine is on this machine, and keeps images in containerd's store. */
async function isPushQuicker(docker: DockerCli, request: EngineCopyRequest): Promise<boolean> {
  if (request.size < SMALL) return false;
  try {
    return await isHereInContainerd(docker, request);
  } catch (error) {
    if (!(error instanceof TaskError)) throw error;
    request.log.debug(`The engine does not say how it keeps images: ${error.message}`);
    return false;
  }
}

async function isHereInContainerd(docker: DockerCli, { id, isPart }: EngineCopyRequest): Promise<boolean> {
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
