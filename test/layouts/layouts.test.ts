import { testLayout } from '../support/layout-tests';
import { LAYOUTS, pythonOf } from '../support/model-layouts';

/** Models as people's own libraries save them, which then load what the packed task has downloaded. */
for (const layout of LAYOUTS) testLayout(layout, () => pythonOf(layout));
