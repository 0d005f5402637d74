import { testLayout } from '../support/layout-tests';
import { LAYOUTS } from '../support/model-layouts';
import { layoutsPython } from '../support/python';

/*
 * Models as people's own libraries save them, which then load what was downloaded. The libraries are large: npm run
 * test:layouts gets those of test/layouts/requirements.txt. TensorFlow and Spark are tried where they were installed by hand.
 */
for (const layout of LAYOUTS) testLayout(layout, async () => (await layoutsPython()).python);
