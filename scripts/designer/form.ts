import { type FormValues, isVisible } from './visible-rules';

/** What the designer draws a task's form from. */
export interface FormTask {
  readonly name: string;
  readonly friendlyName: string;
  readonly version: { readonly Major: number };
  readonly instanceNameFormat: string;
  readonly helpUrl?: string;
  readonly groups: readonly FormGroup[];
  readonly inputs: readonly FormInput[];
  readonly dataSourceBindings?: readonly { readonly target: string }[];
}

export interface FormGroup {
  readonly name: string;
  readonly displayName: string;
  readonly isExpanded?: boolean;
  readonly visibleRule?: string;
}

export interface FormInput {
  readonly name: string;
  readonly type: string;
  readonly label: string;
  readonly required?: boolean;
  readonly defaultValue?: string;
  readonly helpMarkDown?: string;
  readonly groupName?: string;
  readonly visibleRule?: string;
  readonly options?: Readonly<Record<string, string>>;
  readonly properties?: Readonly<Record<string, unknown>>;
}

/** A group as it is shown, with the inputs that it shows. */
export interface ShownGroup extends FormGroup {
  readonly inputs: readonly FormInput[];
}

/** What a form shows for some values; inputs that have none count with their defaults. A group without inputs is not shown. */
export function shownGroups(task: FormTask, given: FormValues): ShownGroup[] {
  const values = withDefaults(task, given);
  const groups = task.groups.filter(({ visibleRule }) => isVisible(visibleRule, values));
  return groups
    .map((group) => ({
      ...group,
      inputs: task.inputs.filter(
        ({ groupName, visibleRule }) => groupName === group.name && isVisible(visibleRule, values),
      ),
    }))
    .filter(({ inputs }) => inputs.length > 0);
}

/** The values of a new form, with those that somebody has set. */
export function withDefaults({ inputs }: FormTask, given: FormValues): FormValues {
  const defaults = inputs.map(({ name, defaultValue = '' }) => [name, String(defaultValue)] as const);
  return { ...Object.fromEntries(defaults), ...given };
}

/** Whether an input is filled by picking from a list: options, connections, or what a service answers. */
export function isPicked(task: FormTask, { name, type, options }: FormInput): boolean {
  return (
    options !== undefined ||
    type === 'boolean' ||
    type === 'filePath' ||
    type.startsWith('connectedService:') ||
    (task.dataSourceBindings ?? []).some(({ target }) => target === name)
  );
}
