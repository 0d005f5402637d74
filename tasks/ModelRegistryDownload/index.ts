import { join } from 'node:path';
import { runTask } from '../common/task';
import { readInputs } from './inputs';

const program = join(__dirname, 'digest-thread.js');
runTask(async (task) => {
  const inputs = readInputs(task);
  const { downloadModel } = await import('./download-model');
  return downloadModel(inputs, task, undefined, program);
});
