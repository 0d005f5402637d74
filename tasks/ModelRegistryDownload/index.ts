import { runTask } from '../common/task';
import { downloadModel } from './download-model';
import { readInputs } from './inputs';

runTask((task) => downloadModel(readInputs(task), task));
