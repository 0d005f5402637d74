const { appendFileSync, readFileSync } = require('node:fs');

/*
 * With `node --require`, notes the most memory that a process held at once: a line of bytes at the end of the file that
 * PEAK_MEMORY_NOTE names. The system's own count (`process.resourceUsage().maxRSS`) begins with what the process that
 * started it held, since it goes on over exec(); VmHWM begins with the program.
 */
process.on('exit', () => {
  const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'));
  appendFileSync(process.env.PEAK_MEMORY_NOTE, `${kilobytes * 1024}\n`);
});
