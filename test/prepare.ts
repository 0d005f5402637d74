import { apiPython, bicepPython, cliPython, examplePython, sdkPython } from './support/python';

/*
 * Makes what several files of tests share, before these run side by side. What can't be made is reported by the tests
 * that need it.
 */
for (const prepare of [examplePython, apiPython, sdkPython, cliPython, bicepPython]) {
  await prepare(console.log).catch((error: Error) => console.error(error.message));
}
