import type { TaskContext } from '../common/task';
import { type BuiltRecord, recordProvenance } from './provenance/record';
import type { Destination } from './publish/destination';
import { attachBill, type ImageBill } from './publish/image-bill';
import type { ChainTable, Phases } from './report';
import { CYCLONEDX_PREDICATE, type InTotoStatement, statementOf } from './signing/bundle';
import { signImage } from './signing/sign-image';
import type { Signer } from './vault/signer';

/** An image that is in the registry, and what can be said of it. */
export interface PushedImage extends BuiltRecord {
  /** Undefined where nobody wants to know what is in the image. */
  readonly bill: ImageBill | undefined;
  /** Undefined where nothing is signed. */
  readonly signer: Signer | undefined;
}

/**
 * Attaches to an image what is said of it, before a tag names it: where it comes from, what is in it, and signatures of both.
 *
 * @returns where it comes from, for people
 */
export async function attachStatements(
  image: PushedImage,
  destination: Destination,
  phases: Phases,
  task: TaskContext,
): Promise<ChainTable> {
  const { inputs, modelCheck, prepared, manifest, bill, signer } = image;
  const { log, signal, version } = task;
  const { name } = destination;
  const record = () => recordProvenance(image, destination, task);
  const { chain, statement } = await (inputs.attest === 'off' ? record() : phases.run('Attest', record));
  const statements: InTotoStatement[] = statement ? [statement] : [];
  if (bill) {
    // As in the provenance, a model is named only where its files are what its manifest says.
    const model = (await modelCheck)?.fault === undefined ? inputs.model : undefined;
    const { base } = prepared.plan;
    const content = await phases.run('Bill of materials', () =>
      attachBill(bill, manifest, { name, base, model }, destination),
    );
    if (content) statements.push(statementOf(name, manifest.digest, CYCLONEDX_PREDICATE, content));
  }
  if (signer) {
    await phases.run('Sign', () =>
      signImage(signer, manifest, statements, destination, { log, signal, version }),
    );
  }
  return chain;
}
