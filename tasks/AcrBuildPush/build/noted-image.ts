import { faultIn, type Shape, type Shaped } from '../../common/shape';
import type { ImageConfig, ParentImage } from '../image/image';
import { readConfig } from '../image/manifest';
import type { EarlierImage } from '../registry/earlier-images';

/** Where the note stands in a configuration, which may have fields of its own by the OCI image specification. */
const NOTE = 'engineImage';

/** What it takes to know an engine's image again without reading it. */
const NOTE_SHAPE = {
  /** By which the engine knows it: a digest of all that is in it. */
  id: 'text',
  config: 'object',
  /** How many layers of the image that has this note are its layers, and how many steps of its history its steps. */
  layers: 'number',
  history: 'number',
} as const satisfies Shape;

/** Notes in an image's configuration which image of an engine it is built on. */
export function noteImage({ engineId, config, layers }: ParentImage): Record<string, unknown> {
  if (engineId === undefined) return {};
  const history = config.history?.length ?? 0;
  return { [NOTE]: { id: engineId, config: config.config, layers: layers.length, history } };
}

/** The configuration of an engine's image, where an earlier image was built on it; undefined where none was. */
export function findNotedImage(earlier: readonly EarlierImage[], engineId: string): ImageConfig | undefined {
  for (const { config } of earlier) {
    const noted = readNote(config, engineId);
    if (noted) return noted;
  }
  return undefined;
}

/** What a note makes of an image's configuration; undefined for one on another image, and for what is none. */
function readNote(config: ImageConfig, engineId: string): ImageConfig | undefined {
  const note = config[NOTE];
  if (faultIn(note, NOTE_SHAPE) !== undefined) return undefined;
  const { id, config: settings, layers, history } = note as Shaped<typeof NOTE_SHAPE>;
  if (id !== engineId || !isCount(layers) || !isCount(history)) return undefined;
  const { os, architecture, variant, rootfs } = config;
  const noted = {
    os,
    architecture,
    variant,
    config: settings,
    rootfs: { type: 'layers', diff_ids: rootfs.diff_ids.slice(0, layers) },
    history: config.history?.slice(0, history),
  };
  // Anybody may have written it.
  return readConfig(Buffer.from(JSON.stringify(noted)));
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
