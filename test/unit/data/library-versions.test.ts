import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../../scripts/paths';

/** What Databricks Runtime 17.3 LTS and 18 LTS and the serverless environments 4 and 5 have in common. */
const RUNTIMES = { python: '3.12', numpy: '2.1.3', 'scikit-learn': '1.6.1' };

const read = (file: string) => readFileSync(join(root, file), 'utf8');

/** The lines of a requirement file that pin one package. */
const pinsOf = (file: string, name: string) =>
  read(file)
    .split('\n')
    .filter((line) => line.startsWith(`${name}==`));

/** Whether a pin holds for a version of Python; markers here compare `python_version` alone. */
function holds(pin: string, version: string): boolean {
  const [, markers = ''] = pin.split(';');
  return markers
    .split(' and ')
    .filter((marker) => marker.trim())
    .every((marker) => {
      const [, comparison, bound] = /python_version (<|>=) "([\d.]+)"/.exec(marker)!;
      const isBefore = Number(version.split('.')[1]) < Number(bound!.split('.')[1]);
      return comparison === '<' ? isBefore : !isBefore;
    });
}

describe('The libraries that pickle a model and those that load it', () => {
  for (const name of ['numpy', 'scikit-learn', 'scipy']) {
    it(`are the same ${name}, whatever the Python`, () => {
      const notebooks = pinsOf('local/requirements.txt', name);
      assert.ok(notebooks.length > 0);
      assert.deepEqual(pinsOf('model-api/requirements.txt', name), notebooks);
    });
  }

  for (const name of ['numpy', 'scikit-learn'] as const) {
    it(`are the ${name} that Databricks has, in the image's Python`, () => {
      const [, version] = /^ARG BASE_IMAGE=python:([\d.]+)-slim$/m.exec(read('model-api/Dockerfile'))!;
      assert.equal(version, RUNTIMES.python);
      const pins = pinsOf('model-api/requirements.txt', name).filter((pin) => holds(pin, version!));
      assert.deepEqual(
        pins.map((pin) => pin.split(';')[0]!.trim()),
        [`${name}==${RUNTIMES[name]}`],
      );
    });
  }

  it('are those of the runtimes that the jobs run on', () => {
    for (const model of ['titanic', 'batcomputer']) {
      const { environments } = JSON.parse(read(`deploy/databricks/train-${model}-model.json`));
      assert.equal(environments[0].spec.environment_version, '4');
    }
    const { policy, job_cluster } = JSON.parse(read('deploy/databricks/classic.json'));
    assert.match(policy.definition.spark_version.value, /^17\.3\.x-scala/);
    assert.equal(job_cluster.new_cluster.spark_version, policy.definition.spark_version.value);
  });
});
