import { EntraTokens } from '../../../common/entra';
import { TaskError } from '../../../common/errors';
import { ResourceManager } from '../../azure/resource-manager';
import { type BuildPlan, stageRequest } from '../../build-plan';
import { dockerLogin } from '../../docker/logins';
import { findImages } from '../../dockerfile/base-image';
import { apiHostOf } from '../../image/image-name';
import { findDigest } from '../../registry/pull';
import {
  azureConnection,
  type Builder,
  type BuilderServices,
  type PreparedBuild,
  pullOptions,
  reportContext,
  withBase,
} from '../builder';
import { type Limit, refuseBeyond, USES } from '../limits';
import { buildWithTasks, type TasksBuild } from './tasks-build';

const REMEDY = 'Build on an agent with docker, or leave the input empty';
const NOTHING = "the registry's own service has nothing for it";

/** What the service can't do. */
export const TASKS_LIMITS: readonly Limit[] = [
  { input: 'buildSecrets', why: NOTHING, remedy: REMEDY, isPassed: USES.buildSecrets },
  {
    input: 'platform',
    allows: 'one',
    why: "the registry's own service builds for one platform at a time",
    remedy: 'Build on an agent with docker, or name one platform',
    isPassed: ({ platforms }) => platforms.length > 1,
  },
  { input: 'cacheFrom', why: NOTHING, remedy: REMEDY, isPassed: USES.cacheFrom },
  { input: 'cacheTo', why: NOTHING, remedy: REMEDY, isPassed: USES.cacheTo },
  { input: 'dockerOptions', why: NOTHING, remedy: REMEDY, isPassed: USES.dockerOptions },
  { input: 'dockerVersion', why: NOTHING, remedy: REMEDY, isPassed: USES.dockerVersion },
  { input: 'buildxVersion', why: NOTHING, remedy: REMEDY, isPassed: USES.buildxVersion },
];

/** Has the registry's own service build an image, which needs no engine on the agent. */
export class TasksBuilder implements Builder {
  constructor(private readonly services: BuilderServices) {}

  async prepare(plan: BuildPlan): Promise<PreparedBuild> {
    const { docker, loginServer, repository, push, tags, agentPool, buildMinutes, task } = this.services;
    const { http, log, signal } = task;
    refuseBeyond(TASKS_LIMITS, 'the builder acrTasks', plan, docker);
    if (push && tags.length === 0) {
      throw new TaskError(
        "Input 'tags' is empty, but the registry's own service pushes by a tag only. Give one, or build on an agent with docker.",
      );
    }
    const connection = azureConnection(this.services)!;
    const azure = new ResourceManager(connection, new EntraTokens(connection, task), http);
    const registry = await azure.findRegistry(loginServer);
    reportContext(plan, true, log);
    const { base } = plan;
    const digest = base && (base.digest ?? (await findDigest(base.name, signal, pullOptions(this.services))));
    const known = withBase(plan, base && { ...base, digest });
    const request = { plan: known, registry, loginServer, repository, push, agentPool, buildMinutes };
    return {
      kind: 'acrTasks',
      description: `Azure Container Registry Tasks of ${loginServer}`,
      plan: known,
      build: async ([tag = 'latest']) => {
        const logins = await this.logins(plan);
        return buildWithTasks({ ...request, logins, tag }, { azure, http, log, signal });
      },
    };
  }

  /** What docker has for the registries that the Dockerfile's images come from: the service has nothing of its own. */
  private async logins(plan: BuildPlan): Promise<TasksBuild['logins']> {
    const { env, loginServer, task } = this.services;
    const hosts = new Set(findImages(plan.recipe, stageRequest(plan)).map(({ registry }) => registry));
    const logins = [...hosts].map(async (host) => {
      const source = host === loginServer ? undefined : dockerLogin(env, apiHostOf(host), task.log);
      return source && { host, ...(await source.current()) };
    });
    return (await Promise.all(logins)).filter((login) => login !== undefined);
  }
}
