import { runTask } from '../common/task';
import { downloadModel } from './download-model';
import { readInputs } from './inputs';
import { PATIENCE } from './registry/persist';

runTask((task) => downloadModel(readInputs(task), task, PATIENCE, __filename));
