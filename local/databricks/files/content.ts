import { ApiError, invalid, malformed } from '../errors';
import { optionalText } from '../fields';
import { isObject, type JsonObject, parseJson } from '../json';

const LARGEST = 10 * 1024 * 1024;
const HEADER = /^(#|--|\/\/) Databricks notebook source\s*$/;
const LANGUAGES: Record<string, string> = { '.py': 'PYTHON', '.sql': 'SQL', '.scala': 'SCALA', '.r': 'R' };
const EXTENSIONS: Record<string, string> = { PYTHON: 'py', SQL: 'sql', SCALA: 'scala', R: 'r' };

export interface Notebook {
  readonly type: 'NOTEBOOK';
  readonly language: string;
  readonly format: 'SOURCE' | 'JUPYTER';
  readonly content: Buffer;
}

export interface File {
  readonly type: 'FILE';
  readonly content: Buffer;
}

/** The extension of the file that a notebook is exported as. */
export function extensionOf(notebook: Notebook): string | undefined {
  return notebook.format === 'JUPYTER' ? 'ipynb' : EXTENSIONS[notebook.language];
}

/** The bytes in a request to import. */
export function readContent(fields: JsonObject): Buffer {
  const encoded = optionalText(fields, 'content') ?? '';
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(encoded)) throw malformed("Expected base64 for field 'content'");
  const content = Buffer.from(encoded, 'base64');
  if (content.length > LARGEST) {
    throw new ApiError(
      400,
      'MAX_NOTEBOOK_SIZE_EXCEEDED',
      `File size imported is (${content.length} bytes), exceeded max size (${LARGEST} bytes)`,
    );
  }
  return content;
}

/** What an import makes, and where: only AUTO drops the extension of a notebook. */
export function contentOf(
  path: string,
  content: Buffer,
  fields: JsonObject,
): (Notebook | File) & { path: string } {
  const format = optionalText(fields, 'format') ?? 'SOURCE';
  const extension = /\.[^./]+$/.exec(path)?.[0] ?? '';
  switch (format) {
    case 'SOURCE':
      return { path, type: 'NOTEBOOK', language: readLanguage(fields), format, content };
    case 'JUPYTER':
      return { path, ...jupyter(content) };
    case 'RAW':
      return { path, type: 'FILE', content };
    case 'AUTO': {
      const bare = path.slice(0, path.length - extension.length);
      if (extension === '.ipynb') return { path: bare, ...jupyter(content) };
      const language = LANGUAGES[extension.toLowerCase()];
      const firstLine = content.toString('utf8').split('\n', 1)[0]!;
      if (language && HEADER.test(firstLine)) {
        return { path: bare, type: 'NOTEBOOK', language, format: 'SOURCE', content };
      }
      return { path, type: 'FILE', content };
    }
    case 'HTML':
    case 'DBC':
    case 'R_MARKDOWN':
      throw invalid(`This local workspace does not import the format ${format}.`);
    default:
      throw malformed(`Unknown value '${format}' for field 'format'`);
  }
}

function readLanguage(fields: JsonObject): string {
  const language = optionalText(fields, 'language');
  // Without a language the content is taken for an archive.
  if (!language) throw invalid('The zip file may not be valid or may be an unsupported version.');
  if (!EXTENSIONS[language]) throw malformed(`Unknown value '${language}' for field 'language'`);
  return language;
}

function jupyter(content: Buffer): Notebook {
  let parsed: unknown;
  try {
    parsed = parseJson(content.toString('utf8'));
  } catch {
    throw invalid('The notebook is not valid JSON, as a Jupyter notebook is.');
  }
  const notebook = parsed as { metadata?: { language_info?: { name?: string } } };
  const language = (isObject(parsed as JsonObject) && notebook.metadata?.language_info?.name) || 'python';
  return { type: 'NOTEBOOK', language: language.toUpperCase(), format: 'JUPYTER', content };
}
