// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of Dockerfiles.
import { Headers } from 'node-fetch';
import { BuildOutput } from '../../../tasks/AcrBuildPush/build/build-output';
import { IgnoreRules } from '../../../tasks/AcrBuildPush/context/ignore';
import { explainDockerError } from '../../../tasks/AcrBuildPush/docker/errors';
import { findImages } from '../../../tasks/AcrBuildPush/dockerfile/base-image';
import { parseDockerfile } from '../../../tasks/AcrBuildPush/dockerfile/instructions';
import { withLabelLine } from '../../../tasks/AcrBuildPush/dockerfile/label-line';
import { expand, splitRawWords } from '../../../tasks/AcrBuildPush/dockerfile/words';
import { compileGlob as compileCopyPattern } from '../../../tasks/AcrBuildPush/files/glob';
import { readTar } from '../../../tasks/AcrBuildPush/files/tar-reader';
import { readImageName } from '../../../tasks/AcrBuildPush/image/image-name';
import { readConfig, readManifest } from '../../../tasks/AcrBuildPush/image/manifest';
import { OCI_INDEX } from '../../../tasks/AcrBuildPush/image/media-types';
import { parseModelManifest } from '../../../tasks/AcrBuildPush/model';
import { parseChallenge } from '../../../tasks/AcrBuildPush/registry/challenge';
import { refusal } from '../../../tasks/AcrBuildPush/registry/errors';
import { planTags } from '../../../tasks/AcrBuildPush/tag-templates';
import { splitTags, tagProblem, toTag } from '../../../tasks/AcrBuildPush/tags';
import { errorFromAnswer } from '../../../tasks/common/databricks/errors';
import { parseJson, parseJsonVerbatim } from '../../../tasks/common/databricks/json';
import { bound } from '../../../tasks/common/foreign-text';
import { InputReader } from '../../../tasks/common/inputs';
import { readJson } from '../../../tasks/common/json';
import { createLogger } from '../../../tasks/common/log';
import { Summary } from '../../../tasks/common/summary';
import { fieldsOf } from '../../../tasks/DatabricksRunJob/exit-value';
import { notebookRemark } from '../../../tasks/DatabricksRunJob/notebook';
import { readParameters } from '../../../tasks/DatabricksRunJob/parameters';
import { readPrinted } from '../../../tasks/DatabricksRunJob/printed';
import { parseManifest } from '../../../tasks/ModelRegistryDownload/folder/manifest';
import { pinned } from '../../../tasks/ModelRegistryDownload/libraries';
import { memoryContent } from '../../../tasks/ModelRegistryDownload/pickles/byte-reader';
import { inspectFile } from '../../../tasks/ModelRegistryDownload/pickles/inspect-file';
import { Inspection } from '../../../tasks/ModelRegistryDownload/pickles/inspection';
import { AnswerReader } from '../../../tasks/ModelRegistryDownload/registry/http/answer';
import { ListingReader } from '../../../tasks/ModelRegistryDownload/registry/listing-page';
import { refuseHostileNames } from '../../../tasks/ModelRegistryDownload/registry/names';
import { readBundle } from '../../../tasks/ModelRegistryDownload/signature/bundle';
import { parseTrustedKeys } from '../../../tasks/ModelRegistryDownload/signature/trusted-keys';
import { selectFiles } from '../../../tasks/ModelRegistryDownload/version/patterns';
import { compareVersions, readVersionName } from '../../../tasks/ModelRegistryDownload/version/version-name';

const log = createLogger(() => undefined);
log.maskSecret(`dose~<"'\\ >${'p'.repeat(20)}`);

const answer = (status: number, text: string) => ({
  status,
  headers: new Headers({ 'content-type': 'text/html' }),
  body: Buffer.from(text),
});

/** A path that no pattern of the inputs matches before its end. */
const LONG_PATH = `${'a'.repeat(400)}/${'a'.repeat(400)}c`;

function inputsOf(text: string): InputReader {
  return new InputReader((name) => (name === 'parameters' ? text : undefined), log);
}

function inspect(path: string, text: string): Promise<void> {
  const content = memoryContent(Buffer.from(text, 'latin1'));
  return inspectFile(path, content, new Inspection(new Set()), new AbortController().signal);
}

function readListing(xml: string): void {
  const reader = new ListingReader();
  for (let at = 0; at < xml.length; at += 1_000) reader.add(xml.slice(at, at + 1_000));
  reader.finish();
}

async function* inPieces(bytes: Buffer, size = 1_000) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Everything in the tasks that reads a text which somebody else wrote. Each may throw: `faults` says what. */
export const PARSERS: Readonly<Record<string, (text: string) => unknown>> = {
  "an error page in Databricks' place": (text) =>
    errorFromAnswer(answer(400, text), {
      origin: 'https://adb-1.azuredatabricks.net',
      access: { host: 'input', token: 'it is one' },
      action: 'look',
      permission: 'more',
    }),
  "an error page in a registry's place": (text) =>
    refusal({ host: 'r.azurecr.io', repository: 'titanic' }, answer(403, text), 'push'),
  "a refusal of Blob storage's": (text) => {
    const body = Buffer.from(`<Code>${text}<Message>${text}`);
    const reader = new AnswerReader({ begin: () => undefined, take: () => undefined });
    reader.read(Buffer.from(`HTTP/1.1 403 No\r\nContent-Length: ${body.length}\r\n\r\n`));
    for (let at = 0; at < body.length; at += 100) reader.read(body.subarray(at, at + 100));
  },
  'the head of an answer': (text) => {
    const reader = new AnswerReader({ begin: () => undefined, take: () => undefined });
    const head = Buffer.from(`HTTP/1.1 200 OK\r\nX: ${text}\r\n\r\n`);
    for (let at = 0; at < head.length; at += 1_000) reader.read(head.subarray(at, at + 1_000));
  },
  JSON: readJson,
  "Databricks' JSON": parseJson,
  'JSON whose numbers stay as written': parseJsonVerbatim,
  'a listing': (text) =>
    readListing(`<EnumerationResults><Blobs>${text}</Blobs><NextMarker /></EnumerationResults>`),
  'a blob of a listing': (text) =>
    readListing(
      `<EnumerationResults><Blobs><Blob><Name Encoded="true">${text}</Name><Properties>${text}</Properties></Blob></Blobs></EnumerationResults>`,
    ),
  'a challenge': parseChallenge,
  'a Dockerfile': parseDockerfile,
  'the stages of a Dockerfile': (text) => {
    const recipe = `FROM a AS a\n${text}`;
    findImages(recipe, { arguments: {}, target: undefined, platform: undefined });
    withLabelLine(recipe, { a: 'b' }, undefined);
  },
  'a RUN line of a Dockerfile': (text) => parseDockerfile(`FROM a\nRUN ${text}`),
  'an ENV line of a Dockerfile': (text) => parseDockerfile(`FROM a\nENV ${text}`),
  'words of a Dockerfile': (text) => expand(text, (name) => name, '\\'),
  'substitutions in a long value': (text) => {
    const half = text.slice(0, text.length / 2);
    for (const form of [`\${A#*${text.slice(0, 100)}}`, '${A%%*b*}', '${A//a/bc}', '${A/?*c/b}', '$A$A'])
      expand(form, () => half, '\\');
  },
  'raw words of a Dockerfile': (text) => splitRawWords(text, '\\'),
  'an ignore file': (text) => new IgnoreRules(text).decide(LONG_PATH, undefined),
  'a pattern of COPY': (text) => compileCopyPattern(text)?.(LONG_PATH),
  'patterns of files': (text) => selectFiles([{ path: LONG_PATH }, { path: 'a' }], text.split('\n')),
  tags: (text) => {
    const tags = splitTags(text);
    for (const tag of tags) tagProblem(toTag(tag));
    planTags(tags, { modelVersion: text, revision: text, buildNumber: text, branch: text });
  },
  'KEY=VALUE': (text) => {
    const inputs = inputsOf(text);
    readParameters(inputs);
    inputs.check();
  },
  versions: (text) => {
    const [one, other] = [readVersionName(text), readVersionName(`${text}1`)];
    if (one && other) compareVersions(one, other);
  },
  'names of blobs': (text) => refuseHostileNames([text, `${text}/a`, 'a'], '.manifest'),
  'an exit value': fieldsOf,
  'what a notebook printed': (text) => {
    const commands = [text, `<div class="ansiout">${text}</div>`].map((data) => ({
      results: { type: 'html', data },
    }));
    const model = Buffer.from(encodeURIComponent(Buffer.from(JSON.stringify({ commands })).toString()));
    readPrinted(text);
    readPrinted(`__DATABRICKS_NOTEBOOK_MODEL = '${model.toString('base64')}'`);
  },
  'a notebook': (text) => notebookRemark({ content: text, format: { format: 'SOURCE', language: 'PYTHON' } }),
  'the name of an image': readImageName,
  "an image's manifest": (text) => readManifest(Buffer.from(text), OCI_INDEX),
  "an image's configuration": (text) => readConfig(Buffer.from(text)),
  "a model's manifest": parseModelManifest,
  'the manifest of a download': parseManifest,
  'a pickle': (text) => inspect('model.pkl', text),
  'a pickle of the newest protocol': (text) => inspect('model.pkl', `\x80\x05${text}.`),
  'an array of numpy': (text) => inspect('a.npy', `\x93NUMPY\x02\0\x50\xc3\0\0{'descr': ${text}`),
  'a file of a model': (text) => inspect('README', text),
  "a model's signature": (text) => readBundle(Buffer.from(text)),
  'trusted keys': (text) => {
    parseTrustedKeys(`-----BEGIN PUBLIC KEY-----${text}-----END PUBLIC KEY-----`);
    parseTrustedKeys(text);
  },
  'a list of requirements': pinned,
  'a tar': (text) => readTar(inPieces(Buffer.from(text)), () => () => undefined),
  "docker's errors": (text) => explainDockerError(text),
  "a builder's output": (text) => {
    for (const builder of ['legacy', 'buildx'] as const) {
      const output = new BuildOutput(builder, log);
      for (const line of [text, `#1 ${text}`, `Step 1/2 : ${text}`, ...text.split('\n')]) {
        output.read(line, 'stderr');
      }
      output.end();
      String(output.failure);
    }
  },
  'commands in a log': (text) => {
    log.info(text);
    log.warning(text);
    bound(text, 100);
  },
  Markdown: (text) =>
    new Summary()
      .heading(text)
      .paragraph(text)
      .code(text)
      .table([text], [[text, text]])
      .link(text, 'https://a/')
      .toString(),
};
