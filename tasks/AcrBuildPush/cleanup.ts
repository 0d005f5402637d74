import '../common/output';

import { createLogger } from '../common/log';
import { printLine } from '../common/output';
import { removeForgottenConfig } from './docker/config';
import { removeForgottenContainer } from './docker/container';
import { removeForgottenName } from './docker/pushed-name';

/*
 * Runs at the end of the job, whatever became of the step: when the agent had to kill it, the private docker
 * configuration is still there, a container may still run, and an image may still have a name that it got for a while.
 */
const log = createLogger(printLine);
removeForgottenConfig(process.env, log);
void removeForgottenContainer(process.env, log);
void removeForgottenName(process.env, log);
