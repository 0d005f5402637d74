import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A build context with a bit of everything that a file system has. */
export function writeContext(root: string): void {
  const file = (path: string, text: string, mode = 0o644) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    chmodSync(join(root, path), mode);
  };
  file('model.pkl', 'a model');
  file('app.py', 'print(1)\n', 0o755);
  file('requirements.txt', 'numpy\n', 0o600);
  file('conf/base.yaml', 'a: 1\n');
  file('conf/extra.yaml', 'b: 2\n', 0o640);
  file('conf/deep/er/x.json', '{}');
  file('src/main.py', 'main\n');
  file('src/util/__init__.py', '');
  file('src/util/tool.sh', '#!/bin/sh\n', 0o755);
  file('src/util/.hidden', 'h');
  file('ümläut/größe.txt', 'ü');
  file('names/a b.txt', 'space');
  file('names/star[1].txt', 'bracket');
  file('big.bin', 'x'.repeat(9 * 1024 * 1024));
  file(`long/${'d'.repeat(60)}/${'e'.repeat(60)}/${'f'.repeat(80)}.txt`, 'long');
  file('.env', 'SECRET=1');
  mkdirSync(join(root, 'empty'));
  chmodSync(join(root, 'empty'), 0o700);
  chmodSync(join(root, 'conf/deep'), 0o750);
  symlinkSync('base.yaml', join(root, 'conf/link.yaml'));
  symlinkSync('../model.pkl', join(root, 'conf/up'));
  symlinkSync('/nowhere', join(root, 'src/dangling'));
  symlinkSync('model.pkl', join(root, 'latest'));
  symlinkSync('conf', join(root, 'settings'));
  mkdirSync(join(root, 'hard'));
  writeFileSync(join(root, 'hard/one'), 'same');
  linkSync(join(root, 'hard/one'), join(root, 'hard/two'));
  mkdirSync(join(root, 'sticky'));
  chmodSync(join(root, 'sticky'), 0o1777);
  file('sticky/inner', 'i');
  file('special/setuid', 's', 0o4755);
  file('special/setgid', 's', 0o2755);
}

/** What the base image is built of. */
export function writeBaseContext(root: string): void {
  const file = (path: string, text: string) => {
    mkdirSync(dirname(join(root, 'files', path)), { recursive: true });
    writeFileSync(join(root, 'files', path), text);
  };
  file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:2000:App:/home/app:/bin/sh\n');
  file('etc/group', 'root:x:0:\nstaff:x:50:\napp:x:2000:\n');
  file('usr/lib/libx.so', 'x');
  file('opt/tool/bin/run', 'run');
  file('opt/tool/gone', 'gone');
  file('run/keep', '');
  mkdirSync(join(root, 'files/tmp'));
  chmodSync(join(root, 'files/tmp'), 0o1777);
  mkdirSync(join(root, 'files/root'));
  chmodSync(join(root, 'files/root'), 0o700);
  mkdirSync(join(root, 'files/var'));
  symlinkSync('usr/lib', join(root, 'files/lib'));
  symlinkSync('/run', join(root, 'files/var/run'));
  mkdirSync(join(root, 'home/app'), { recursive: true });
  writeFileSync(join(root, 'home/app/.profile'), 'p');
  writeFileSync(
    join(root, 'Dockerfile'),
    [
      'FROM scratch',
      'COPY files /',
      'COPY --chown=1000:2000 home/app /home/app/',
      'ENV PATH=/opt/tool/bin:/bin LANG=C',
      'LABEL base=yes kept=1',
      'EXPOSE 9000',
      'VOLUME /data',
      'WORKDIR /srv/app',
      'ENTRYPOINT ["/opt/tool/bin/run"]',
      'CMD ["--help"]',
      'STOPSIGNAL SIGINT',
    ].join('\n'),
  );
}

const FOLDERS = [
  '',
  'src',
  'src/app',
  'src/app/deep',
  'docs',
  'docs/img',
  'build',
  '.git',
  'a',
  'a/b',
  'a/b/c',
  'A',
];
const NAMES = [
  'a',
  'b',
  'c',
  'ab',
  'abc',
  'a.py',
  'b.py',
  'a.txt',
  'b.pyc',
  '.env',
  'README.md',
  'x-1',
  'x_2',
  'a+b',
  'z.tar.gz',
];

/** How many files `writeIgnoreContext` writes at least. */
export const IGNORE_FILES = FOLDERS.length * (NAMES.length - 3);

/** Nearly two hundred files for patterns to match. */
export function writeIgnoreContext(root: string): void {
  for (const folder of FOLDERS) {
    mkdirSync(join(root, folder), { recursive: true });
    for (const name of NAMES) {
      if (!FOLDERS.includes(folder ? `${folder}/${name}` : name))
        writeFileSync(join(root, folder, name), name);
    }
  }
}
