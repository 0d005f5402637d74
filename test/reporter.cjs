const { reporters, Runner } = require('mocha');

/**
 * Mocha's usual output, then every skipped test, and one closing line over all tiers: `N passed, N failed, N skipped`.
 * A test gives its reason with `skip` from test/support/skip.ts.
 */
module.exports = class TierReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const skipped = [];
    runner.on(Runner.constants.EVENT_TEST_PENDING, (test) => skipped.push(test));
    this.skipped = skipped;
  }

  epilogue() {
    super.epilogue();
    for (const test of this.skipped) {
      const title = test.fullTitle();
      console.log(`skipped: ${title}${title.includes('(skipped: ') ? '' : ' (NO REASON GIVEN)'}`);
    }
    const { passes, failures } = this.stats;
    console.log(`${passes} passed, ${failures} failed, ${this.skipped.length} skipped`);
  }
};
