import { createHash } from 'node:crypto';
import type { BuildPlan } from '../build-plan';
import type { Inputs } from '../inputs';
import type { Model } from '../model';
import type { ModelCheck } from './check-model';
import { imageDependencies } from './image-dependencies';
import { modelDependencies } from './model-dependencies';
import { type BuildRun, describeRun, type Variables } from './run';
import { findSource } from './source';
import { BUILD_TYPE, type Predicate } from './statement';

/** What a step knows of the image that it has built. */
export interface BuildFacts {
  readonly inputs: Inputs;
  /** The model, where its files are what its manifest says; and how that was found out. */
  readonly model: { readonly stated: Model; readonly checkedBy: ModelCheck['by'] } | undefined;
  /** What was built, with what the builder has learnt of its base image. */
  readonly plan: BuildPlan;
  readonly run: BuildRun;
}

/** All that is known of how an image came about. */
export function describeBuild({ inputs, model, plan, run }: BuildFacts, variable: Variables): Predicate {
  const source = findSource(plan.dockerfile, variable);
  const { internalParameters, runDetails } = describeRun(variable, run);
  const dockerfile = source.pathOf(plan.dockerfile);
  return {
    buildDefinition: {
      buildType: BUILD_TYPE,
      externalParameters: {
        dockerfile,
        buildContext: source.pathOf(plan.context),
        target: plan.target,
        platform: unlessEmpty(plan.platforms),
        buildArgs: unlessEmpty(plan.arguments),
        // Their ids alone.
        buildSecrets: unlessEmpty(Object.keys(plan.secrets)),
        dockerOptions: unlessEmpty(inputs.dockerOptions.map(({ words }) => words.join(' '))),
        labels: unlessEmpty(inputs.labels),
        version: inputs.version || undefined,
      },
      internalParameters,
      resolvedDependencies: [
        ...(source.commit ? [source.commit] : []),
        {
          name: 'dockerfile',
          digest: { sha256: createHash('sha256').update(plan.recipe).digest('hex') },
          annotations: { path: dockerfile },
        },
        ...imageDependencies(plan),
        ...(model ? modelDependencies(model.stated, model.checkedBy) : []),
      ],
    },
    runDetails,
  };
}

function unlessEmpty<T extends object>(value: T): T | undefined {
  return Object.keys(value).length > 0 ? value : undefined;
}
