import { runTask } from '../common/task';
import { buildAndPush } from './build-and-push';
import { readInputs } from './inputs';

runTask((task) => buildAndPush(readInputs(task), task));
