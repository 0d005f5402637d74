import type { TaskOutput } from './outcome';

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
pre{overflow-x:auto;padding:.6rem .8rem;margin:.3rem 0;border-radius:4px}
.source{background:#f3f4f6}.output{border-left:3px solid #9ca3af}.error{border-left:3px solid #b91c1c;color:#b91c1c}`;

/**
 * An HTML page of an executed notebook: its cells, what they printed, and how it ended. Like the service's, it holds the
 * notebook as data too.
 */
export function renderNotebookPage(title: string, output: TaskOutput): string {
  const cells = (output.cells ?? []).map(
    (cell) => block('source', cell.source) + (cell.output ? block('output', cell.output) : ''),
  );
  const end = [
    output.exitValue === undefined ? '' : `<h2>Exit value</h2>${block('output', output.exitValue)}`,
    output.errorTrace || output.error
      ? block('error', withoutColours(output.errorTrace ?? output.error!))
      : '',
  ];
  return `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>${escapeHtml(title)}</title><style>${STYLE}</style><script>var __DATABRICKS_NOTEBOOK_MODEL = '${modelOf(title, output)}';</script>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
${[...cells, ...end].join('\n')}
</body>
</html>
`;
}

/** The notebook with what its cells printed: base64 of JSON that is encoded as in an address. */
function modelOf(name: string, { cells = [] }: TaskOutput): string {
  const commands = cells.map((cell) => ({
    version: 'CommandV1',
    position: cell.number,
    command: cell.source,
    results: { type: 'listResults', data: cell.output ? [{ type: 'ansi', data: cell.output }] : [] },
  }));
  const model = JSON.stringify({ version: 'NotebookV1', name, commands });
  return Buffer.from(encodeURIComponent(model)).toString('base64');
}

function block(kind: string, text: string): string {
  return `<pre class="${kind}">${escapeHtml(text)}</pre>`;
}

function withoutColours(text: string): string {
  return text.replace(/\u001b\[[\d;]*m/g, '');
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
