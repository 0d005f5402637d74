import { nastyInputs } from './inputs';
import { PARSERS } from './parsers';

/**
 * Has every parser read every input, and writes what it begins and how many milliseconds of the processor's time that took.
 * A process of its own: what hangs can only be ended from outside.
 */
for (const [parser, parse] of Object.entries(PARSERS)) {
  for (const [input, text] of nastyInputs()) {
    process.stdout.write(`${JSON.stringify({ parser, input })}\n`);
    const before = process.cpuUsage();
    try {
      await parse(text);
    } catch {
      // Whether it may refuse is another test's matter.
    }
    const { user, system } = process.cpuUsage(before);
    process.stdout.write(`${JSON.stringify({ took: (user + system) / 1000 })}\n`);
  }
}
