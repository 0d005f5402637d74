import { join } from 'node:path';
import { throwIfCancelled } from '../common/cancel';
import type { Outcome, TaskContext } from '../common/task';
import { formatBytes, plural } from '../common/text';
import { readEarlier } from './earlier-model';
import { fetchVersion, seemsHeld } from './fetch-version';
import { agentFolders, memoryFolder } from './folder/agent-folders';
import { explainDiskError } from './folder/disk';
import { ModelFolder } from './folder/folder';
import { MANIFEST_NAME, readManifest } from './folder/manifest';
import type { Inputs } from './inputs';
import { judge } from './inspect-model';
import { compareLibraries } from './libraries';
import { readMetadata } from './metadata';
import { openRegistry } from './open-registry';
import { connect, PATIENCES, type RegistryPatience } from './registry/persist';
import { outcomeMessage, summarize, tellOfForeigners, warnOfNames } from './report';

/**
 * Downloads one version of a model: find it in the registry, check that it can be written here, bring its files
 * together beside the folder, verify them, and only then put them in the old model's place.
 *
 * @param program file that digests when it is started as a thread
 */
export async function downloadModel(
  inputs: Inputs,
  task: TaskContext,
  patience: RegistryPatience = PATIENCES[inputs.registry.kind],
  program?: string,
): Promise<Outcome> {
  const { log, signal } = task;
  const connection = connect(log, signal, patience);
  const registry = openRegistry(inputs, task, connection);
  const { container } = registry;
  let downloadedBytes = 0;
  try {
    log.info(`Looking for ${inputs.model} ${inputs.version} at ${registry.address}.`);
    const left = await readManifest(inputs.destination);
    const { version, source } = await registry.choose((found, place) => seemsHeld(left, found, place));
    const totalBytes = version.files.reduce((sum, { size }) => sum + size, 0);
    log.info(`Found ${plural(version.files.length, 'file')}, ${formatBytes(totalBytes)}.`);
    warnOfNames(version.oddNames, log);
    task.setOutput('modelVersion', version.name);
    task.setOutput('fileCount', version.files.length);
    task.setOutput('totalBytes', totalBytes);

    const folder = await ModelFolder.claim(inputs.destination, {
      agent: agentFolders(task),
      memory: memoryFolder(task),
      signal,
      log,
    });
    let keep = false;
    try {
      const onBytes = (count: number) => {
        downloadedBytes += count;
      };
      const download = { inputs, container, source, folder, connection, program, onBytes };
      const earlier = readEarlier(folder);
      const model = await fetchVersion(version, download);

      throwIfCancelled(signal);
      if (model.inspection) judge(model.inspection, model.manifest, inputs, log);
      const swap = model.isInPlace ? undefined : await folder.swap(model.manifest);
      if (model.inspection) {
        const { versions } = model.inspection;
        for (const difference of compareLibraries(versions, folder.path, sourcesFolder(task)))
          log.warning(difference);
      }
      if (swap) tellOfForeigners(swap, log);
      else folder.confirm();
      task.setOutput('modelPath', folder.path);
      task.setOutput('modelDigest', model.manifest.digest);
      task.setOutput('manifestPath', join(folder.path, MANIFEST_NAME));

      const report = {
        model,
        why: version.why,
        folder: folder.path,
        downloadedBytes,
        metadata: readMetadata((path, most) => folder.read(path, most), model.manifest),
        earlier,
      };
      task.uploadSummary(`${inputs.model} ${version.name}`, summarize(report));
      return { result: 'Succeeded', message: outcomeMessage(report) };
    } catch (error) {
      // What has come is good for the next try; a step that is cancelled leaves nothing.
      keep = !signal.aborted;
      throw folder.explain(error);
    } finally {
      await folder.release({ keep });
    }
  } catch (error) {
    throw explainDiskError(container.explain(error), inputs.destination);
  } finally {
    task.setOutput('downloadedBytes', downloadedBytes);
    container.close();
  }
}

function sourcesFolder(task: TaskContext): string | undefined {
  return task.variable('Build.SourcesDirectory') ?? task.variable('System.DefaultWorkingDirectory');
}
