import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Registry, type RegistryOptions, startRegistry } from '../../../local/registry/registry';

export const IMAGE_TYPE = 'application/vnd.docker.distribution.manifest.v2+json';
export const OCI_TYPE = 'application/vnd.oci.image.manifest.v1+json';

const USERNAME = 'demoregistry';
const PASSWORD = 'pass:word';
const BASIC = `Basic ${Buffer.from(`${USERNAME}:${PASSWORD}`).toString('base64')}`;

/** A running registry with a folder of its own, and a client that has the admin's password. */
export interface TestRegistry {
  readonly registry: Registry;
  readonly folder: string;
  /** Sends a request as the admin, unless the headers bring another `Authorization`. */
  send(
    method: string,
    path: string,
    options?: { headers?: Record<string, string>; body?: string },
  ): Promise<Response>;
  /** Fetches a token for these scopes. */
  token(...scopes: string[]): Promise<string>;
  putBlob(repository: string, content: string): Promise<string>;
  /** Stores an image of one layer under a tag and returns its digest. */
  putImage(repository: string, tag: string, layer?: string): Promise<string>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function startTestRegistry(options: Partial<RegistryOptions> = {}): Promise<TestRegistry> {
  const folder = await mkdtemp(join(tmpdir(), 'registry-server-'));
  const start = () => startRegistry({ folder, username: USERNAME, password: PASSWORD, ...options });
  let registry = await start();

  const send: TestRegistry['send'] = (method, path, { headers, body } = {}) =>
    fetch(new URL(path, registry.url), {
      method,
      headers: { Authorization: BASIC, ...headers },
      ...(body === undefined ? {} : { body }),
    });

  const putBlob: TestRegistry['putBlob'] = async (repository, content) => {
    const digest = sha256(content);
    const answer = await send('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, { body: content });
    assert.equal(answer.status, 201);
    return digest;
  };

  return {
    get registry() {
      return registry;
    },
    folder,
    send,
    putBlob,
    async token(...scopes) {
      const query = new URLSearchParams({ service: registry.loginServer });
      for (const scope of scopes) query.append('scope', scope);
      const answer = await send('GET', `/oauth2/token?${query}`);
      return ((await answer.json()) as { access_token: string }).access_token;
    },
    async putImage(repository, tag, layer = 'layer') {
      const manifest = await imageManifest(putBlob, repository, layer);
      const answer = await send('PUT', `/v2/${repository}/manifests/${tag}`, {
        headers: { 'Content-Type': IMAGE_TYPE },
        body: manifest,
      });
      assert.equal(answer.status, 201);
      return sha256(manifest);
    },
    async restart() {
      await registry.stop();
      registry = await start();
    },
    async close() {
      await registry.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Stores the parts of an image and returns the manifest that names them. */
export async function imageManifest(
  putBlob: TestRegistry['putBlob'],
  repository: string,
  layer: string,
  mediaType = IMAGE_TYPE,
): Promise<string> {
  const config = await putBlob(repository, '{}');
  const content = await putBlob(repository, layer);
  return JSON.stringify({
    schemaVersion: 2,
    mediaType,
    config: { digest: config },
    layers: [{ digest: content }],
  });
}

export function sha256(content: string): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** The code of the first error in an answer. */
export async function errorCode(answer: Response): Promise<string> {
  const { errors } = (await answer.json()) as { errors: { code: string }[] };
  return errors[0]!.code;
}
