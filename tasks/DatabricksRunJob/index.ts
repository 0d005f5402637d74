import { runTask } from '../common/task';
import { readOptions } from './inputs';
import { runJob } from './run-job';

runTask((task) => runJob(readOptions(task), task));
