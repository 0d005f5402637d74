import { runTask } from '../common/task';
import { readInputs } from './inputs';
import { runJob } from './run-job';

runTask((task) => runJob(readInputs(task), task));
