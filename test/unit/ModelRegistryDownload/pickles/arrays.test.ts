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

async function inspect(content: Buffer): Promise<string[]> {
  const inspection = new Inspection(new Set());
  await inspectFile('model.pkl', memoryContent(content), inspection, new AbortController().signal);
  return inspection.findings.map(({ what }) => what);
}

const findingsIn = (...parts: string[]) => inspect(bytes(`${PROTOCOL}${parts.join('')}.`));

/** `{'labels': np.array(['no', 'yes'], dtype=object)}` as joblib 1.6.0 dumps it, by its protocol. */
const LABELS: Readonly<Record<string, string>> = {
  4: `
    gASV3AAAAAAAAAB9lIwGbGFiZWxzlIwTam9ibGliLm51bXB5X3BpY2tsZZSMEU51bXB5QXJyYXlXcmFwcGVylJOUKYGUfZQojAhz
    dWJjbGFzc5SMBW51bXB5lIwHbmRhcnJheZSTlIwFc2hhcGWUSwKFlIwFb3JkZXKUjAFDlIwFZHR5cGWUaAiMBWR0eXBllJOUjAJP
    OJSJiIeUUpQoSwOMAXyUTk5OSv////9K/////0s/dJRijAphbGxvd19tbWFwlImMG251bXB5X2FycmF5X2FsaWdubWVudF9ieXRl
    c5RLEHVigAWVlQAAAAAAAACMFm51bXB5Ll9jb3JlLm11bHRpYXJyYXmUjAxfcmVjb25zdHJ1Y3SUk5SMBW51bXB5lIwHbmRhcnJh
    eZSTlEsAhZRDAWKUh5RSlChLAUsChZRoA4wFZHR5cGWUk5SMAk84lImIh5RSlChLA4wBfJROTk5K/////0r/////Sz90lGKJXZQo
    jAJub5SMA3llc5RldJRiLnMu`,
  0: `
    KGRwMApWbGFiZWxzCnAxCmNjb3B5X3JlZwpfcmVjb25zdHJ1Y3RvcgpwMgooY2pvYmxpYi5udW1weV9waWNrbGUKTnVtcHlBcnJh
    eVdyYXBwZXIKcDMKY19fYnVpbHRpbl9fCm9iamVjdApwNApOdHA1ClJwNgooZHA3ClZzdWJjbGFzcwpwOApjbnVtcHkKbmRhcnJh
    eQpwOQpzVnNoYXBlCnAxMAooSTIKdHAxMQpzVm9yZGVyCnAxMgpWQwpwMTMKc1ZkdHlwZQpwMTQKY251bXB5CmR0eXBlCnAxNQoo
    Vk84CnAxNgpJMDAKSTAxCnRwMTcKUnAxOAooSTMKVnwKcDE5Ck5OTkktMQpJLTEKSTYzCnRwMjAKYnNWYWxsb3dfbW1hcApwMjEK
    STAwCnNWbnVtcHlfYXJyYXlfYWxpZ25tZW50X2J5dGVzCnAyMgpJMTYKc2KABZWVAAAAAAAAAIwWbnVtcHkuX2NvcmUubXVsdGlh
    cnJheZSMDF9yZWNvbnN0cnVjdJSTlIwFbnVtcHmUjAduZGFycmF5lJOUSwCFlEMBYpSHlFKUKEsBSwKFlGgDjAVkdHlwZZSTlIwC
    TziUiYiHlFKUKEsDjAF8lE5OTkr/////Sv////9LP3SUYoldlCiMAm5vlIwDeWVzlGV0lGIucy4=`,
};

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

  for (const [protocol, dumped] of Object.entries(LABELS)) {
    it(`may hold objects, a pickle of their own whose numbers are not those of the one around it: protocol ${protocol}`, async () => {
      assert.deepEqual(await inspect(Buffer.from(dumped, 'base64')), []);
    });
  }

  const frame = (content: string) => `\x95${String.fromCharCode(content.length)}${'\0'.repeat(7)}${content}`;

  it('begin and end with the frame that Python reads at once', async () => {
    const behind = await findingsIn(frame(`${MADE}${state(2)}NN`), 'NN');
    assert.ok(behind.includes('has an array within a frame (FRAME)'), behind.join());
    assert.deepEqual(await inspect(bytes(`${PROTOCOL}${frame('N.N')}.`)), [
      'ends before its frame does (FRAME)',
    ]);
    assert.deepEqual(await inspect(bytes(`${PROTOCOL}${frame('N.')}`)), []);
  });

  it('may hold any numbers', async () => {
    for (let first = 0; first < 256; first++) {
      const numbers = Buffer.from(Array.from({ length: 100 }, (_, index) => (first + index * 37) % 256));
      assert.deepEqual(await findingsIn(MADE, state(100), numbers.toString('latin1')), [], `${first}`);
    }
  });
});
