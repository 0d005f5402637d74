import type { ContainerSettings, ImageConfig, ParentImage } from '../image/image';
import type { EarlierImage } from '../registry/earlier-images';

/** Where the note stands in a configuration, which may have fields of its own by the OCI image specification. */
const NOTE = 'engineImage';

/** What it takes to know an engine's image again without reading it. */
interface Note {
  /** By which the engine knows it: a digest of all that is in it. */
  readonly id: string;
  readonly config: ContainerSettings | undefined;
  /** How many layers of the image that has this note are its layers, and how many steps of its history its steps. */
  readonly layers: number;
  readonly history: number;
}

/** Notes in an image's configuration which image of an engine it is built on. */
export function noteImage({ engineId, config, layers }: ParentImage): Record<string, unknown> {
  if (engineId === undefined) return {};
  const history = config.history?.length ?? 0;
  const note: Note = { id: engineId, config: config.config, layers: layers.length, history };
  return { [NOTE]: note };
}

/** The configuration of an engine's image, where an earlier image was built on it; undefined where none was. */
export function findNotedImage(earlier: readonly EarlierImage[], engineId: string): ImageConfig | undefined {
  for (const { config } of earlier) {
    const note = config[NOTE] as Note | undefined;
    if (note?.id !== engineId) continue;
    const { os, architecture, variant } = config;
    return {
      ...{ os, architecture, ...(variant && { variant }) },
      ...(note.config && { config: note.config }),
      rootfs: { type: 'layers', diff_ids: config.rootfs.diff_ids.slice(0, note.layers) },
      ...(config.history && { history: config.history.slice(0, note.history) }),
    };
  }
  return undefined;
}
