import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { deflateSync, gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { memoryContent } from '../../../../tasks/ModelRegistryDownload/pickles/byte-reader';
import { inspectFile } from '../../../../tasks/ModelRegistryDownload/pickles/inspect-file';
import { Inspection } from '../../../../tasks/ModelRegistryDownload/pickles/inspection';

const bytes = (text: string) => Buffer.from(text, 'latin1');

/** Calls os.system, in the oldest protocol. */
const ATTACK = bytes("cposix\nsystem\n(S'true'\ntR.");

/** `{'a': 1}`, protocol 4. */
const HONEST = bytes('\x80\x04\x95\x0a\0\0\0\0\0\0\0}\x94\x8c\x01a\x94K\x01s.');

const ARCHIVE = Buffer.from(zipSync({ 'model/data.pkl': ATTACK }));

/** An archive with a byte changed at an offset from its directory's first entry. */
function tampered(offset: number, flip: number): Buffer {
  const archive = Buffer.from(ARCHIVE);
  archive[archive.indexOf(bytes('PK\x01\x02')) + offset]! ^= flip;
  return archive;
}

function inTar(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(512);
  header.write(name);
  header.write(content.length.toString(8).padStart(11, '0'), 124);
  header.write('0', 156);
  header.write('ustar', 257);
  return Buffer.concat([header, content, Buffer.alloc(512 - (content.length % 512)), Buffer.alloc(1024)]);
}

function numpy(descr: string, content: Buffer): Buffer {
  const header = `{'descr': ${descr}, 'fortran_order': False, 'shape': (1,), }\n`;
  return Buffer.concat([bytes(`\x93NUMPY\x01\x00${String.fromCharCode(header.length)}\0${header}`), content]);
}

const keras = (config: object) => Buffer.from(zipSync({ 'config.json': bytes(JSON.stringify(config)) }));
const skops = (schema: object) => Buffer.from(zipSync({ 'schema.json': bytes(JSON.stringify(schema)) }));

/** What does not compress, so that it is long behind its head, too. */
const NOISE = bytes(JSON.stringify(randomBytes(100_000).toString('base64')));

/** Compressed data that ends before its end. */
const cutOff = (content: Buffer) => gzipSync(content).subarray(0, -10_000);

/** An archive whose only member can't be unpacked: no block of compressed data begins like this. */
function spoiled(name: string, content: Buffer): Buffer {
  const archive = Buffer.from(zipSync({ [name]: content }));
  return archive.fill(0xff, 30 + name.length, 40 + name.length);
}

async function inspect(path: string, content: Buffer, allowed: readonly string[] = []) {
  const inspection = new Inspection(new Set(allowed));
  await inspectFile(path, memoryContent(content), inspection, new AbortController().signal);
  return inspection;
}

const HDF5 = '\x89HDF\r\n\x1a\n';

/** Each as: what it is, the file's name, its content, what is said of it. */
const ATTACKS: readonly [what: string, path: string, content: Buffer, said: RegExp][] = [
  ['a call', 'model.pkl', ATTACK, /^calls posix\.system$/],
  ['a call in a file with another name', 'labels.txt', ATTACK, /^calls posix\.system$/],
  ['a name from the memo', 'm.pkl', bytes("cposix\nsystem\np0\n0g0\n(S'true'\ntR."), /calls posix\.system/],
  ['INST', 'm.pkl', bytes("(S'true'\niposix\nsystem\n."), /calls posix\.system/],
  ['OBJ', 'm.pkl', bytes("(cposix\nsystem\nS'true'\no."), /\(OBJ\)/],
  ['an import alone', 'm.pkl', bytes('cantigravity\nfly\n.'), /imports antigravity\.fly/],
  ['an import that is thrown away', 'm.pkl', bytes('cposix\nsystem\n0N.'), /\(POP\)/],
  ['an import that is thrown away with a mark', 'm.pkl', bytes('(cposix\nsystem\n1N.'), /\(POP_MARK\)/],
  ['a second pickle', 'm.pkl', Buffer.concat([HONEST, ATTACK]), /calls posix\.system/],
  ['something behind the pickle', 'm.pkl', Buffer.concat([HONEST, bytes('\xff\xff')]), /cannot be read/],
  [
    'a stream that breaks after the call',
    'm.bin',
    Buffer.concat([ATTACK.subarray(0, -1), bytes('\xff')]),
    /cannot be read/,
  ],
  [
    'a partial function',
    'm.pkl',
    bytes('cfunctools\npartial\n(cposix\nsystem\ntR.'),
    /calls functools\.partial/,
  ],
  [
    'a name that is worked out',
    'm.pkl',
    bytes('\x80\x04c_codecs\ndecode\n\x8c\x05cbfvk\x8c\x05rot13\x86R\x8c\x06system\x93.'),
    /works out/,
  ],
  ['a name with escapes', 'm.pkl', bytes("\x80\x04S'po\\x73ix'\nS'system'\n\x93."), /works out/],
  [
    'a dotted name of a known module',
    'm.pkl',
    bytes('\x80\x04\x8c\x16sklearn.datasets._base\x8c\x09os.system\x93.'),
    /imports sklearn\.datasets\._base\.os\.system/,
  ],
  [
    'a module in a known module',
    'm.pkl',
    bytes('csklearn.datasets._base\nos\n.'),
    /imports sklearn\.datasets\._base\.os/,
  ],
  ['a protocol that changes', 'm.pkl', bytes('\x80\x02\x80\x04N.'), /changes its protocol/],
  ['an extension code', 'm.pkl', bytes('\x80\x02\x82\x01.'), /\(EXT\)/],
  ['a persistent id', 'm.pkl', bytes('Pfoo\n.'), /\(PERSID\)/],
  ['a buffer outside of it', 'm.pkl', bytes('\x80\x05\x97.'), /\(NEXT_BUFFER\)/],
  [
    'attributes of a class',
    'm.pkl',
    bytes('\x80\x04csklearn.linear_model._base\nLinearRegression\n}b.'),
    /has not made \(BUILD\)/,
  ],
  ['items of a class', 'm.pkl', bytes('cnumpy\nndarray\nK\x01a.'), /puts items/],
  [
    'what a call returns, called',
    'm.pkl',
    bytes('\x80\x04ccollections\nOrderedDict\n)R)R.'),
    /no imported name/,
  ],
  [
    'a class in a number',
    'm.pkl',
    bytes('\x80\x04cnumpy._core.multiarray\nscalar\ncnumpy\ndtype\n\x8c\x02O8\x85Rcnumpy\nndarray\n\x86R.'),
    /hides an object/,
  ],
  ['another encoding', 'm.pkl', bytes('c_codecs\nencode\n(Vx\nVzlib\ntR.'), /encodes a text/],
  [
    'a constructor that reads files',
    'm.pkl',
    bytes('\x80\x04cxgboost.core\nBooster\nNN\x8c\x04file\x87R.'),
    /with arguments/,
  ],
  ['a parameter that is called', 'm.pkl', bytes('cnumpy\nlog1p\n(K\x01tR.'), /calls numpy\.log1p/],
  [
    'getattr',
    'm.pkl',
    bytes("c__builtin__\ngetattr\n(cnumpy\nndarray\nS'_x'\ntR."),
    /reaches into an object/,
  ],
  ['gzip', 'm.pkl', gzipSync(ATTACK), /calls posix\.system/],
  [
    'a second member of gzip',
    'm.pkl',
    Buffer.concat([gzipSync(HONEST), gzipSync(ATTACK)]),
    /calls posix\.system/,
  ],
  ['zlib', 'm.dat', deflateSync(ATTACK), /calls posix\.system/],
  [
    'a second stream of zlib',
    'm.joblib',
    Buffer.concat([deflateSync(HONEST), deflateSync(ATTACK)]),
    /follows the compressed data/,
  ],
  ['bzip2', 'm.pkl', bytes('BZh91AY&SY\0\0\0\0'), /packed with bzip2/],
  [
    'bzip2 whose first stream is empty',
    'm.pkl',
    bytes('BZh9\x17rE8P\x90\0\0\0\0BZh91AY&SY'),
    /packed with bzip2/,
  ],
  ['lzma with a small dictionary', 'm.pkl', bytes(`\x5d\0\x10\0\0${'\xff'.repeat(8)}`), /packed with lzma/],
  ["joblib's own packing of old", 'm.pkl', bytes(`${'ZF0x2d'.padEnd(21)}x\x9c`), /joblib before 0\.9\.3/],
  ['a pickle whose unpacking fails', 'm.pkl', cutOff(Buffer.concat([HONEST, NOISE])), /cannot be read/],
  [
    'an HDF5 file whose unpacking fails',
    'm.h5.gz',
    cutOff(Buffer.concat([bytes(HDF5), NOISE])),
    /cannot be read/,
  ],
  [
    'an archive whose unpacking fails',
    'm.zip.gz',
    cutOff(Buffer.from(zipSync({ a: [NOISE, { level: 0 }] }))),
    /cannot be read/,
  ],
  ['a description whose unpacking fails', 'm.keras', spoiled('config.json', NOISE), /cannot be read/],
  ['a torch archive', 'm.pt', ARCHIVE, /calls posix\.system/],
  ['another checksum in the directory', 'm.pt', tampered(16, 0xff), /described in two ways/],
  ['a mark of encryption', 'm.pt', tampered(8, 1), /marked as encrypted/],
  ['another name in the directory', 'm.pt', tampered(46, 1), /two names/],
  ['another method in the directory', 'm.pt', tampered(10, 8), /described in two ways/],
  [
    'an archive behind something else',
    'm.keras',
    Buffer.concat([Buffer.alloc(600), ARCHIVE]),
    /begins as something else/,
  ],
  ['an archive in an archive', 'm.zip', Buffer.from(zipSync({ 'in.zip': ARCHIVE })), /calls posix\.system/],
  ['a compressed tar', 'm.tar.gz', gzipSync(inTar('model.pkl', ATTACK)), /calls posix\.system/],
  ['a tar whose first name is a pickle', 'm.tar', inTar(ATTACK.toString(), HONEST), /calls posix\.system/],
  ['objects in a numpy file', 'm.npy', numpy("'|O'", ATTACK), /calls posix\.system/],
  [
    'objects in a field of a numpy file',
    'm.npy',
    numpy("[('a', '<f4'), ('b', 'O')]", ATTACK),
    /calls posix\.system/,
  ],
  [
    'a header that numpy does not write',
    'm.npy',
    numpy("'<f8', 'descr': '|O'", ATTACK),
    /numpy does not write/,
  ],
  [
    'a Lambda layer',
    'm.keras',
    keras({ layers: [{ module: 'keras.layers', class_name: 'Lambda' }] }),
    /Lambda/,
  ],
  [
    'a function of another module in Keras',
    'm.keras',
    keras({ module: 'os', class_name: 'function', config: 'system' }),
    /imports os\.system/,
  ],
  [
    'a Lambda layer in HDF5 behind something else',
    'm.h5',
    Buffer.concat([Buffer.alloc(1024, ' '), bytes(`${HDF5}..."class_name": "Lambda"`)]),
    /Lambda/,
  ],
  ['a Lambda layer in HDF5', 'm.h5', bytes(`${HDF5}..."class_name": "Lambda"`), /Lambda/],
  ['a name in skops', 'm.skops', skops({ __module__: 'os', __class__: 'system' }), /imports os\.system/],
];

describe('what loading a file would do', () => {
  for (const [what, path, content, said] of ATTACKS) {
    it(`finds ${what}`, async () => {
      const { findings } = await inspect(path, content);
      assert.ok(
        findings.some((finding) => said.test(finding.what)),
        JSON.stringify(findings),
      );
    });
  }

  it('finds every import, wherever a pickle is cut into pieces by its compression', async () => {
    const long = Buffer.concat([
      bytes('\x80\x04X\0\0\x10\0'),
      Buffer.alloc(0x100000, 65),
      bytes('0'),
      ATTACK,
    ]);
    const { findings } = await inspect('m.pkl', gzipSync(long));
    assert.ok(findings.some(({ what, position }) => what === 'calls posix.system' && position === 0x100008));
  });

  for (const [what, path, content] of [
    ['a dictionary', 'm.pkl', HONEST],
    ['an empty file', 'm.pkl', Buffer.alloc(0)],
    ['JSON', 'metadata.json', bytes('{"a": 1}')],
    ['lines of text that begin as opcodes', 'labels.txt', bytes('cat\ndog\nimage\n(x\n')],
    ['text with the name of a pickle, which no Python loads', 'model.pkl', bytes('the model')],
    ['numbers in a numpy file', 'm.npy', numpy("'<f8'", Buffer.alloc(8))],
    ['an archive of such', 'm.npz', Buffer.from(zipSync({ 'a.npy': numpy("'<f8'", Buffer.alloc(8)) }))],
    [
      'layers of Keras',
      'm.keras',
      keras({ module: 'keras.layers', class_name: 'Dense', registered_name: null }),
    ],
  ] as const) {
    it(`says nothing of ${what}`, async () => {
      assert.deepEqual((await inspect(path, content)).findings, []);
    });
  }

  it('takes names that are allowed, and only whole ones', async () => {
    const own = bytes('c__main__\nScorer\n)\x81.');
    assert.match((await inspect('m.pkl', own)).findings[0]!.what, /__main__\.Scorer/);
    assert.deepEqual((await inspect('m.pkl', own, ['__main__.Scorer'])).findings, []);
    assert.equal((await inspect('m.pkl', own, ['__main__.Score'])).findings.length, 1);
  });

  it('reads which version made an estimator', async () => {
    const estimator = bytes(
      'csklearn.linear_model._base\nLinearRegression\n)\x81}(\x8c\x10_sklearn_version\x8c\x051.5.2ub.',
    );
    const { findings, versions } = await inspect('m.pkl', estimator);
    assert.deepEqual(findings, []);
    assert.deepEqual([...versions.get('scikit-learn')!], ['1.5.2']);
  });

  it('stops with the step', async () => {
    const cancel = new AbortController();
    cancel.abort();
    const inspection = new Inspection(new Set());
    await assert.rejects(inspectFile('m.pkl', memoryContent(HONEST), inspection, cancel.signal));
  });
});
