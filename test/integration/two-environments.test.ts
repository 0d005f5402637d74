import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../local/processes';
import { apiPython, examplePython } from '../support/python';
import { skip } from '../support/skip';

/** Pickles estimators of the kinds that people train, with a question and its answer to each. */
const PICKLE = `
import json, pickle, sys
from pathlib import Path
import numpy, pandas
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

folder = Path(sys.argv[1])
random = numpy.random.default_rng(1912)
rows = pandas.DataFrame(random.integers(0, 4, (200, 3)), columns=["class", "sex", "age"])
outcome = (rows.sum(axis=1) > 4).astype(int)
estimators = {
    "forest": RandomForestClassifier(n_estimators=20, random_state=1),
    "boosting": GradientBoostingClassifier(n_estimators=20, random_state=1),
    "histogram": HistGradientBoostingClassifier(max_iter=20, random_state=1),
    "network": MLPClassifier((8,), max_iter=50, random_state=1),
    "pipeline": make_pipeline(make_column_transformer((OneHotEncoder(), [0, 1]), remainder="passthrough"), StandardScaler(with_mean=False), LogisticRegression()),
}
answers = {}
for name, estimator in estimators.items():
    estimator.fit(rows.to_numpy(), outcome)
    (folder / f"{name}.pkl").write_bytes(pickle.dumps(estimator, protocol=4))
    answers[name] = estimator.predict_proba(rows.to_numpy()[:5]).tolist()
(folder / "questions.json").write_text(json.dumps(rows.to_numpy()[:5].tolist()))
print(json.dumps(answers))
`;

/** Loads them as the API does, and fails where a library says that another version wrote them. */
const LOAD = `
import importlib.util, json, pickle, sys, warnings
from pathlib import Path
assert importlib.util.find_spec("azure") is None, "this is the notebooks' environment"
warnings.simplefilter("error")
folder = Path(sys.argv[1])
questions = json.loads((folder / "questions.json").read_text())
print(json.dumps({file.stem: pickle.loads(file.read_bytes()).predict_proba(questions).tolist() for file in folder.glob("*.pkl")}))
`;

describe('what the environment of the notebooks pickles', function () {
  this.timeout(600_000);

  it("is loaded by the API's own, without a warning and with the same answers", async function () {
    let notebooks: string;
    let api: string;
    try {
      ({ python: notebooks } = await examplePython());
      ({ python: api } = await apiPython());
    } catch (error) {
      skip(this, (error as Error).message);
    }
    const folder = await mkdtemp(join(tmpdir(), 'pickled-'));
    try {
      const pickled = await run(notebooks!, ['-W', 'ignore', '-c', PICKLE, folder]);
      assert.equal(pickled.exitCode, 0, pickled.output);
      const loaded = await run(api!, ['-c', LOAD, folder]);
      assert.equal(loaded.exitCode, 0, loaded.output);
      const [before, after] = [pickled, loaded].map(({ output }) =>
        JSON.parse(output.trim().split('\n').at(-1)!),
      );
      assert.equal(Object.keys(before).length, 5);
      assert.deepEqual(after, before);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
