import assert from 'node:assert/strict';
import { memoryContent } from '../../../../tasks/ModelRegistryDownload/pickles/byte-reader';
import { inspectFile } from '../../../../tasks/ModelRegistryDownload/pickles/inspect-file';
import { Inspection } from '../../../../tasks/ModelRegistryDownload/pickles/inspection';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const text = (content: string) => `\x8c${String.fromCharCode(content.length)}${content}`;

const PROTOCOL = '\x80\x04';
const WRAPPER = 'cjoblib.numpy_pickle\nNumpyArrayWrapper\n';
const DTYPE = `cnumpy\ndtype\n${text('u1')}\x85R`;
const MADE = `${WRAPPER})\x81`;
/** As protocols 0 and 1 make objects. */
const RECONSTRUCTED = `ccopyreg\n_reconstructor\n${WRAPPER}cbuiltins\nobject\nN\x87R`;
const ALIGNMENT = text('numpy_array_alignment_bytes');

/** Calls os.system, and leaves what it returns on the stack. */
const ATTACK = `cposix\nsystem\n${text('true')}\x85R`;
/** To whoever takes it for opcodes, the attack behind it is bytes. */
const SWALLOW = `\x8e${String.fromCharCode(ATTACK.length)}${'\0'.repeat(7)}`;

/** Sets the state of a wrapper of some numbers. */
function state(count: number, more = ''): string {
  const shape = `${text('shape')}K${String.fromCharCode(count)}\x85`;
  return `}(${shape}${text('dtype')}${DTYPE}${more}ub`;
}

async function findingsIn(...parts: string[]): Promise<string[]> {
  const inspection = new Inspection(new Set());
  const content = memoryContent(bytes(`${PROTOCOL}${parts.join('')}.`));
  await inspectFile('model.pkl', content, inspection, new AbortController().signal);
  return inspection.findings.map(({ what }) => what);
}

describe('the arrays that joblib writes between opcodes', () => {
  // Where they are aligned, a byte tells how many bytes come before the numbers.
  const unaligned = '\0'.repeat(16);
  const aligned = `\x08${'\xff'.repeat(8)}${'\0'.repeat(16)}`;

  it('are passed over, aligned or not, by whatever protocol they are written', async () => {
    for (const wrapper of [MADE, RECONSTRUCTED]) {
      assert.deepEqual(await findingsIn(wrapper, state(16), unaligned), []);
      assert.deepEqual(await findingsIn(wrapper, state(16, `${ALIGNMENT}N`), unaligned), []);
      assert.deepEqual(await findingsIn(wrapper, state(16, `${ALIGNMENT}K\x10`), aligned), []);
    }
  });

  it('end where joblib takes them to end, and what follows is looked at', async () => {
    for (const wrapper of [MADE, RECONSTRUCTED]) {
      const found = await findingsIn(wrapper, state(SWALLOW.length), SWALLOW, ATTACK, '0');
      assert.ok(found.includes('calls posix.system'), found.join());
    }
  });

  // Each would hide the attack: what is passed over as an array here, joblib would take for another number of bytes.
  const filler = Array.from({ length: 64 }, (_, index) => `${text(`k${index}`)}N`).join('');
  const shifted = `\x08${'\xff'.repeat(8)}${'\0'.repeat(7)}${SWALLOW}${ATTACK}`;
  const odd: [what: string, wrapper: string, said: RegExp][] = [
    ['behind many others', MADE + state(16, `${filler}${ALIGNMENT}K\x10`), /described in an odd way/],
    ['that is no number', MADE + state(16, `${ALIGNMENT}\x88`), /aligned in an odd way/],
    [
      'that the constructor sets',
      `${WRAPPER}(cnumpy\nndarray\nK\x10\x85${text('C')}${DTYPE}tR${state(16)}`,
      /NumpyArrayWrapper with arguments/,
    ],
  ];
  for (const [what, wrapper, said] of odd) {
    it(`are not believed to have an alignment ${what}`, async () => {
      assert.match((await findingsIn(wrapper, shifted)).join(), said);
    });
  }

  it('are opcodes to pickle.load, in which a name that is worked out is found', async () => {
    const encoded = `c_codecs\nencode\n${text('cbfvk')}${text('rot13')}\x86R`;
    const attack = `${encoded}${text('system')}\x93${text('true')}\x85R`.padEnd(100, 'N');
    const found = await findingsIn(MADE, state(100), attack);
    assert.ok(found.includes('imports a name that it works out while it is loaded'), found.join());
  });

  it('are opcodes to pickle.load, in which a function that was a parameter before is found when it is called', async () => {
    const parameter = 'cnumpy\nmemmap\n\x94';
    const attack = `h\0${text('/etc/passwd')}\x85R`.padEnd(100, 'N');
    const found = await findingsIn(parameter, MADE, state(100), attack, '\x86');
    assert.deepEqual(found, ['calls numpy.memmap']);
  });

  it('may hold any numbers', async () => {
    for (let first = 0; first < 256; first++) {
      const numbers = Buffer.from(Array.from({ length: 100 }, (_, index) => (first + index * 37) % 256));
      assert.deepEqual(await findingsIn(MADE, state(100), numbers.toString('latin1')), [], `${first}`);
    }
  });
});
