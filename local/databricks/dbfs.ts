import type { Stats } from 'node:fs';
import { mkdir, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import type { Api } from './api';
import { ApiError, invalid, notFound } from './errors';
import { flag, integer, optionalText, text } from './fields';
import type { JsonObject } from './json';

/** The most bytes that go into a file, or come out of one, with one request. */
const LARGEST_BLOCK = 1024 * 1024;

/** DBFS, kept in a folder. */
export function dbfsApi(root: string): Api {
  /** Where a path lies; never outside the folder. */
  const real = (path: string) => join(root, path);

  const find = async (path: string): Promise<Stats> => {
    const found = await stat(real(path)).catch(() => undefined);
    if (!found) throw notFound(`No file or directory exists on path ${path}.`);
    return found;
  };

  const put = async (fields: JsonObject): Promise<JsonObject> => {
    const path = readPath(fields);
    const contents = Buffer.from(optionalText(fields, 'contents') ?? '', 'base64');
    if (contents.length > LARGEST_BLOCK) {
      throw new ApiError(400, 'MAX_BLOCK_SIZE_EXCEEDED', `The contents exceed ${LARGEST_BLOCK} bytes.`);
    }
    await mkdir(dirname(real(path)), { recursive: true });
    await writeFile(real(path), contents, { flag: flag(fields, 'overwrite') ? 'w' : 'wx' }).catch(() => {
      throw new ApiError(
        400,
        'RESOURCE_ALREADY_EXISTS',
        `A file or directory already exists at path ${path}.`,
      );
    });
    return {};
  };

  const list = async (fields: JsonObject): Promise<JsonObject> => {
    const path = readPath(fields);
    const found = await find(path);
    if (!found.isDirectory()) return { files: [describe(path, found)] };
    const names = await readdir(real(path));
    const children = names.sort().map((name) => posix.join(path, name));
    const files = await Promise.all(children.map(async (child) => describe(child, await find(child))));
    return files.length > 0 ? { files } : {};
  };

  const read = async (fields: JsonObject): Promise<JsonObject> => {
    const path = readPath(fields);
    const length = integer(fields, 'length', LARGEST_BLOCK / 2);
    if (length > LARGEST_BLOCK) throw invalid(`The length exceeds ${LARGEST_BLOCK} bytes.`);
    if ((await find(path)).isDirectory()) throw invalid(`${path} is a directory.`);
    const file = await open(real(path));
    try {
      const { bytesRead, buffer } = await file.read(
        Buffer.alloc(length),
        0,
        length,
        integer(fields, 'offset', 0),
      );
      return { bytes_read: bytesRead, data: buffer.subarray(0, bytesRead).toString('base64') };
    } finally {
      await file.close();
    }
  };

  const remove = async (fields: JsonObject): Promise<JsonObject> => {
    const path = readPath(fields);
    const isDirectory = (await find(path)).isDirectory();
    if (isDirectory && !flag(fields, 'recursive') && (await readdir(real(path))).length > 0) {
      throw new ApiError(400, 'IO_ERROR', `The directory ${path} is not empty.`);
    }
    await rm(real(path), { recursive: isDirectory });
    return {};
  };

  return {
    versions: ['2.0'],
    routes: {
      'POST /dbfs/put': ({ fields }) => put(fields),
      'POST /dbfs/mkdirs': async ({ fields }) => {
        await mkdir(real(readPath(fields)), { recursive: true });
        return {};
      },
      'POST /dbfs/delete': ({ fields }) => remove(fields),
      'GET /dbfs/get-status': async ({ fields }) => describe(readPath(fields), await find(readPath(fields))),
      'GET /dbfs/list': ({ fields }) => list(fields),
      'GET /dbfs/read': ({ fields }) => read(fields),
    },
  };
}

function readPath(fields: JsonObject): string {
  const path = text(fields, 'path').replace(/^dbfs:/, '');
  if (!path.startsWith('/')) throw invalid(`Path must be absolute: ${path}`);
  return posix.normalize(path);
}

function describe(path: string, stats: Stats): JsonObject {
  return {
    path,
    is_dir: stats.isDirectory(),
    file_size: stats.isDirectory() ? 0 : stats.size,
    modification_time: Math.round(stats.mtimeMs),
  };
}
