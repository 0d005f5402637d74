// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of Dockerfiles.
/** A Dockerfile to be built by docker and directly, over the context of `writeContext`. */
export interface BuildCase {
  readonly title: string;
  readonly recipe: string;
  readonly arguments?: Readonly<Record<string, string>>;
  readonly target?: string;
  /** The builder that the case is for; where docker's two builders differ, BuildKit is followed. */
  readonly only?: 'buildkit' | 'legacy';
}

type Extras = Omit<BuildCase, 'title' | 'recipe'>;

export function writtenCases(base: string): BuildCase[] {
  const cases: BuildCase[] = [];
  const onNothing = (title: string, lines: string[], extras: Extras = {}) =>
    cases.push({ title, recipe: ['FROM scratch', ...lines, ''].join('\n'), ...extras });
  const onBase = (title: string, lines: string[], extras: Extras = {}) =>
    cases.push({
      title: `${title}, on a base`,
      recipe: [`FROM ${base}`, ...lines, ''].join('\n'),
      ...extras,
    });
  const whole = (title: string, recipe: string, extras: Extras = {}) =>
    cases.push({ title, recipe, ...extras });
  const onBuildKit: Extras = { only: 'buildkit' };

  onNothing('a file to a new name', ['COPY model.pkl /opt/model/model.pkl']);
  onNothing('a file into a folder', ['COPY model.pkl /opt/model/']);
  onNothing('a file to the root', ['COPY model.pkl /']);
  onNothing('several files', ['COPY model.pkl app.py requirements.txt /app/']);
  onNothing('a folder', ['COPY conf /etc/app']);
  onNothing('a folder into a folder', ['COPY conf /etc/app/']);
  onNothing('a folder with a slash', ['COPY conf/ /etc/app/']);
  onNothing('an empty folder', ['COPY empty /x/empty']);
  onNothing('two folders into one', ['COPY conf src /both/']);
  onNothing('all', ['COPY . /all/']);
  onNothing('all to the root', ['COPY . /']);
  onNothing('all by another name', ['COPY ./ /all', 'COPY / /again']);
  onNothing('a path with dots', ['COPY ./conf/../model.pkl /m']);
  onNothing('files by a pattern', ['COPY *.txt *.py /p/']);
  onNothing('files by a pattern below', ['COPY conf/*.yaml /p/']);
  onNothing('folders by a pattern', ['COPY s* /p/']);
  onNothing('a pattern for folders and files', ['COPY c*/b* /p/']);
  onNothing('a question mark and a set', ['COPY [mr]*.??? app.[a-p]y /p/', 'COPY src/ut?l /q/']);
  onNothing('an escaped pattern', ['COPY names/star[[]1].txt /p/']);
  onNothing('names with spaces', ['COPY ["names/a b.txt", "/x y/"]']);
  onNothing('names beyond ASCII', ['COPY ümläut /ü/']);
  onNothing('long names', ['COPY long /l/']);
  onNothing('a link to a file', ['COPY latest /m/']);
  onNothing('a link to a folder', ['COPY settings /s/']);
  onNothing('a path through a link', ['COPY settings/deep /s/'], { only: 'legacy' });
  onNothing('a folder with links', ['COPY src /s/']);
  onNothing('hard links', ['COPY hard /h/']);
  onNothing('hard links one by one', ['COPY hard/one hard/two /h/']);
  onNothing('set-id files', ['COPY special /s/'], onBuildKit);
  onNothing('a sticky folder', ['COPY sticky /s/a', 'COPY . /t/']);
  onNothing('a large file', ['COPY big.bin model.pkl /b/']);
  onNothing('a file over a file', ['COPY model.pkl /a', 'COPY app.py /a']);
  onNothing('a file into a folder that is there', ['COPY conf /a', 'COPY model.pkl /a']);
  onNothing('a folder onto a folder', ['COPY conf /a', 'COPY src /a', 'COPY --chown=3:4 conf /a/']);
  onNothing('a folder over a folder within', ['COPY --chown=1:2 . /a', 'COPY conf /a/conf', 'COPY src /a']);
  onNothing('a file over a link', ['COPY src /s', 'COPY model.pkl /s/dangling']);
  onNothing('a file through a link', ['COPY conf /c', 'COPY app.py /c/link.yaml']);
  onNothing('numbers for an owner', ['COPY --chown=5:6 conf /a', 'COPY --chown=7 model.pkl /b/c']);
  onNothing(
    'root by name for an owner',
    ['COPY --chown=root:root conf /a', 'COPY --chown=5:root conf /b'],
    onBuildKit,
  );
  onNothing('the owner in a variable', ['ARG ID=9', 'COPY --chown=$ID:${ID}1 conf /a']);
  onNothing('permissions', ['COPY --chmod=640 model.pkl /m', 'COPY --chmod=0755 conf /c'], onBuildKit);
  onNothing('a relative destination', [
    'WORKDIR /w',
    'COPY model.pkl .',
    'COPY conf ./conf',
    'COPY app.py x/',
  ]);
  onNothing('many sources to where one is', ['WORKDIR /w', 'COPY app.py model.pkl .'], onBuildKit);
  onNothing('a source above the context', ['COPY ../model.pkl /m'], onBuildKit);
  onNothing('a pattern for nothing', ['COPY nothing* /m'], onBuildKit);
  onNothing('ADD of plain files', ['ADD model.pkl conf /a/']);
  onNothing('working folders', ['WORKDIR /a/b', 'WORKDIR c', 'WORKDIR ../d/', 'WORKDIR /a']);
  onNothing('a working folder in variables', ['ENV D=/x', 'WORKDIR $D/${E:-y}']);
  onNothing("a user's working folder", ['USER 5:6', 'WORKDIR /home/x'], onBuildKit);
  onNothing('a user', ['USER app:staff', 'USER 1000']);
  onNothing('variables', ['ENV A=1 B="two words" C=it\\ is D=\'$A\' E="$A" F=${A}x']);
  onNothing('variables seen as before', ['ENV A=1', 'ENV A=2 B=$A', 'ENV C=$A']);
  onNothing('old variables', ['ENV A one two', 'ENV B  "quoted"  text']);
  onNothing('substitutions', [
    'ENV S=set N=',
    'ENV A=${S:-d} B=${N:-d} C=${U:-d} D=${S:+a} E=${N:+a} F=${U:+a} G=${U:-${S}x} H=$S$N$U.',
  ]);
  onNothing('escapes', ['ENV A=\\$A B="\\$B" C="\\"" D=a\\\\b E="a\\b" F=\'a\\b\' G=$']);
  onNothing('labels', ['LABEL a=1 "b c"="d e" f.g=h\\ i', 'LABEL a=2', 'LABEL j k l']);
  onNothing('a label over lines', ['LABEL a="one \\', '  two" \\', '# no', '', '  b=3']);
  onNothing('ports', ['EXPOSE 80 443/tcp 53/UDP', 'ARG P=8080', 'EXPOSE $P 9000-9003']);
  onNothing('volumes', ['VOLUME /a /b', 'VOLUME ["/c d"]', 'ENV V=/e', 'VOLUME $V']);
  onNothing('a command', ['CMD run  it "now" $HOME']);
  onNothing('a list as a command', ['CMD ["run", "$HOME"]']);
  onNothing('no list', ["CMD ['run']"]);
  onNothing('an entry point', ['ENTRYPOINT exec run', 'CMD ["a"]']);
  onNothing('an entry point after a command', ['CMD ["a"]', 'ENTRYPOINT ["b"]']);
  onNothing('another shell', ['SHELL ["/bin/bash", "-ec"]', 'CMD run', 'ENTRYPOINT go']);
  onNothing('a health check', [
    'HEALTHCHECK --interval=1m30s --timeout=2.5s --start-period=10s --retries=4 CMD curl x',
  ]);
  onNothing('a health check as a list', ['HEALTHCHECK CMD ["curl", "x"]']);
  onNothing('no health check', ['HEALTHCHECK NONE']);
  onNothing('a stop signal', ['ARG S=TERM', 'STOPSIGNAL SIG$S']);
  onNothing('a maintainer', ['MAINTAINER me']);
  onNothing('small letters', ['copy model.pkl /m', 'env A=1', 'cmd ["x"]']);
  onNothing('continued lines', [
    'COPY model.pkl \\',
    '   app.py \\',
    '  # comment',
    '   /a/',
    'ENV A=1 \\',
    '  B=2',
  ]);
  onNothing('arguments', ['ARG A=1', 'ARG B', 'ARG C=3', 'LABEL a=$A b=$B c=${C}x'], {
    arguments: { B: 'given', C: 'other' },
  });
  onNothing('an argument of an argument', ['ARG A=1', 'ARG B=${A}2', 'LABEL b=$B']);
  onNothing('an argument that is not declared', ['LABEL a=$A'], { arguments: { A: '1' } });
  onNothing('a variable over an argument', ['ARG A=1', 'ENV A=2', 'LABEL a=$A'], { arguments: { A: '3' } });
  whole(
    'tabs, empty lines and comments',
    '# a comment\n\n\tFROM scratch\n   # another\n\tCOPY\tmodel.pkl\t/m\n\n',
  );
  whole('line ends of Windows', 'FROM scratch\r\nCOPY model.pkl /m\r\nENV A=1 \\\r\n B=2\r\n');
  whole('the escape directive', '# escape=`\nFROM scratch\nENV A=1 `\n  B=c:\\d C=`$A\nLABEL x="a`"b"\n');
  whole('a directive too late', '# comment\n# escape=`\nFROM scratch\nENV A=1 \\\n  B=2\n');
  whole('an argument before FROM', 'ARG IMG=scratch\nARG V=1\nFROM ${IMG}\nARG V\nLABEL v=$V w=$IMG\n');
  whole('an argument before FROM that is given', 'ARG V=1\nFROM scratch\nARG V=5\nLABEL v=$V\n', {
    arguments: { V: '7' },
  });
  whole(
    'two stages',
    'FROM scratch AS one\nWORKDIR /w\nCOPY conf /c\nENV A=1\nFROM scratch\nCOPY --from=one /c /d\n',
  );
  whole(
    'stages by number',
    'FROM scratch\nCOPY conf /c\nFROM scratch\nCOPY --from=0 /c/*.yaml /c/deep /d/\n',
  );
  whole(
    'a stage on a stage',
    'FROM scratch AS one\nCOPY conf /c\nENV A=1\nCMD x\nFROM one\nCOPY app.py /c\nENV B=$A\n',
  );
  whole(
    'owners kept from a stage',
    'FROM scratch AS a\nCOPY --chown=3:4 conf /c\nFROM scratch\nCOPY --from=a /c /d\nCOPY --from=a /c/deep/er/x.json /e/f/x\n',
  );
  whole(
    'owners not kept from a stage',
    'FROM scratch AS a\nCOPY --chown=3:4 conf /c\nFROM scratch\nCOPY --from=a --chown=5:6 /c /d/e\n',
  );
  whole(
    'a target',
    'FROM scratch AS one\nCOPY conf /c\nFROM scratch AS Two\nCOPY src /s\nFROM one\nCMD x\n',
    {
      target: 'two',
    },
  );
  whole(
    'a stage that nobody needs',
    'FROM scratch AS no\nRUN false\nFROM scratch\nCOPY model.pkl /m\n',
    onBuildKit,
  );
  whole(
    'a platform',
    'FROM --platform=$BUILDPLATFORM scratch\nARG TARGETARCH\nLABEL a=$TARGETARCH\n',
    onBuildKit,
  );

  onBase('nothing', []);
  onBase('a file to a folder that is there', [
    'COPY model.pkl /tmp',
    'COPY model.pkl /tmp/x/',
    'COPY app.py /root/',
  ]);
  onBase('a file to a new folder', ['COPY model.pkl /opt/model/']);
  onBase('a file through a link', [
    'COPY model.pkl /lib/',
    'COPY app.py /var/run/app/',
    'COPY conf /var/run',
  ]);
  onBase('a file over a file', ['COPY model.pkl /opt/tool/gone', 'COPY app.py /opt/tool/bin/run']);
  onBase('a folder over a folder', ['COPY conf /home/app', 'COPY --chown=app src /home/app/src']);
  onBase('owners by name', [
    'COPY --chown=app:staff conf /a',
    'COPY --chown=app:7 model.pkl /b',
    'COPY --chown=0:app model.pkl /c',
  ]);
  onBase('a relative destination', ['COPY model.pkl .', 'COPY conf conf/', 'WORKDIR sub', 'COPY app.py ./']);
  onBase('a working folder that is there', ['WORKDIR /home/app', 'COPY model.pkl .', 'WORKDIR /srv/app']);
  onBase('a working folder through a link', ['WORKDIR /var/run/x', 'COPY model.pkl .']);
  onBase("a user's working folder", ['USER app', 'WORKDIR /work/x'], onBuildKit);
  onBase('a command', ['CMD ["x"]']);
  onBase('an entry point', ['ENTRYPOINT ["x"]']);
  onBase('variables', ['ENV PATH=/x:$PATH NEW=1', 'LABEL kept=2 new=$LANG', 'EXPOSE 9001', 'VOLUME /more']);
  onBase('its working folder and user again', [
    'WORKDIR /srv/app',
    'USER app',
    'STOPSIGNAL 9',
    'HEALTHCHECK NONE',
  ]);
  return cases;
}

/** Random numbers that are the same in every run. */
function generator(seed: number): (below: number) => number {
  // Neighbouring seeds must not begin alike.
  let state = Math.imul(seed, 0x9e3779b1) >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** `.dockerignore` files put together by chance. */
export function ignoreFiles(count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const random = generator(1_000 + index);
    const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
    const part = () =>
      pick([
        'a',
        'b',
        'c',
        'src',
        'app',
        'deep',
        'docs',
        '*',
        '**',
        'a*',
        '*.py',
        '?',
        '[a-b]',
        '*.py?',
        '.*',
        'a+b',
        'x?1',
        '[^a]',
        '**b',
        'a\\b',
        'x[_1]?',
        'A',
      ]);
    const pattern = () => {
      const parts = Array.from({ length: 1 + random(3) }, part).join('/');
      return `${pick(['', '', '', '/', './', '!', '!', '! '])}${parts}${pick(['', '', '', '/', '/**'])}`;
    };
    const lines = Array.from({ length: 1 + random(5) }, pattern);
    if (random(6) === 0) lines.unshift('*');
    if (random(6) === 0) lines.push('# a comment', '', '  docs  ');
    return lines.join(pick(['\n', '\n', '\r\n']));
  });
}
