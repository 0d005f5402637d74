import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type DirectBuildOptions,
  NeedsEngine,
  planDirectBuild,
} from '../../../tasks/AcrBuildPush/build/direct/direct-build';
import type { BuildPlan } from '../../../tasks/AcrBuildPush/build-plan';
import type { OciImage } from '../../../tasks/AcrBuildPush/image/image';
import type { Inputs } from '../../../tasks/AcrBuildPush/inputs';
import { HttpClient } from '../../../tasks/common/http';
import { createLogger } from '../../../tasks/common/log';

/** What the least of inputs come to. */
export const leastInputs: Inputs = {
  loginServer: 'r.azurecr.io',
  registryName: undefined,
  identity: undefined,
  repository: 'titanic',
  tags: [{ tag: '1.0.0', moves: false }],
  version: '1.0.0',
  tagRemarks: [],
  labels: {},
  model: undefined,
  sourceImage: undefined,
  dockerfile: '/s/model-api/Dockerfile',
  buildContext: '/s/model-api',
  buildArgs: {},
  buildSecrets: {},
  target: undefined,
  platforms: [],
  cacheFrom: [],
  cacheTo: [],
  dockerOptions: [],
  builder: 'auto',
  compression: 'auto',
  agentPool: undefined,
  buildMinutes: 480,
  docker: undefined,
  push: true,
  ifTagExists: 'overwrite',
  lockTag: false,
  smokeTest: [],
  attest: 'off',
  sbom: 'off',
  signing: undefined,
};

/** A plan for a build, of the inputs above. */
export const leastPlan: BuildPlan = {
  dockerfile: '/s/model-api/Dockerfile',
  recipe: 'FROM scratch\n',
  context: '/s/model-api',
  arguments: {},
  labels: {},
  target: undefined,
  base: undefined,
  secrets: {},
  platforms: [],
  cacheFrom: [],
  cacheTo: [],
  dockerOptions: [],
};

/** Plans an image without an engine, and makes it. */
export async function directBuild(
  plan: BuildPlan,
  options: DirectBuildOptions,
): Promise<OciImage | NeedsEngine> {
  const planned = await planDirectBuild(plan, options);
  return planned instanceof NeedsEngine ? planned : planned.make(plan.labels);
}

/** A log whose lines a test can read. */
export function capturedLog() {
  const lines: string[] = [];
  return { lines, log: createLogger((line) => lines.push(line)) };
}

/** A folder that the test removes at its end. */
export function temporaryFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'acr-build-push-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Puts a `docker` on a PATH of its own: a shell script, which finds its arguments in `$@`. */
export function fakeDocker(folder: string, script: string): NodeJS.ProcessEnv {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'docker'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { PATH: `${bin}:/usr/bin:/bin` };
}

/** A server whose answers a test decides, with a client for it that never waits. */
export async function scriptedServer(answer: RequestListener) {
  const requests: string[] = [];
  const { lines, log } = capturedLog();
  const cancel = new AbortController();
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const http = new HttpClient({
    log,
    signal: cancel.signal,
    network: { proxyFor: () => undefined, tls: {} },
    userAgent: 'test',
    sleep: async () => undefined,
  });
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    lines,
    log,
    http,
    stop() {
      http.close();
      server.closeAllConnections();
      server.close();
    },
  };
}
