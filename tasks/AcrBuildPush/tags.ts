/** What is done about tags that the registry already has. */
export const EXISTING_TAG_POLICIES = ['overwrite', 'skip', 'fail'] as const;
export type ExistingTagPolicy = (typeof EXISTING_TAG_POLICIES)[number];

/** The tag that by its nature moves from image to image. */
export const MOVING_TAG = 'latest';

/** The tags of a list, one a line or between commas, each once. */
export function splitTags(text: string): string[] {
  const tags = text.split(/[\n,]/).map((tag) => tag.trim());
  return [...new Set(tags.filter(Boolean))];
}

/** A version as a tag: `+`, which begins a semantic version's build metadata and no tag may hold, becomes `_`. */
export function toTag(version: string): string {
  return version.replaceAll('+', '_');
}

/** What is wrong with a tag by the OCI distribution specification, to go on from the name of its input; or undefined. */
export function tagProblem(tag: string): string | undefined {
  const stranger = /[^\w.-]/.exec(tag)?.[0];
  if (stranger) {
    return `has the tag '${tag}', but tags have letters, digits, '_', '.' and '-' only, not '${stranger}'. ${remedyOf(stranger)}`;
  }
  if (/^[.-]/.test(tag)) return `has the tag '${tag}', but tags must not begin with '${tag[0]}'.`;
  if (tag.length > 128)
    return `has the tag '${tag}', which is too long: ${tag.length} characters, of at most 128.`;
  return undefined;
}

/** What people mean who put something into a tag that it can't hold. */
function remedyOf(stranger: string): string {
  if (/\s/.test(stranger)) return 'Give one tag a line.';
  if (/[/:@]/.test(stranger))
    return "Give the tag alone: the registry and the repository have inputs of their own, 'acrName' and 'repository'.";
  return `Write it without '${stranger}'.`;
}

/** A tag to publish. */
export interface PlannedTag {
  readonly tag: string;
  /** Whether it is meant to go from image to image: `latest`, and what is made of a part of the version or a branch. */
  readonly moves: boolean;
}

/** Tags in the order in which they are published: `latest` comes last, so that it never names a half-tagged image. */
export function publishingOrder(tags: readonly PlannedTag[]): PlannedTag[] {
  return [...tags.filter(({ tag }) => tag !== MOVING_TAG), ...tags.filter(({ tag }) => tag === MOVING_TAG)];
}

/** The tags that tell images apart: those that do not move; all of them where every tag does. */
export function lastingTags(tags: readonly PlannedTag[]): string[] {
  const lasting = tags.filter(({ moves }) => !moves);
  return (lasting.length > 0 ? lasting : tags).map(({ tag }) => tag);
}

/** What a policy makes of the tags that exist. */
export interface TagDecision {
  /** The tags to publish, in order. None: there is nothing to do. */
  readonly publish: readonly PlannedTag[];
  /** The tags that stay as they are. */
  readonly keep: readonly string[];
  /** The tags that must not be there for the step to go on. */
  readonly conflicts: readonly string[];
}

/**
 * Decides which tags to publish. Tags that are meant to move do so under every policy when there are others, which
 * tell images apart. Where all of those are there already, `skip` leaves the moving ones alone too.
 *
 * @param tags in the order of publishing
 */
export function decideTags(
  tags: readonly PlannedTag[],
  existing: ReadonlySet<string>,
  policy: ExistingTagPolicy,
): TagDecision {
  const lasting = lastingTags(tags);
  const taken = lasting.filter((tag) => existing.has(tag));
  switch (policy) {
    case 'overwrite':
      return { publish: tags, keep: [], conflicts: [] };
    case 'fail':
      return { publish: tags, keep: [], conflicts: taken };
    case 'skip': {
      if (taken.length === lasting.length) {
        return { publish: [], keep: tags.map(({ tag }) => tag), conflicts: [] };
      }
      return { publish: tags.filter(({ tag }) => !taken.includes(tag)), keep: taken, conflicts: [] };
    }
  }
}
