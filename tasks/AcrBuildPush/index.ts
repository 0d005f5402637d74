import { runTask } from '../common/task';
import { buildAndPush } from './build-and-push';
import { readInputs } from './inputs';
import { locateRegistry } from './locate';
import { promote } from './promote';

runTask(async (task) => {
  const inputs = await locateRegistry(readInputs(task), task);
  return inputs.sourceImage ? promote(inputs, inputs.sourceImage, task) : buildAndPush(inputs, task);
});
