import { join } from 'node:path';
import { runTask } from '../common/task';
import { downloadModel } from './download-model';
import { readInputs } from './inputs';

const program = join(__dirname, 'digest-thread.js');
runTask((task) => downloadModel(readInputs(task), task, undefined, program));
