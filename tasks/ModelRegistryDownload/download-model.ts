import { join } from 'node:path';
import { throwIfCancelled } from '../common/cancel';
import { EntraTokens } from '../common/entra';
import type { Outcome, TaskContext } from '../common/task';
import { formatBytes, plural } from '../common/text';
import { fetchVersion, seemsHeld } from './fetch-version';
import { agentFolders, memoryFolder } from './folder/agent-folders';
import { explainDiskError } from './folder/disk';
import { ModelFolder } from './folder/folder';
import { MANIFEST_NAME, readManifest } from './folder/manifest';
import type { Inputs } from './inputs';
import { judge } from './inspect-model';
import { compareLibraries } from './libraries';
import { openContainer } from './registry/client';
import { type RegistryCredential, STORAGE_SCOPE } from './registry/credential';
import { explainRegistryError } from './registry/errors';
import { connect, PATIENCE, type RegistryPatience } from './registry/persist';
import type { SignIn } from './registry-inputs';
import { outcomeMessage, readMetadata, summarize, tellOfForeigners, warnOfNames } from './report';
import { chooseVersion } from './version/choose-version';
import type { ModelVersion } from './version/version';

/**
 * Downloads one version of a model: find it in the registry, check that it can be written here, bring its files
 * together beside the folder, verify them, and only then put them in the old model's place.
 *
 * @param program file that digests when it is started as a thread
 */
export async function downloadModel(
  inputs: Inputs,
  task: TaskContext,
  patience: RegistryPatience = PATIENCE,
  program?: string,
): Promise<Outcome> {
  const { log, signal } = task;
  const connection = connect(log, signal, patience);
  const container = openContainer({
    account: inputs.account,
    credential: credentialOf(inputs.signIn, task),
    endpoint: inputs.endpoint,
    container: inputs.model,
    network: task.network,
  });
  let downloadedBytes = 0;
  try {
    log.info(`Looking for ${inputs.model} ${inputs.version} at ${inputs.endpoint}.`);
    const left = await readManifest(inputs.destination);
    const isHeld = (version: ModelVersion) => seemsHeld(left, version, { inputs, container });
    const version = await chooseVersion(container, { ...inputs, isHeld }, connection);
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
      const model = await fetchVersion(version, { inputs, container, folder, connection, program, onBytes });

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
        metadata: readMetadata(folder, model.manifest),
      };
      task.uploadSummary(`${inputs.model} ${version.name}`, summarize(report));
      return { result: 'Succeeded', message: outcomeMessage(report) };
    } catch (error) {
      // What has come is good for the next try; a step that is cancelled leaves nothing.
      keep = downloadedBytes > 0 && !signal.aborted;
      throw folder.explain(error);
    } finally {
      await folder.release({ keep });
    }
  } catch (error) {
    throw explainDiskError(explainRegistryError(error, container.address), inputs.destination);
  } finally {
    task.setOutput('downloadedBytes', downloadedBytes);
    container.close();
  }
}

function sourcesFolder(task: TaskContext): string | undefined {
  return task.variable('Build.SourcesDirectory') ?? task.variable('System.DefaultWorkingDirectory');
}

/** A token of Microsoft Entra lasts about an hour, and a download may take longer: it is asked for anew each time. */
function credentialOf(signIn: SignIn, task: TaskContext): RegistryCredential {
  if (signIn.kind !== 'entra') return signIn;
  const tokens = new EntraTokens(signIn.connection, task);
  return { kind: 'entra', input: signIn.input, token: (refused) => tokens.token(STORAGE_SCOPE, refused) };
}
