import '../common/output';

import { createLogger } from '../common/log';
import { printLine } from '../common/output';
import { removeForgottenConfig } from './docker/config';
import { removeForgottenContainer } from './docker/container';

/*
 * Runs at the end of the job, whatever became of the step: when the agent had to kill it, the private docker
 * configuration is still there, and a container may still run.
 */
const log = createLogger(printLine);
removeForgottenConfig(process.env, log);
void removeForgottenContainer(process.env, log);
