import { isIP } from 'node:net';
import { posix } from 'node:path';
import { type Command, flagOf, type Instruction, mistake } from '../../dockerfile/instructions';
import type { ContainerSettings, ImageConfig } from '../../image/image';

/** The settings of a container while a Dockerfile changes them. */
export interface Settings {
  user: string;
  env: string[];
  entrypoint: readonly string[] | undefined;
  cmd: readonly string[] | undefined;
  workdir: string;
  ports: Set<string>;
  volumes: Set<string>;
  readonly labels: Map<string, string>;
  stopSignal: string | undefined;
  healthcheck: object | undefined;
  shell: readonly string[] | undefined;
  author: string | undefined;
  /** What else the base image has set. */
  readonly rest: Readonly<Record<string, unknown>>;
}

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const DEFAULT_SHELL = ['/bin/sh', '-c'];

/** What a stage begins with. Marks of the container that once made the base image are left behind. */
export function initialSettings(base: ImageConfig | undefined): Settings {
  const config = base?.config ?? {};
  const env = [...(config.Env ?? [])];
  if (!env.some((variable) => variable.startsWith('PATH='))) env.push(DEFAULT_PATH);
  return {
    user: config.User ?? '',
    env,
    entrypoint: config.Entrypoint,
    cmd: config.Cmd,
    workdir: config.WorkingDir ?? (base ? '' : '/'),
    ports: new Set(Object.keys(config.ExposedPorts ?? {})),
    volumes: new Set(Object.keys(config.Volumes ?? {})),
    labels: new Map(Object.entries(config.Labels ?? {})),
    stopSignal: config.StopSignal,
    healthcheck: config.Healthcheck,
    shell: config.Shell,
    author: base?.author,
    rest: config.StopTimeout === undefined ? {} : { StopTimeout: config.StopTimeout },
  };
}

/** Settings to go on with, which leave those of the stage below as they are. */
export function copySettings(settings: Settings): Settings {
  return {
    ...settings,
    env: [...settings.env],
    ports: new Set(settings.ports),
    volumes: new Set(settings.volumes),
    labels: new Map(settings.labels),
  };
}

/** Sets a variable of an environment, in its place where it is there. */
export function setVariable(env: string[], name: string, value: string): void {
  const at = env.findIndex((variable) => variable.startsWith(`${name}=`));
  if (at < 0) env.push(`${name}=${value}`);
  else env[at] = `${name}=${value}`;
}

/** The value of a variable in an environment; undefined where it is not set. */
export function variableIn(env: readonly string[], name: string): string | undefined {
  return env.find((variable) => variable.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** The words of a command; the shell form is handed to the shell. */
export function commandWords(command: Command, settings: Settings): readonly string[] {
  return command.form === 'exec' ? command.words : [...(settings.shell ?? DEFAULT_SHELL), command.text];
}

/** Where `WORKDIR` leads to from where one is. A path from the root on stays as it is written. */
export function resolveWorkdir(current: string, path: string): string {
  return path.startsWith('/') ? path : posix.join('/', current, path);
}

/** All ports of the three protocols. */
const MOST_PORTS = 3 * 65_536;

/**
 * The ports that `EXPOSE` names, such as `80`, `90-92/udp` or `8080:80`, of which docker takes the one of the container.
 */
export function parsePorts(words: readonly string[], line: number): string[] {
  let count = 0;
  return words.flatMap((word) => {
    const [, address, host, own = '', protocol = 'tcp'] =
      /^(?:(?:([^/]*):)?([^:/]*):)?([^:/]*)(?:\/(tcp|udp|sctp|))?$/i.exec(word) ?? [];
    const ports = portRange(own);
    const hostPorts = host ? portRange(host) : undefined;
    const isOdd =
      (address && !isIP(address.replace(/^\[(.*)\]$/, '$1'))) ||
      (host && !hostPorts) ||
      (hostPorts && ports && ports.length > 1 && hostPorts.length !== ports.length);
    if (!ports || isOdd) throw mistake(line, `'${word}' is no port`);
    count += ports.length;
    if (count > MOST_PORTS) throw mistake(line, 'EXPOSE names more ports than there are');
    return ports.map((port) => `${port}/${protocol.toLowerCase() || 'tcp'}`);
  });
}

/** The ports from one to another; undefined for what are none. */
function portRange(text: string): number[] | undefined {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const [start, end] = [Number(first), Number(last)];
  if (first === undefined || start > end || end > 65_535) return undefined;
  return Array.from({ length: end - start + 1 }, (_, at) => start + at);
}

const SIGNALS = new Set(
  'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU UNUSED URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX'.split(
    ' ',
  ),
);

/** Whether a signal is one of Linux, by its number or its name. */
export function isSignal(text: string): boolean {
  if (/^-?\d+$/.test(text)) return Number(text) !== 0;
  const name = text.toUpperCase().replace(/^SIG/, '');
  return SIGNALS.has(name) || /^RTMIN\+(?:[1-9]|1[0-5])$|^RTMAX-(?:[1-9]|1[0-4])$/.test(name);
}

type Healthcheck = Extract<Instruction, { keyword: 'HEALTHCHECK' }>;

/** A `HEALTHCHECK` as a configuration has it. */
export function healthcheckOf(instruction: Healthcheck): object {
  const { command, line } = instruction;
  if (!command) return { Test: ['NONE'] };
  const duration = (flag: string) => durationOf(flagOf(instruction, flag), flag, line);
  const written = flagOf(instruction, 'retries') || '0';
  const retries = Number(written);
  if (!/^[-+]?\d+$/.test(written) || retries < 0) throw mistake(line, '--retries needs a whole number');
  const check = {
    Test: command.form === 'exec' ? ['CMD', ...command.words] : ['CMD-SHELL', command.text],
    Interval: duration('interval'),
    Timeout: duration('timeout'),
    StartPeriod: duration('start-period'),
    StartInterval: duration('start-interval'),
    Retries: retries,
  };
  return Object.fromEntries(Object.entries(check).filter(([, value]) => value !== 0));
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Nanoseconds, from the way Go writes durations: `1m30s`, `500ms`. */
function durationOf(text: string | undefined, flag: string, line: number): number {
  if (!text || /^[-+]?0$/.test(text)) return 0;
  if (!/^\+?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(text)) {
    throw mistake(line, `--${flag}=${text} is no duration, such as 30s or 1m30s`);
  }
  const parts = [...text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)];
  const total = parts.reduce((sum, [, value, unit]) => sum + Number(value) * UNITS[unit!]!, 0);
  if (total !== 0 && total < 1e6) throw mistake(line, `--${flag} must be 1ms at least`);
  return Math.round(total);
}

/** The settings as a configuration has them, in the order of docker's own. */
export function toContainerSettings(settings: Settings): ContainerSettings {
  const { user, env, entrypoint, cmd, workdir, ports, volumes, labels } = settings;
  return {
    ...(user && { User: user }),
    ...(ports.size && { ExposedPorts: asKeys([...ports]) }),
    Env: env,
    ...(entrypoint && { Entrypoint: entrypoint }),
    ...(cmd && { Cmd: cmd }),
    ...(volumes.size && { Volumes: asKeys([...volumes]) }),
    ...(workdir && { WorkingDir: workdir }),
    ...(labels.size && { Labels: sorted(labels) }),
    ...(settings.stopSignal && { StopSignal: settings.stopSignal }),
    ...(settings.healthcheck && { Healthcheck: settings.healthcheck }),
    ...(settings.shell && { Shell: settings.shell }),
    ...settings.rest,
  };
}

function asKeys(names: string[]): Record<string, object> {
  return Object.fromEntries(names.sort().map((name) => [name, {}]));
}

function sorted(labels: ReadonlyMap<string, string>): Record<string, string> {
  return Object.fromEntries([...labels].sort(([a], [b]) => (a < b ? -1 : 1)));
}
