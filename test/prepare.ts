import { apiPython, bicepPython, cliPython, examplePython, sdkPython } from './support/python';

/*
 * Makes what several files of tests share, before these run side by side. What can't be made is reported by the tests
 * that need it.
 */
const pythons = {
  example: examplePython,
  API: apiPython,
  'client of Databricks': sdkPython,
  'former command line of Databricks': cliPython,
  'reader of Bicep': bicepPython,
};

await Promise.all(
  Object.entries(pythons).map(([name, prepare]) =>
    prepare((line) => console.log(`${name}: ${line.trim()}`)).catch((error: Error) =>
      console.error(`${name}: ${error.message}`),
    ),
  ),
);
