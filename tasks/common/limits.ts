/** How large an answer may be, and how long it may take to come: no server holds a step, or fills its memory. */
export interface AnswerLimits {
  /** Bytes of the body, once they are decompressed. */
  readonly bytes: number;
  /** Milliseconds from the end of the headers to the end of the body. */
  readonly milliseconds: number;
}

const MIB = 1024 * 1024;

/** The kinds of answers that a task reads into memory. */
export const ANSWER_LIMITS = {
  /** JSON about one thing or one page of a list; tokens; manifests, of which registries take 4 MiB at most. */
  usual: { bytes: 4 * MIB, milliseconds: 60_000 },
  /** What a refusal says. The rest of it is not read: it is some proxy's page. */
  refusal: { bytes: MIB / 4, milliseconds: 15_000 },
  /** The output or the page of a notebook. Databricks keeps some megabytes of each, which JSON may double. */
  notebook: { bytes: 32 * MIB, milliseconds: 300_000 },
  /** A part of a blob, or a blob that is small. Some servers send more of it than was asked for. */
  blob: { bytes: 32 * MIB, milliseconds: 300_000 },
} as const satisfies Record<string, AnswerLimits>;

export type AnswerKind = keyof typeof ANSWER_LIMITS;
