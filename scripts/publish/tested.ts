import { root } from '../paths';
import { rememberTested } from './checks';

/* `npm run tested`, after all tests have passed: remembers the commit that they passed at, which publishing asks for. */
try {
  rememberTested(root);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
