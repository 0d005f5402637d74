import type { Outcome, TaskContext } from '../common/task';
import { buildAndPush } from './build-and-push';
import type { Inputs } from './inputs';
import { locateRegistry } from './locate';
import { promote } from './promote';

/** Brings an image to its registry: one that is built here, or one that was built before. */
export async function buildOrPromote(asked: Inputs, task: TaskContext): Promise<Outcome> {
  const inputs = await locateRegistry(asked, task);
  return inputs.sourceImage ? promote(inputs, inputs.sourceImage, task) : buildAndPush(inputs, task);
}
