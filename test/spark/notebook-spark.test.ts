import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWorkspace, type Workspace } from '../../local/databricks/workspace';
import { runNotebook } from '../support/notebook-run';
import { examplePython } from '../support/python';

const cells = (...sources: string[]) =>
  `# Databricks notebook source\n${sources.join('\n\n# COMMAND ----------\n\n')}\n`;
const exit = (expression: string) => `dbutils.notebook.exit(str(${expression}))`;

describe('A notebook that uses Spark, in the local workspace', function () {
  this.timeout(900_000); // the first time, Spark is installed: 430 MB

  let folder: string;
  let workspace: Workspace;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'notebook-spark-'));
    const { python } = await examplePython();
    workspace = await startWorkspace({ python, folder, timing: { pending: 0, terminating: 0, cancel: 0 } });
    await mkdir(join(workspace.dbfs, 'tables/sales'), { recursive: true });
    await writeFile(join(workspace.dbfs, 'tables/people.csv'), 'name,age\nann,3\nbob,5\n');
    await writeFile(join(workspace.dbfs, 'tables/sales/orders.json'), '{"id": 1}\n{"id": 2}\n');
  });
  after(async () => {
    await workspace?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const exitValue = async (...sources: string[]) => {
    const run = await runNotebook(workspace, cells(...sources));
    assert.equal(run.error, undefined, run.errorTrace);
    return run.exitValue;
  };

  it('has tables from files, by name and in SQL', async () => {
    const total = 'spark.table("people").agg({"age": "sum"}).first()[0]';
    const orders = 'spark.sql("SELECT max(id) FROM sales.orders").first()[0]';
    assert.equal(await exitValue(exit(`(${total}, ${orders})`)), '(8, 2)');
  });

  it('runs cells of SQL, and gives their last result to Python', async () => {
    const run = await runNotebook(
      workspace,
      cells('# MAGIC %sql\n# MAGIC SELECT name FROM people WHERE age > 4', exit('_sqldf.first().name')),
    );
    assert.equal(run.exitValue, 'bob');
    assert.match(run.page, /\| *bob\|/);
  });

  it('finds files of DBFS with and without its scheme, as open does under /dbfs', async () => {
    const write = 'spark.range(3).write.mode("overwrite").parquet("/made/numbers")';
    const read = 'spark.read.parquet("dbfs:/made/numbers").count()';
    assert.equal(
      await exitValue(`${write}\nimport os`, exit(`(${read}, os.path.isdir("/dbfs/made/numbers"))`)),
      '(3, True)',
    );
    assert.ok((await readdir(join(workspace.dbfs, 'made/numbers'))).length > 0);
  });

  it('keeps the tables it makes for the next run', async () => {
    await exitValue('spark.range(4).write.mode("overwrite").saveAsTable("kept")');
    assert.equal(await exitValue(exit('spark.table("kept").count()')), '4');
  });

  it('runs functions of the notebook in Spark, and goes to pandas and back', async () => {
    const source = `
import pandas as pd
spark.udf.register("twice", lambda x: 2 * x, "long")
frame = spark.createDataFrame(pd.DataFrame({"x": [1, 2]}))
frame.createOrReplaceTempView("frame")`;
    assert.equal(
      await exitValue(source, exit('spark.sql("SELECT sum(twice(x)) s FROM frame").toPandas().s[0]')),
      '6',
    );
  });

  it('is not held up by Spark where it does not name it', async () => {
    const run = await runNotebook(
      workspace,
      cells('# spark is not used\nx = "spark"', exit('type(globals()["sc"]).__name__')),
    );
    assert.equal(run.exitValue, 'LazySpark');
  });
});
