// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of Dockerfiles.
import type { BuildCase } from './build-cases';
import { Choices } from './random';

const NAMES = ['A', 'B', 'D', 'PATH', 'LANG', 'VERSION'];

const SOURCES = [
  ...[
    'model.pkl',
    'app.py',
    'conf',
    'src',
    'src/util',
    'empty',
    'hard',
    'latest',
    'settings',
    '.',
    './conf/',
    '/',
  ],
  ...['conf/*', '*.txt', 's*', 'hard/*', 'c*/d*', 'nothing*', 'special', 'sticky', 'names', '[ac]*'],
  ...['../model.pkl', 'conf/deep/../base.yaml', '${B:-model.pkl}'],
];

/** Patterns in a folder for which there may be nothing. */
const IDLE_SOURCES = [
  ...['conf/*.none', 'conf/deep/*.none', 'none/*', 'app.py/*', 'latest/*', 'settings/*.none', 'conf/*/none'],
  ...['src/*/none', 'empty/*', 'src/dangling/*'],
];

/** What more often than not can't be copied. */
const ODD_SOURCES = ['src/dangling', 'missing', '"names/a b.txt"', '$A', 'conf\\*'];

const PLACES = [
  ...['/a', '/a/', '/b/a', '/b/a/', '/c/', './', 'rel/', '/opt/tool/', '/tmp/', '/lib/', '/new/.'],
  ...['/var/run/', '/home/app/', '/data/z/', '/setgid/', '/setgid/d/e/', '/w/'],
];

const ODD_PLACES = [
  ...[
    '.',
    'rel',
    '/opt/tool/bin/run',
    '/tmp',
    '/lib/x',
    '/var/run/y',
    '/s/dangling',
    '/home/app',
    '$D/',
    '${D}x',
    '/',
  ],
];

/** A Dockerfile put together by chance; what it has is decided by its seed alone. */
export class DockerfileGrammar {
  private readonly random: Choices;
  private readonly escape: string;
  private stages = 0;

  constructor(
    private readonly seed: number,
    private readonly base: string,
    private readonly withCommands: boolean,
  ) {
    this.random = new Choices(seed);
    this.escape = this.random.once(12) ? '`' : '\\';
  }

  make(): BuildCase {
    const { random } = this;
    const globals = random.several(
      0,
      2,
      () => `ARG ${this.name()}${random.once(3) ? '' : `=${this.value()}`}`,
    );
    const stages = random.several(1, 3, () => this.stage());
    const given = random.several(
      0,
      2,
      () => [this.name(), random.of(['given', '', '/given', 'a b'])] as const,
    );
    const lines = [
      ...(this.escape === '`' ? ['# escape=`'] : []),
      ...globals.filter((line) => !/PATH/.test(line)),
      ...stages.flat(),
    ];
    const recipe = `${lines.join(random.once(10) ? '\r\n' : '\n')}\n`;
    const isForStage = this.stages > 1 && random.once(8);
    return {
      title: `seed ${this.seed}`,
      recipe,
      arguments: Object.fromEntries(given),
      ...(isForStage && { target: `s${random.below(this.stages)}` }),
    };
  }

  private stage(): string[] {
    const { random } = this;
    const index = this.stages++;
    const below = index > 0 && random.once(3) ? `s${random.below(index)}` : undefined;
    const platform = random.once(15)
      ? `--platform=${random.of(['linux/amd64', '$BUILDPLATFORM', 'linux/x86_64'])} `
      : '';
    const from = below ?? random.of(this.withCommands ? [this.base] : [this.base, 'scratch']);
    const lines = random.several(2, 9, () => this.line(index));
    if (this.withCommands && random.once(2)) lines.splice(random.below(lines.length), 0, this.command());
    return [`FROM ${platform}${from} AS s${index}`, ...lines];
  }

  private line(stage: number): string {
    const { random } = this;
    const text = this.instruction(stage);
    if (random.once(20)) return `# a comment\n\n${text}`;
    const at = text.indexOf(' ', 5);
    return random.once(15) && at > 0 && !text.includes('<<')
      ? `${text.slice(0, at)} ${this.escape}\n  # within\n ${text.slice(at)}`
      : text;
  }

  private instruction(stage: number): string {
    const { random } = this;
    switch (random.below(20)) {
      case 0:
      case 1:
        return `ENV ${random.several(1, 2, () => `${this.name()}=${this.value()}`).join(' ')}`;
      case 2:
      case 3:
        return `ARG ${random.several(1, 2, () => `${this.name()}${random.once(3) ? '' : `=${this.value()}`}`).join(' ')}`;
      case 4:
      case 5:
        return `LABEL ${random.of(['l', 'm', '"n o"', '$A.x'])}=${this.value()}`;
      case 6:
        return `WORKDIR ${random.of(['/w', 'sub', '/w/x/', '..', '/a', '$D', '/lib/w', '/', '/setgid/w', '.'])}`;
      case 7:
        return random.of([
          'CMD ["x", "$A"]',
          'CMD run $A',
          'ENTRYPOINT ["e"]',
          'ENTRYPOINT run it',
          'CMD []',
          'ENTRYPOINT []',
        ]);
      case 8:
        return random.of([
          ...[
            'EXPOSE 80',
            'EXPOSE 90/udp 91-93',
            'EXPOSE 8080:81',
            'EXPOSE 127.0.0.1:80:82/tcp',
            'EXPOSE $A 5',
            'EXPOSE 0',
          ],
          ...[
            'VOLUME /v',
            'VOLUME ["/v w", "/x"]',
            'VOLUME $D',
            'STOPSIGNAL SIGHUP',
            'STOPSIGNAL rtmin+3',
            'STOPSIGNAL 9',
          ],
          ...['MAINTAINER me <m@x>', 'SHELL ["/bin/sh", "-ec"]', 'HEALTHCHECK NONE'],
          ...['HEALTHCHECK --interval=1m30s --retries=2 CMD x', 'HEALTHCHECK --timeout=.5s CMD ["x"]'],
        ]);
      case 9:
        return `USER ${random.of(['app', '5:6', '1000', 'root', 'app:staff', 'nobody'])}`;
      case 10:
        return this.document();
      default:
        return this.copy(stage);
    }
  }

  private copy(stage: number): string {
    const { random } = this;
    const isAdd = random.once(5);
    const flags = [
      random.once(4) &&
        `--chown=${random.of(['3', '4:5', 'app', 'app:staff', 'root:root', '0:app', 'nouser', '7:', '5:nogroup'])}`,
      random.once(5) &&
        `--chmod=${random.of(['644', '0755', '4755', '2750', '1777', '0', '777', 'u+x', 'a=rX', 'go-w', 'u=rwx,go=u-w', '+t', 'g+s'])}`,
      random.once(8) && random.of(['--link', '--link', '--link=false']),
      random.once(10) && `--exclude=${random.of(['*.yaml', 'deep', '**/x.json', '!conf', 'b*', 'util/.*'])}`,
      !isAdd && random.once(12) && '--parents',
      !isAdd &&
        stage > 0 &&
        random.once(2) &&
        `--from=${random.of([`s${random.below(stage)}`, `${random.below(stage)}`])}`,
    ].filter(Boolean);
    const isFrom = flags.some((flag) => String(flag).startsWith('--from'));
    const sources = random.several(1, random.once(4) ? 3 : 1, () =>
      isFrom
        ? random.of([
            '/a',
            '/a/*',
            '/opt/tool',
            '/',
            '/etc/passwd',
            '/lib',
            '/w',
            '/c',
            '/s',
            '/none',
            '/rel*',
            '/none/*',
            '/etc/*.none',
          ])
        : this.source(),
    );
    return `${isAdd ? 'ADD' : 'COPY'} ${[...flags, ...sources, this.place()].join(' ')}`;
  }

  private document(): string {
    const { random } = this;
    const name = random.of(['EOF', '"EOF"', 'a.txt', "'b'"]);
    const end = name.replace(/["']/g, '');
    const flags = random.of(['', '', '--chown=3:4 ', '--chmod=600 ']);
    const dash = random.of(['', '', '-']);
    return [`COPY ${flags}<<${dash}${name} ${this.place()}`, 'say "$A" \\$B', '\tFROM x', end].join('\n');
  }

  private command(): string {
    return this.random.of([
      'RUN echo 1 > /made',
      'RUN mkdir -p /a/b && echo x > /a/b/x',
      'RUN ln -s /opt /c',
      'RUN rm -rf /a /tmp; mkdir -p /w',
      'RUN mkdir -p /setgid && chmod 2775 /setgid',
      'RUN mkdir -p /s && ln -s /nowhere /s/dangling',
      'RUN ["/bin/sh", "-c", "echo $A > /second"]',
      'RUN <<EOF\necho FROM x > /third\nEOF',
    ]);
  }

  private source(): string {
    if (this.random.once(15)) return this.random.of(ODD_SOURCES);
    return this.random.of(this.random.once(12) ? IDLE_SOURCES : SOURCES);
  }

  private place(): string {
    return this.random.once(4) ? this.random.of(ODD_PLACES) : this.random.of(PLACES);
  }

  private name(): string {
    return this.random.of(NAMES);
  }

  private value(): string {
    const { random, escape: mark } = this;
    return random.of([
      ...[
        '1',
        '"two words"',
        "'$A'",
        '$A',
        '${A:-d}',
        '${B:+x}y',
        `a${mark} b`,
        '"$B-$A"',
        '$$A',
        `"${mark}"q${mark}""`,
      ],
      ...[
        '/x',
        '/var/run',
        '/a',
        '${LANG}',
        '${D-/d}',
        '${A#/}',
        '${PATH##*/}',
        '${A%x}',
        '${PATH/bin/lib}',
        '${A//a/b}',
      ],
      ...['${UNSET}', '"${A:-"q"}"', "${B:-'s'}", '', 'model.pkl'],
    ]);
  }
}

/** @param withCommands whether lines run commands, which only an engine can */
export function generatedDockerfile(seed: number, base: string, withCommands: boolean): BuildCase {
  return new DockerfileGrammar(seed, base, withCommands).make();
}
