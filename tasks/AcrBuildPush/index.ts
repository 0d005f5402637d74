import { runTask } from '../common/task';
import { buildAndPush } from './build-and-push';
import { readInputs } from './inputs';
import { promote } from './promote';

runTask((task) => {
  const inputs = readInputs(task);
  return inputs.sourceImage ? promote(inputs, inputs.sourceImage, task) : buildAndPush(inputs, task);
});
