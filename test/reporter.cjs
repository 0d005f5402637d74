const { reporters, Runner } = require('mocha');

/**
 * Mocha's usual output, then every skipped test with its reason, and one closing line over all tiers:
 * `N passed, N failed, N skipped`. A test gives its reason with `skip` from test/support/skip.ts.
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
      console.log(`skipped: ${test.fullTitle()} (${reasonOf(test)})`);
    }
    const { passes, failures } = this.stats;
    console.log(`${passes} passed, ${failures} failed, ${this.skipped.length} skipped`);
  }
};

/** A reason given for a whole suite counts for each of its tests. */
function reasonOf(test) {
  for (let node = test; node; node = node.parent) if (node.skipReason) return node.skipReason;
  return 'NO REASON GIVEN';
}
