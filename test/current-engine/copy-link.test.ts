import type { BuildCase } from '../support/build-cases';
import { useBothBuilders } from '../support/compare-builds';
import { skip } from '../support/skip';

/** Dockerfiles over the context of `writeContext` and the base image of `writeBaseContext`. */
const RECIPES: Readonly<Record<string, readonly string[]>> = {
  'a file to a new name': ['COPY --link model.pkl /opt/model/model.pkl'],
  'a file into a folder': ['COPY --link model.pkl /opt/model/'],
  'a file to the root': ['COPY --link model.pkl /'],
  'several files': ['COPY --link model.pkl app.py /app/'],
  'a folder': ['COPY --link conf /etc/app'],
  all: ['COPY --link . /all/'],
  'all to the root': ['COPY --link . /'],
  'a pattern': ['COPY --link *.txt *.py /p/'],
  'into a folder of the base': ['COPY --link model.pkl /opt/tool/'],
  'over a file of the base': ['COPY --link model.pkl /opt/tool/bin/run'],
  'over a folder of the base': ['COPY --link model.pkl /opt/tool'],
  'a folder over one of the base': ['COPY --link conf /opt/tool'],
  'a folder of its own rights in the base': [
    'COPY --link model.pkl /root/model.pkl',
    'COPY --link app.py /tmp/',
  ],
  'through a link of the base': ['COPY --link model.pkl /lib/model.pkl', 'COPY --link app.py /var/run/'],
  'a large file': ['COPY --link big.bin model.pkl /b/'],
  'numbers for an owner': ['COPY --link --chown=5:6 conf /a', 'COPY --link --chown=7 model.pkl /b/c'],
  'names for an owner': ['COPY --link --chown=app:staff model.pkl /a'],
  'root for an owner': ['COPY --link --chown=root:root model.pkl /a'],
  permissions: ['COPY --link --chmod=640 model.pkl /m', 'COPY --link --chmod=0755 conf /c'],
  'a relative destination': ['WORKDIR /opt/tool', 'COPY --link model.pkl .', 'COPY --link app.py x/'],
  'a working folder that is new': ['WORKDIR /w', 'COPY --link model.pkl .'],
  'one after another': ['COPY --link model.pkl /a/', 'COPY --link app.py /a/', 'COPY conf /a/'],
  'after a plain copy': ['COPY --chown=3:4 conf /a', 'COPY --link model.pkl /a/', 'COPY src /a/b'],
  'a file over a folder': ['COPY conf /a', 'COPY --link model.pkl /a'],
  'a folder over a file': ['COPY model.pkl /a', 'COPY --link conf /a'],
  'not after all': ['COPY --link=false model.pkl /opt/tool'],
  ADD: ['ADD --link model.pkl conf /a/'],
  'a here-document': ['COPY --link <<a.txt <<b.txt /d/', 'one', 'a.txt', 'two', 'b.txt'],
  variables: ['ARG TO=/opt/tool', 'COPY --link model.pkl $TO/'],
};

describe('COPY --link', function () {
  this.timeout(300_000);

  const both = useBothBuilders();

  it('makes the same files as BuildKit', async function () {
    if (process.env.CONTAINERD_STORE !== 'true') {
      skip(this, "without containerd's store, BuildKit takes it for a plain copy");
    }
    const cases: BuildCase[] = [];
    for (const [title, lines] of Object.entries(RECIPES)) {
      for (const base of [both.base, 'scratch']) {
        cases.push({ title: `${title}, on ${base}`, recipe: [`FROM ${base}`, ...lines, ''].join('\n') });
      }
    }
    const stages = [
      `FROM ${both.base} AS a`,
      'COPY --chown=3:4 conf /c/d',
      'FROM scratch',
      'COPY --link --from=a /c /e',
    ];
    cases.push({ title: 'from a stage', recipe: [...stages, ''].join('\n') });
    const below = [
      `FROM ${both.base} AS a`,
      'COPY --link conf /c',
      'FROM a',
      'COPY --from=a /c /e',
      'COPY src /c/',
    ];
    cases.push({ title: 'in a stage below', recipe: [...below, ''].join('\n') });
    await both.compare(both.builders[0]!, cases, 50);
  });
});
