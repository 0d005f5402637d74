import { awaitedLater } from '../../common/awaited-later';
import { throwIfCancelled } from '../../common/cancel';
import { describeError, TaskError } from '../../common/errors';
import type { Logger } from '../../common/log';
import { formatBytes, plural } from '../../common/text';
import { inTime } from '../../common/time-limit';
import { billOfMaterials, CYCLONEDX, remarksOn } from '../bill-of-materials/document';
import { type Inventory, layersToRead, takeInventory } from '../bill-of-materials/inventory';
import type { LayerPackages } from '../bill-of-materials/layer-packages';
import { type ModelFacts, modelComponent } from '../bill-of-materials/model';
import { readNotes } from '../bill-of-materials/notes';
import { CREATED } from '../image/annotations';
import type { BaseImage, Layer, Manifest, RemoteLayer } from '../image/image';
import { type IndexEntry, readConfig } from '../image/manifest';
import { SIGSTORE_BUNDLE } from '../image/media-types';
import type { RegistryClient } from '../registry/client';
import type { EarlierImage, EarlierImages } from '../registry/earlier-images';
import { remoteLayer } from '../registry/pull';
import { findReferrers, readAttachedBlob } from '../registry/referrers';
import { ATTACH_LIMIT, type Attachment, attach } from './attach';
import type { Place } from './destination';

export interface ImageBillOptions {
  readonly registry: RegistryClient;
  readonly earlier: Pick<EarlierImages, 'all'>;
  /** What is known of layers, which others add to as they read them. */
  readonly packages: LayerPackages;
  /** Where bills are signed: takes the bill of an image out of a bundle that the same key has signed. */
  readonly signedBill?: ((bundle: Buffer, digest: string) => Buffer | undefined) | undefined;
  /** The version of the step. */
  readonly version: string;
  /** Bytes of layers that are fetched to be read, together, at most. */
  readonly largest?: number;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** What is said of an image besides what its layers tell. */
export interface BilledImage {
  /** `<login server>/<repository>` */
  readonly name: string;
  readonly base: BaseImage | undefined;
  readonly model: ModelFacts | undefined;
}

/**
 * Bytes of layers that are fetched by default. A slim image with Python is smaller; with more, a step would
 * wait for what it does not need.
 */
const LARGEST_FETCH = 64 * 1024 * 1024;

/** What is attached to one image and read, at most; and bytes of each. */
const MOST_ATTACHED = 20;
const LARGEST_BILL = 32 * 1024 * 1024;

/** Earlier images whose bills are looked at, those with the most layers in common. */
const MOST_EARLIER = 2;

/** The bill of materials of the image of a step. */
export class ImageBill {
  private notes: Promise<readonly Inventory[]> | undefined;
  private begun: Promise<void> | undefined;

  constructor(readonly options: ImageBillOptions) {}

  /**
   * Begins with an image that is still being published: what is known of its layers from earlier images is looked up, and
   * what else lies in registries is read.
   */
  begin(layers: readonly Layer[]): void {
    const diffIds = layers.map(({ diffId }) => diffId);
    const remote = layers.filter((layer) => layer.kind === 'remote');
    this.begun = awaitedLater(this.notesOn(diffIds).then((notes) => this.read(diffIds, remote, notes)));
  }

  /**
   * The bill of an image that is in the registry.
   *
   * @param listed what it has attached already
   * @returns undefined where it has its bill, and where there is none for it, which is logged
   */
  async attachment(
    manifest: Manifest,
    image: BilledImage,
    listed: readonly IndexEntry[],
  ): Promise<Attachment | undefined> {
    const { registry, packages, version, log } = this.options;
    await this.begun;
    if (!manifest.config) {
      log.info('No bill of materials is attached: the image is several, one for each platform.');
      return undefined;
    }
    const config = readConfig(await registry.blob(manifest.config.digest));
    const layers = config?.rootfs.diff_ids ?? [];
    if (!config || layers.length !== manifest.layers.length) return undefined;
    const own = await this.bills(manifest.digest, listed);
    if (own.some(({ unknown }) => unknown === 0)) {
      log.info('The image has its bill of materials.');
      return undefined;
    }
    const notes = [...own, ...(await this.notesOn(layers))];
    const stored = manifest.layers.map((layer, index) => remoteLayer(registry, layer, layers[index]!));
    await this.read(layers, stored, notes);
    const inventory = takeInventory(layers, packages.known, notes);
    const { architecture, created } = config;
    const subject = { ...image, digest: manifest.digest, architecture, created };
    const model = image.model && modelComponent(image.model);
    const content = billOfMaterials(subject, inventory, model, version);
    const remarks = remarksOn(inventory);
    log.info(`The bill of materials lists ${plural(countPackages(inventory), 'package')}.`);
    for (const remark of remarks) log.info(`It does not tell of ${remark}.`);
    const blob = { name: 'The bill of materials', mediaType: CYCLONEDX, content };
    return {
      artifactType: CYCLONEDX,
      blobs: [{ ...blob, annotations: { 'org.opencontainers.image.title': 'sbom.cdx.json' } }],
      ...(created && { annotations: { [CREATED]: created } }),
    };
  }

  private async read(
    diffIds: readonly string[],
    layers: readonly RemoteLayer[],
    notes: readonly Inventory[],
  ): Promise<void> {
    const { packages, largest = LARGEST_FETCH, log, signal } = this.options;
    const wanted = new Set(layersToRead(diffIds, packages.known, notes));
    const missing = layers.filter(({ diffId, isHere }) => wanted.has(diffId) && !isHere);
    const size = missing.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
    if (missing.length === 0 || size > largest) return;
    log.info(
      `Reading ${plural(missing.length, 'layer')} (${formatBytes(size)}) for the bill of materials. The next image with the same layers spares it.`,
    );
    await Promise.all(missing.map((layer) => packages.read(layer, signal)));
  }

  /** What is noted beside the base image, and what the bills of earlier images tell, of layers that this one has, too. */
  private notesOn(diffIds: readonly string[]): Promise<readonly Inventory[]> {
    this.notes ??= this.readEarlier(diffIds);
    return this.notes;
  }

  private async readEarlier(diffIds: readonly string[]): Promise<readonly Inventory[]> {
    const { earlier, packages, registry } = this.options;
    const { noted } = packages;
    if (layersToRead(diffIds, packages.known, noted).length === 0) return noted;
    const related = (await earlier.all())
      .map((image) => ({ image, common: commonLayers(image, diffIds) }))
      .filter(({ common }) => common > 0)
      .sort((a, b) => b.common - a.common)
      .slice(0, MOST_EARLIER);
    const digests = new Set(related.map(({ image }) => image.digest));
    const bills = await Promise.all(
      [...digests].map(async (digest) => {
        try {
          return await this.bills(digest, await findReferrers(registry, digest));
        } catch (error) {
          // Knowing them only spares work.
          if (error instanceof TaskError) return [];
          throw error;
        }
      }),
    );
    return [...noted, ...bills.flat()];
  }

  /** The bills of this step among what is attached to an image; where bills are signed, those that are. */
  private async bills(image: string, listed: readonly IndexEntry[]): Promise<readonly Inventory[]> {
    const { registry, signedBill } = this.options;
    const type = signedBill ? SIGSTORE_BUNDLE : CYCLONEDX;
    const found = await Promise.all(
      listed
        .filter(({ artifactType }) => artifactType === type)
        .slice(-MOST_ATTACHED)
        .map(async (entry) => {
          const blob = await readAttachedBlob(registry, entry, ({ size }) => size <= LARGEST_BILL);
          const document = blob && (signedBill ? signedBill(blob.content, image) : blob.content);
          return document && readNotes(document);
        }),
    );
    return found.filter((inventory) => inventory !== undefined);
  }
}

/**
 * Attaches its bill of materials to an image, which is of use without: a registry that takes none does not keep it from its
 * tags.
 *
 * @returns the document; undefined where the image has it already, or the registry took none
 */
export async function attachBill(
  bill: ImageBill,
  manifest: Manifest,
  image: BilledImage,
  place: Place,
): Promise<object | undefined> {
  const { log, signal } = bill.options;
  const attachOnce = async () => {
    const listed = await findReferrers(place.registry, manifest.digest);
    const attachment = await bill.attachment(manifest, image, listed);
    if (!attachment) return undefined;
    const [attached] = await attach(manifest, [attachment], listed, place, { log, signal });
    log.info(`Attached the bill of materials: ${attached!.digest}`);
    return JSON.parse(attachment.blobs[0]!.content.toString('utf8')) as object;
  };
  try {
    return await inTime(attachOnce(), signal, ATTACH_LIMIT);
  } catch (error) {
    throwIfCancelled(signal);
    if (error instanceof TaskError) for (const detail of error.details) log.info(detail);
    log.warning(
      `${place.registry.host} did not take the bill of materials of the image: ${describeError(error).replace(/\.$/, '')}. The image itself is complete. Set input 'sbom' to off if this registry takes no attachments.`,
    );
    return undefined;
  }
}

function commonLayers({ config }: EarlierImage, diffIds: readonly string[]): number {
  const own = config.rootfs.diff_ids;
  const differs = diffIds.findIndex((diffId, index) => own[index] !== diffId);
  return differs < 0 ? diffIds.length : differs;
}

function countPackages({ files }: Inventory): number {
  let count = 0;
  for (const { finding } of files.values()) {
    if (finding.kind === 'packages') count += finding.packages.length;
  }
  return count;
}
