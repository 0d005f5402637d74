import assert from 'node:assert/strict';
import { renderNotebookPage } from '../../../local/databricks/runs/page';
import { readPrinted } from '../../../tasks/DatabricksRunJob/printed';

describe('what an executed notebook printed', () => {
  const pageOf = (model: unknown) => {
    const encoded = Buffer.from(encodeURIComponent(JSON.stringify(model))).toString('base64');
    return `<html><script>var __DATABRICKS_NOTEBOOK_MODEL = '${encoded}';</script></html>`;
  };
  const ansi = (data: string) => ({ type: 'ansi', data });

  it('is read cell by cell in their order, without tables, pictures and errors', () => {
    const commands = [
      {
        position: 2,
        results: { type: 'listResults', data: [ansi('b: 2 %\n'), { type: 'table', data: [['x']] }] },
      },
      { position: 1, results: { type: 'listResults', data: [ansi('ä'), ansi('<a>\n')] } },
      { position: 3, results: null },
      { position: 4, results: { type: 'image', data: 'iVBOR' } },
      { position: 5, results: { type: 'html', data: '<div class="ansiout">rows: 3 &lt; 4<br/>\n</div>' } },
      { position: 6, results: { type: 'html', data: '<table><tr><td>drawn</td></tr></table>' } },
    ];
    assert.equal(readPrinted(pageOf({ commands })), 'ä<a>\nb: 2 %\nrows: 3 < 4');
  });

  it('is nothing where nothing was printed', () => {
    assert.equal(readPrinted(pageOf({ commands: [] })), '');
  });

  it('is read from the page of the local workspace', () => {
    const cells = [{ number: 1, kind: 'python', source: 'print(1)', output: "it's 1\n" }];
    assert.equal(readPrinted(renderNotebookPage('train', { cells })), "it's 1");
  });

  it('is not known where the page has another form', () => {
    const pages = ['<html></html>', pageOf([]), pageOf({ commands: 'none' }), pageOf(null)];
    const broken = ["var __DATABRICKS_NOTEBOOK_MODEL = 'JUVGJQ=='", "__DATABRICKS_NOTEBOOK_MODEL = 'e30='"];
    for (const page of [...pages, ...broken]) assert.equal(readPrinted(page), undefined, page);
  });

  it('is looked for in results of all kinds without failing', () => {
    let deep: object = ansi('too deep');
    for (let level = 0; level < 10; level++) deep = { type: 'listResults', data: [deep] };
    const results = [deep, 7, 'text', { type: 'ansi' }, { type: 'listResults', data: [null, 3] }, []];
    assert.equal(
      readPrinted(pageOf({ commands: [...results.map((result) => ({ results: result })), null] })),
      '',
    );
  });
});
