import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { escapeHtml } from '../../local/agent/view/html';
import { openBrowser } from '../../test/support/browser';
import { MARKETPLACE_SIZE, shrink } from '../marketplace-pictures';
import { root } from '../paths';
import { type DialogType, renderDialog, renderForm } from './render';

/** The forms as somebody fills them who works with service connections, by the name of the picture. */
const FORMS = {
  DatabricksRunJob: {
    authType: 'databricksConnection',
    databricksConnection: 'databricks-live',
    notebookFile: 'notebooks/scikit-titanic.py',
    notebookPath: '/live/scikit-titanic',
    job: 'train-titanic-model (684913842512341)',
    parameters: 'model_name=titanic\nmodel_version=$(version)',
  },
  ModelRegistryDownload: {
    authType: 'azureServiceConnection',
    azureServiceConnection: 'azure-models',
    storageAccount: 'contosomodels',
    modelName: 'titanic',
    modelVersion: '1.x',
    destinationFolder: 'model-api/pickles',
  },
  AcrBuildPush: {
    authType: 'azureServiceConnection',
    azureServiceConnection: 'azure-models',
    acrName: 'contoso.azurecr.io',
    repository: 'titanic-model-api',
    tags: '$(download.modelVersion)\nlatest',
    modelManifest: '$(download.manifestPath)',
    dockerfile: 'model-api/Dockerfile',
  },
} as const;

function sideBySide(pages: readonly string[]): string {
  const frames = pages.map(
    (page) => `<iframe style="border:0;flex:1;height:768px" srcdoc="${escapeHtml(page)}"></iframe>`,
  );
  return `<!doctype html><body style="margin:0;display:flex">${frames.join('')}</body>`;
}

/*
 * Draws the designer's forms into docs/designer/, from each task.json, and the dialog of the connection from the
 * manifest: `npm run screenshots -- designer`.
 */
export async function drawForms(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'forms-'));
  const browser = await openBrowser(join(folder, 'profile'));
  try {
    const view = await browser.newPage();
    await view.setViewportSize({ width: 640, height: 400 });
    const read = (file: string) => JSON.parse(readFileSync(join(root, file), 'utf8'));
    const manifest = read('vss-extension.json');
    const type: DialogType = manifest.contributions.at(-1).properties;
    const pictures: Readonly<Record<string, string>> = {
      ...Object.fromEntries(
        Object.entries(FORMS).map(([task, values]) => [
          task,
          renderForm(read(`tasks/${task}/task.json`), values),
        ]),
      ),
      'databricks-connection': renderDialog(type, 1),
    };
    mkdirSync(join(root, 'docs/designer'), { recursive: true });
    await view.setViewportSize(MARKETPLACE_SIZE);
    await view.setContent(
      sideBySide([pictures.DatabricksRunJob ?? '', pictures['databricks-connection'] ?? '']),
    );
    await view.screenshot({ path: join(root, 'images/form.png') });
    shrink(join(root, 'images/form.png'));
    await view.setViewportSize({ width: 640, height: 400 });
    for (const [name, html] of Object.entries(pictures)) {
      await view.setContent(html);
      await view.screenshot({ path: join(root, 'docs/designer', `${name}.png`), fullPage: true });
      console.log(`docs/designer/${name}.png`);
    }
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
