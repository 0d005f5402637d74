import { runTask } from '../common/task';
import { readInputs } from './inputs';

runTask(async (task) => {
  const inputs = readInputs(task);
  const { buildOrPromote } = await import('./build-or-promote');
  return buildOrPromote(inputs, task);
});
