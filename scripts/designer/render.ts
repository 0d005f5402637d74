import { escapeHtml } from '../../local/agent/view/html';
import { type FormInput, type FormTask, isPicked, shownGroups, withDefaults } from './form';
import type { FormValues } from './visible-rules';

/** The way into a workspace or registry that a connection's dialog offers. */
interface Scheme {
  readonly displayName: string;
  readonly inputDescriptors: readonly Descriptor[];
}
interface Descriptor {
  readonly id: string;
  readonly name: string;
  readonly description?: string;
  readonly inputMode: string;
  readonly validation?: { readonly isRequired?: boolean };
}
/** What the dialog of a type of service connection is drawn from. */
export interface DialogType {
  readonly displayName: string;
  readonly helpMarkDown?: string;
  readonly url: { readonly displayName: string; readonly helpText?: string };
  readonly authenticationSchemes: readonly Scheme[];
}

const STYLE = `
* { box-sizing: border-box }
body { margin: 0; padding: 20px 24px 28px; width: 640px; background: #fff; color: #222; font: 14px/1.4 "Segoe UI", "DejaVu Sans", sans-serif }
h1 { margin: 0 0 14px; font-size: 17px; font-weight: 600; color: #555 }
h2 { margin: 22px 0 8px; font-size: 15px; font-weight: 600 } h2 span { color: #777; font-size: 12px; margin-left: 6px }
label, .label { display: block; margin: 12px 0 4px; font-weight: 600 }
b { color: #b00020; margin-left: 3px } i { color: #777; font-style: normal; font-weight: 400; margin-left: 6px } a { color: #0062ad; font-weight: 400; text-decoration: none }
i.info { display: inline-block; width: 14px; height: 14px; border: 1px solid #777; border-radius: 50%; font: 600 10px/12px serif; text-align: center }
.row { display: flex; gap: 8px; align-items: center } .box { flex: 1; border: 1px solid #b8b8b8; min-height: 32px; padding: 5px 10px; white-space: pre-wrap; background: #fff }
.box.list::after { content: "⌄"; float: right; color: #555 } .box.area { min-height: 62px } .empty { color: #888 }
small { display: block; color: #666; margin-top: 3px } .check { border: 1px solid #666; width: 16px; height: 16px; text-align: center; line-height: 14px; font-size: 12px }
.radios { display: flex; flex-wrap: wrap; gap: 6px 20px } .button { display: inline-block; border: 1px solid #b8b8b8; padding: 6px 14px; margin-right: 8px } .button.first { background: #0062ad; color: #fff; border-color: #0062ad }
`;

const page = (title: string, body: string) =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escapeHtml(title)}</title><style>${STYLE}</style><body>${body}</body></html>`;

/** A task's form as the designer of pipelines shows it, with some inputs filled: a picture for readers, not a form. */
export function renderForm(task: FormTask, given: FormValues): string {
  const values = withDefaults(task, given);
  const named = task.instanceNameFormat.replace(/\$\((\w+)\)/g, (_, name: string) => values[name] ?? '');
  const groups = shownGroups(task, given).map(({ displayName, isExpanded, inputs }) => {
    const body = isExpanded ? inputs.map((input) => renderInput(task, input, values)).join('') : '';
    return `<h2>${escapeHtml(displayName)}<span>${isExpanded ? '⌃' : '⌄'}</span></h2>${body}`;
  });
  return page(
    task.friendlyName,
    `<h1>${escapeHtml(task.friendlyName)}<i class="info">i</i></h1><div class="label">Task version</div><div class="row"><div class="box list">${task.version.Major}.*</div></div><div class="label">Display name<b>*</b></div>${box(named)}${groups.join('')}`,
  );
}

function renderInput(task: FormTask, input: FormInput, values: FormValues): string {
  const { name, type, label, required, options = {} } = input;
  const value = values[name] ?? '';
  const text = `${escapeHtml(label)}${required ? '<b>*</b>' : ''}<i class="info">i</i>`;
  if (type === 'boolean') {
    return `<div class="label row"><span class="check">${value === 'true' ? '✓' : ''}</span><span>${text}</span></div>`;
  }
  if (type.startsWith('connectedService:')) {
    return `<div class="label">${text}<i>|</i> <a>Manage ↗</a></div><div class="row">${listBox(value)}<span>⟳</span><a>+ New</a></div>`;
  }
  const control =
    type === 'multiLine'
      ? `<div class="box area">${escapeHtml(value)}</div>`
      : isPicked(task, input) && type === 'pickList'
        ? `<div class="row">${listBox(options[value] ?? value)}${input.options ? '' : '<span>⟳</span>'}</div>`
        : type === 'filePath'
          ? `<div class="row"><div class="box">${escapeHtml(value)}</div><span class="button">…</span></div>`
          : box(value);
  return `<div class="label">${text}</div>${control}`;
}

const box = (value: string) => `<div class="box">${escapeHtml(value)}</div>`;
const listBox = (value: string) => `<div class="box list">${escapeHtml(value)}</div>`;

/** The dialog in which a service connection of a type is made, with one of its ways to sign in chosen. */
export function renderDialog(type: DialogType, chosen: number): string {
  const { authenticationSchemes: schemes, url, displayName, helpMarkDown = '' } = type;
  const radios = schemes.map(
    (scheme, index) => `<span>${index === chosen ? '◉' : '○'} ${escapeHtml(scheme.displayName)}</span>`,
  );
  const field = ({ name, description = '', validation }: Descriptor) =>
    `<div class="label">${escapeHtml(name)}${validation?.isRequired ? '' : ' <span class="empty">(optional)</span>'}</div><div class="box"></div><small>${escapeHtml(description)}</small>`;
  return page(
    displayName,
    `<h1>New ${escapeHtml(displayName)} service connection</h1><div class="label">Authentication method</div><div class="radios">${radios.join('')}</div>
<div class="label">${escapeHtml(url.displayName)}</div><div class="box"></div><small>${escapeHtml(url.helpText ?? '')}</small>
<h2>Authentication</h2>${schemes[chosen]!.inputDescriptors.map(field).join('')}
<p><span class="button">Verify</span></p><h2>Service connection details</h2><div class="label">Service connection name</div><div class="box"></div>
<small>${helpMarkDown}</small><p><span class="button">Back</span><span class="button first">Verify and save ⌄</span></p>`,
  );
}
