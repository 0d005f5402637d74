import '../common/output';

import { createLogger } from '../common/log';
import { printLine } from '../common/output';
import { removeForgottenConfig } from './docker/config';

/*
 * Runs at the end of the job, whatever became of the step: when the agent had to kill it, the private docker
 * configuration is still there.
 */
removeForgottenConfig(process.env, createLogger(printLine));
