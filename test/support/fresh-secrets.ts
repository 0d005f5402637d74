import { forgetSecrets } from '../../tasks/common/secrets';

/**
 * A process of the tests runs many files, a step's process just one step: no file finds the secrets of the file before it,
 * which would be hidden in its messages.
 */
export const mochaHooks = { beforeAll: forgetSecrets };
