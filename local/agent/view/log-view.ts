import { AnsiReader, withoutAnsi } from './ansi';
import { escapeHtml } from './html';

/** Tags that color a line. Those of sections and commands are not shown, as in the viewer of Azure DevOps. */
const SHOWN_TAGS = ['error', 'warning', 'debug'];

/** Of a longer log the page shows its beginning and its end; the file has it all. */
const FIRST_SHOWN = 500;
const LAST_SHOWN = 2_000;

/** Characters of a line that are shown. */
const LONGEST_LINE = 2_000;

/** A log and where it is. */
export interface LogSource {
  readonly log: readonly string[];
  readonly logFile: string;
}

/** The address of a line on the page. */
export function lineId(logId: string, index: number): string {
  return `${logId}-${index + 1}`;
}

/** Whether the page shows this line of a log. */
export function isShown(index: number, log: readonly string[]): boolean {
  return log.length <= FIRST_SHOWN + LAST_SHOWN || index < FIRST_SHOWN || index >= log.length - LAST_SHOWN;
}

/**
 * A step's log with numbered lines, each of which can be linked to; `##[group]` folds what follows.
 *
 * @param logId begins the lines' ids on the page
 */
export function renderLog({ log, logFile }: LogSource, logId: string): string {
  let html = '';
  let inGroup = false;
  let isLeftOut = false;
  const ansi = new AnsiReader();
  const close = () => {
    if (inGroup) html += '</div></details>';
    inGroup = false;
  };
  const numbered = (index: number, tag: string, text: string) => {
    const id = lineId(logId, index);
    // One line of a log is a stop of the Tab key; the script makes the arrow keys go on from there.
    const stop = index === 0 ? '' : ' tabindex="-1"';
    return `<div class="l${tag ? ` ${tag}` : ''}" id="${id}"><a href="#${id}"${stop}>${index + 1}</a><span>${text || ' '}</span></div>`;
  };
  log.forEach((raw, index) => {
    if (!isShown(index, log)) {
      if (!isLeftOut) {
        close();
        html += `<p class="gap">${log.length - FIRST_SHOWN - LAST_SHOWN} lines are not shown. All are in ${escapeHtml(logFile)}</p>`;
      }
      isLeftOut = true;
      return;
    }
    const line = shortened(raw);
    const [, tag = '', text = ''] = /^##\[(\w+)\](.*)$/s.exec(withoutAnsi(line)) ?? [];
    if (tag) ansi.reset();
    if (tag === 'group') {
      close();
      html += `<details class="group"><summary>${numbered(index, '', escapeHtml(text) || 'Group')}</summary><div>`;
      inGroup = true;
    } else if (tag === 'endgroup') {
      close();
    } else if (SHOWN_TAGS.includes(tag)) {
      html += numbered(index, tag, ansi.read(line));
    } else if (tag === 'section' || tag === 'command') {
      html += numbered(index, tag, escapeHtml(text));
    } else {
      html += numbered(index, '', ansi.read(line));
    }
  });
  close();
  return `<div class="log" tabindex="0" role="region" aria-label="Log">${html}</div>`;
}

function shortened(line: string): string {
  return line.length <= LONGEST_LINE
    ? line
    : `${line.slice(0, LONGEST_LINE)}… (${line.length - LONGEST_LINE} more characters)`;
}
