import type { Logger } from '../../common/log';
import type { BuilderKind } from '../docker/engine';

/** A step of a build, as its output shows it. */
interface Step {
  /** `Step 2/3: COPY model.pkl /` or `[2/3] COPY model.pkl /`. */
  readonly title: string;
  /** The last lines of its output. */
  readonly lines: string[];
  failed: boolean;
}

/** Where a build went wrong, as far as its output tells. */
export interface BuildFailure {
  /** The instruction of the Dockerfile, as docker shows it. */
  readonly instruction: string | undefined;
  /** Its number among all instructions, from 1; from the legacy builder only. */
  readonly number: number | undefined;
  /** Its line in the Dockerfile; from buildx only. */
  readonly line: number | undefined;
  /** The last lines of the output of this instruction. */
  readonly lastLines: readonly string[];
  /** What docker itself said of the failure. */
  readonly dockerWords: string;
}

/** How many lines of a step's output are kept for the report of a failure. */
const KEPT_LINES = 25;

/** Docker's advice to use BuildKit, which comes with every build by the legacy builder. */
const LEGACY_NOTICE =
  /^DEPRECATED: The legacy builder|^ {12}(BuildKit is currently|Install the buildx|environment-|https:)/;

/** Logs the output of a build, a group for each step, and remembers what a report of a failure needs. */
export class BuildOutput {
  private readonly steps = new Map<string, Step>();
  /** The step that output belongs to. Its group may be closed already: stdout and stderr overtake each other. */
  private current: Step | undefined;
  private groupIsOpen = false;
  private readonly dockerWords: string[] = [];

  constructor(
    private readonly builder: BuilderKind,
    private readonly log: Logger,
  ) {}

  /** Takes one line. The legacy builder reports on stdout, and its errors on stderr; BuildKit writes stderr only. */
  read(line: string, source: 'stdout' | 'stderr'): void {
    // Of a line that was drawn over and over, as progress bars are, a terminal would show the last state.
    const text = line.split('\r').filter(Boolean).pop()?.trimEnd() ?? '';
    if (!text) return;
    if (this.builder === 'legacy') this.readLegacy(text, source);
    else this.readBuildKit(text);
  }

  /** Closes the last step's group. */
  end(): void {
    if (this.groupIsOpen) this.log.endGroup();
    this.groupIsOpen = false;
  }

  get failure(): BuildFailure {
    const steps = [...this.steps.values()];
    const step = steps.find(({ failed }) => failed) ?? (this.builder === 'legacy' ? steps.at(-1) : undefined);
    const dockerWords = this.dockerWords.join('\n');
    const [, number, legacyText] = /^Step (\d+)\/\d+: (.*)$/s.exec(step?.title ?? '') ?? [];
    const [, buildKitText] = /^\[(?!internal\])[^\]]*\] (.*)$/s.exec(step?.title ?? '') ?? [];
    const line = /^\S*:(\d+)\n-{10}/m.exec(dockerWords)?.[1];
    return {
      instruction: legacyText ?? buildKitText,
      number: number ? Number(number) : undefined,
      line: line ? Number(line) : undefined,
      lastLines: step?.lines ?? [],
      dockerWords,
    };
  }

  private readLegacy(text: string, source: 'stdout' | 'stderr'): void {
    const step = /^Step (\d+)\/(\d+) : (.*)$/.exec(text);
    if (source === 'stderr') {
      if (!LEGACY_NOTICE.test(text)) this.sayAsDocker(text);
    } else if (step) {
      const [, number, count, instruction] = step;
      this.enter(number!, `Step ${number}/${count}: ${instruction}`);
    } else if (/^Successfully (built [0-9a-f]{12}$|tagged )/.test(text)) {
      this.end();
      this.log.info(text);
    } else {
      this.say(text);
    }
  }

  private readBuildKit(text: string): void {
    const [, id, rest] = /^#(\d+) (.*)$/.exec(text) ?? [];
    if (id === undefined || rest === undefined) {
      this.sayAsDocker(text);
      return;
    }
    // A bare digest of the step, from clients before 23; and the mark that other steps' lines stand between.
    if (/^sha256:[0-9a-f]{64}$/.test(rest) || rest === '...') return;
    const known = this.steps.get(id);
    this.enter(id, rest);
    if (!known || rest === known.title) return;
    if (/^ERROR: (?!.*context canceled)/.test(rest)) this.current!.failed = true;
    this.say(rest);
  }

  /** Goes on with a step. The output of steps that run side by side comes in turns, each in a group of its own. */
  private enter(id: string, title: string): void {
    const step = this.steps.get(id) ?? { title, lines: [], failed: false };
    if (step === this.current) return;
    this.end();
    this.log.startGroup(this.steps.has(id) ? `${step.title} (continued)` : step.title);
    this.groupIsOpen = true;
    this.steps.set(id, step);
    this.current = step;
  }

  private say(text: string): void {
    this.log.info(text);
    const lines = this.current?.lines;
    // The legacy builder's words about its containers and layers.
    if (!lines || /^ ---> |^Removing intermediate container /.test(text)) return;
    lines.push(text);
    if (lines.length > KEPT_LINES) lines.shift();
  }

  private sayAsDocker(text: string): void {
    this.end();
    this.log.info(text);
    // At the end, buildx repeats what the failing command printed, with the seconds at which it did.
    if (/^\d+\.\d+ /.test(text)) return;
    this.dockerWords.push(text);
    if (this.dockerWords.length > 4 * KEPT_LINES) this.dockerWords.shift();
  }
}
