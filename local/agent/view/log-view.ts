import { escapeHtml } from './html';

/** Tags that color a line. Those of sections and commands are not shown, as in the viewer of Azure DevOps. */
const SHOWN_TAGS = ['error', 'warning', 'debug'];

/** A step's log with numbered lines; `##[group]` folds what follows. */
export function renderLog(lines: string[]): string {
  let html = '';
  let inGroup = false;
  const close = () => {
    if (inGroup) html += '</div></details>';
    inGroup = false;
  };
  lines.forEach((raw, index) => {
    const line = withoutColors(raw);
    const [, tag = '', text = ''] = /^##\[(\w+)\](.*)$/s.exec(line) ?? [];
    if (tag === 'group') {
      close();
      html += `<details class="group"><summary>${numbered(index, '', escapeHtml(text) || 'Group')}</summary><div>`;
      inGroup = true;
    } else if (tag === 'endgroup') {
      close();
    } else if (['section', 'command', ...SHOWN_TAGS].includes(tag)) {
      html += numbered(index, tag, escapeHtml(SHOWN_TAGS.includes(tag) ? line : text));
    } else {
      html += numbered(index, '', escapeHtml(line));
    }
  });
  close();
  return `<div class="log" tabindex="0" role="region" aria-label="Log">${html}</div>`;
}

function numbered(index: number, tag: string, html: string): string {
  return `<span class="line${tag ? ` ${tag}` : ''}"><i>${index + 1}</i><span>${html || ' '}</span></span>`;
}

function withoutColors(line: string): string {
  return line.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '');
}
