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
import type { Download } from './transfer-and-verify';
import type { ChosenVersion } from './version/choose-version';

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
  const traffic = { bytes: 0 };
  const onBytes = (count: number) => {
    traffic.bytes += count;
  };
  try {
    log.info(`Looking for ${inputs.model} ${inputs.version} at ${registry.address}.`);
    const left = await readManifest(inputs.destination);
    const { version, source } = await registry.choose((found, place) => seemsHeld(left, found, place));
    announce(version, task);
    return await withFolder(inputs.destination, task, (folder) => {
      const download = { inputs, container, source, folder, connection, program, onBytes };
      return replaceModel(version, download, task, traffic);
    });
  } catch (error) {
    throw explainDiskError(container.explain(error), inputs.destination);
  } finally {
    task.setOutput('downloadedBytes', traffic.bytes);
    container.close();
  }
}

function announce({ name, files, oddNames }: ChosenVersion, task: TaskContext): void {
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  task.log.info(`Found ${plural(files.length, 'file')}, ${formatBytes(totalBytes)}.`);
  warnOfNames(oddNames, task.log);
  task.setOutput('modelVersion', name);
  task.setOutput('fileCount', files.length);
  task.setOutput('totalBytes', totalBytes);
}

/** Claims the model's folder for as long as something is done with it. */
async function withFolder<T>(
  destination: string,
  task: TaskContext,
  use: (folder: ModelFolder) => Promise<T>,
): Promise<T> {
  const { log, signal } = task;
  const options = { agent: agentFolders(task), memory: memoryFolder(task), signal, log };
  const folder = await ModelFolder.claim(destination, options);
  let keep = false;
  try {
    return await use(folder);
  } catch (error) {
    // What has come is good for the next try; a step that is cancelled leaves nothing.
    keep = !signal.aborted;
    throw folder.explain(error);
  } finally {
    await folder.release({ keep });
  }
}

/** @param traffic what was downloaded by the time it is asked */
async function replaceModel(
  version: ChosenVersion,
  download: Download,
  task: TaskContext,
  traffic: { readonly bytes: number },
): Promise<Outcome> {
  const { log, signal } = task;
  const { inputs, folder } = download;
  const earlier = readEarlier(folder);
  const model = await fetchVersion(version, download);
  const { manifest, inspection } = model;

  throwIfCancelled(signal);
  if (inspection) judge(inspection, manifest, inputs, log);
  const swap = model.isInPlace ? undefined : await folder.swap(manifest);
  const differences = compareLibraries(inspection?.versions ?? new Map(), folder.path, sourcesFolder(task));
  for (const difference of differences) log.warning(difference);
  if (swap) tellOfForeigners(swap, log);
  else folder.confirm();
  task.setOutput('modelPath', folder.path);
  task.setOutput('modelDigest', manifest.digest);
  task.setOutput('manifestPath', join(folder.path, MANIFEST_NAME));

  const report = {
    model,
    why: version.why,
    folder: folder.path,
    downloadedBytes: traffic.bytes,
    metadata: readMetadata((path, most) => folder.read(path, most), manifest),
    earlier,
  };
  task.uploadSummary(`${inputs.model} ${version.name}`, summarize(report));
  return { result: 'Succeeded', message: outcomeMessage(report) };
}

function sourcesFolder(task: TaskContext): string | undefined {
  return task.variable('Build.SourcesDirectory') ?? task.variable('System.DefaultWorkingDirectory');
}
