import { MOVING_TAG, type PlannedTag, publishingOrder, tagProblem, toTag } from './tags';

/** What the templates of tags are filled with. */
export interface TagFacts {
  /** Of the model in the image, which gives the version where no tag does. */
  readonly modelVersion: string | undefined;
  /** The commit. */
  readonly revision: string | undefined;
  readonly buildNumber: string | undefined;
  /** `refs/heads/main`. */
  readonly branch: string | undefined;
}

/** The tags of an image, and what was made of them that their author may not expect. */
export interface TagPlan {
  /** In the order of publishing. */
  readonly tags: readonly PlannedTag[];
  /** What the image is a version of, `+` included; undefined where no tag says. */
  readonly version: string | undefined;
  readonly remarks: readonly string[];
  /** To go on from the name of the input. */
  readonly problems: readonly string[];
}

interface Version {
  readonly major: string;
  readonly minor: string | undefined;
  readonly isPreRelease: boolean;
}

const TEMPLATE = /\{\{\s*([A-Za-z]+)\s*\}\}/g;

/** Templates that give each image a tag of its own, whatever else is in the tag. */
const DISTINCT = /\{\{\s*(version|sha|buildNumber)\s*\}\}/;

/** How much of a commit's name is enough to find it. */
const SHORT_SHA = 7;

/**
 * Fills the templates of tags. `{{version}}` is the first tag that is written out and is not `latest`; where there is
 * none, the model's version. A pre-release leaves `latest` and the short tags, such as `1.2` and `1`, where they are.
 *
 * @param lines the tags as written
 */
export function planTags(lines: readonly string[], facts: TagFacts): TagPlan {
  const written = lines.find((line) => line !== MOVING_TAG && !line.includes('{{'));
  const version = written ?? facts.modelVersion;
  const parsed = version === undefined ? undefined : parseVersion(version);
  const values = templateValues(version, parsed, facts);

  const problems: string[] = [];
  const remarks: string[] = [];
  const planned = new Map<string, PlannedTag>();
  const leftOut: string[] = [];
  for (const line of lines) {
    const missing = firstMissing(line, values);
    if (missing) {
      problems.push(`has the tag '${line}', but ${missing}`);
      continue;
    }
    const filled = line.replace(TEMPLATE, (_, name: string) => values[name]!.value!);
    const tag = toTag(filled);
    const problem = tagProblem(tag);
    if (problem) {
      problems.push(problem);
      continue;
    }
    if (tag !== filled) remarks.push(`Tag ${filled} becomes ${tag}: tags can't hold a '+'.`);
    const uses = (templates: RegExp) => templates.test(line) && !DISTINCT.test(line);
    const isShort =
      filled !== version &&
      (tag === MOVING_TAG || isShortFor(tag, parsed) || uses(/\{\{\s*(major|minor)\s*\}\}/));
    if (isShort && parsed?.isPreRelease) leftOut.push(tag);
    else if (!planned.has(tag)) planned.set(tag, { tag, moves: isShort || uses(/\{\{\s*branch\s*\}\}/) });
  }

  if (leftOut.length > 0) {
    remarks.push(`${version} is a pre-release, so ${leftOut.join(' and ')} stays where it is.`);
    if (planned.size === 0) {
      problems.push(
        `has ${leftOut.join(' and ')} only, which a pre-release such as ${version} must not move. Add '{{version}}'.`,
      );
    }
  }
  return { tags: publishingOrder([...planned.values()]), version, remarks, problems };
}

type Values = Readonly<Record<string, { readonly value: string | undefined; readonly missing: string }>>;

function templateValues(version: string | undefined, parsed: Version | undefined, facts: TagFacts): Values {
  const noVersion =
    "there is no version: write one out as another tag, such as $(version), or give input 'modelManifest'.";
  const notSemantic = version === undefined ? noVersion : `'${version}' is not a version such as 1.2.3.`;
  const outside = (name: string) => `this run has no ${name}. It is known to pipelines in Azure DevOps only.`;
  return {
    version: { value: version, missing: noVersion },
    major: { value: parsed?.major, missing: notSemantic },
    minor: { value: parsed?.minor, missing: notSemantic },
    sha: { value: facts.revision?.slice(0, SHORT_SHA), missing: outside('commit (Build.SourceVersion)') },
    buildNumber: {
      value: facts.buildNumber && asTag(facts.buildNumber),
      missing: outside('build number (Build.BuildNumber)'),
    },
    branch: {
      value: facts.branch && asTag(branchName(facts.branch)),
      missing: outside('branch (Build.SourceBranch)'),
    },
  };
}

/** Why a template can't be filled; undefined where all can. */
function firstMissing(line: string, values: Values): string | undefined {
  for (const [, name] of line.matchAll(TEMPLATE)) {
    if (!Object.hasOwn(values, name!)) {
      return `there is no template {{${name}}}. Known are ${Object.keys(values).join(', ')}.`;
    }
    const { value, missing } = values[name!]!;
    if (!value) return missing;
  }
  return undefined;
}

/** Whether a tag is the beginning of a version: `1` and `1.2`, also `v1`. */
function isShortFor(tag: string, version: Version | undefined): boolean {
  if (!version) return false;
  const { major, minor } = version;
  return [major, minor && `${major}.${minor}`].includes(tag.replace(/^v/, ''));
}

/** Semantic versions, and the pre-releases of Python's packages (`1.0.0rc1`, `1.0.0.dev3`), with or without a `v`. */
function parseVersion(text: string): Version | undefined {
  const found =
    /^v?(\d+)(?:\.(\d+)(?:\.\d+)?((?:a|b|rc)\d+|\.dev\d+|-[0-9A-Za-z][0-9A-Za-z.-]*)?)?(?:\+[0-9A-Za-z.-]+)?$/.exec(
      text,
    );
  if (!found) return undefined;
  return { major: found[1]!, minor: found[2], isPreRelease: found[3] !== undefined };
}

/** `refs/heads/feature/x` as `feature/x`, `refs/pull/12/merge` as `pr-12`. */
function branchName(ref: string): string {
  const pullRequest = /^refs\/pull\/(\d+)\//.exec(ref)?.[1];
  return pullRequest ? `pr-${pullRequest}` : ref.replace(/^refs\/(heads|tags)\//, '');
}

/** A name that other things go by, as a tag: what tags can't hold becomes a hyphen. */
function asTag(name: string): string {
  return name
    .replace(/[^\w.-]+/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 128);
}
