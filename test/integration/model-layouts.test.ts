import { testLayout } from '../support/layout-tests';
import { LAYOUTS } from '../support/model-layouts';
import { examplePython } from '../support/python';

/** With the library that the example has anyway; npm run test:layouts tries the others. */
testLayout(LAYOUTS.find(({ kind }) => kind === 'ScikitLearn')!, async () => (await examplePython()).python);
