import { EntraTokens } from '../../../common/entra';
import { TaskError } from '../../../common/errors';
import type { BuildPlan } from '../../build-plan';
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
import { ResourceManager } from './resource-manager';
import { buildWithTasks } from './tasks-build';

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
  { input: 'dockerVersion', why: NOTHING, remedy: REMEDY, isPassed: USES.dockerVersion },
  { input: 'buildxVersion', why: NOTHING, remedy: REMEDY, isPassed: USES.buildxVersion },
];

/** Has the registry's own service build an image, which needs no engine on the agent. */
export class TasksBuilder implements Builder {
  constructor(private readonly services: BuilderServices) {}

  async prepare(plan: BuildPlan): Promise<PreparedBuild> {
    const { docker, loginServer, repository, push, tags, task } = this.services;
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
    return {
      kind: 'acrTasks',
      description: `Azure Container Registry Tasks of ${loginServer}`,
      plan: known,
      build: ([tag]) =>
        buildWithTasks(
          { plan: known, registry, loginServer, repository, tag: tag ?? 'latest', push },
          { azure, http, log, signal },
        ),
    };
  }
}
