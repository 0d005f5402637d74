import { runTask } from '../common/task';
import { readInputs } from './inputs';

runTask(async (task) => {
  const inputs = readInputs(task);
  const { runJob } = await import('./run-job');
  return runJob(inputs, task);
});
