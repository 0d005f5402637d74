// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of Dockerfiles.
import { dockerfile } from './buildkit-questions/dockerfiles';
import { CHMOD_PIECES, IMAGE_PIECES, PLATFORM_PIECES } from './buildkit-questions/names';
import { FILES, GLOB_PIECES, IGNORE_PIECES } from './buildkit-questions/paths';
import { pieces } from './buildkit-questions/pieces';
import { VARIABLES, word } from './buildkit-questions/words';
import type { Choices } from './random';

/** Something that BuildKit's packages are asked, by `test/buildkit/judge`. */
export type Question =
  | { readonly kind: 'dockerfile' | 'document' | 'image' | 'platform'; readonly text: string }
  | {
      readonly kind: 'word';
      readonly text: string;
      readonly escape: string;
      readonly env: Readonly<Record<string, string>>;
      /** Whether quotes mean nothing, as in here-documents. */
      readonly plain: boolean;
    }
  | { readonly kind: 'ignore' | 'glob'; readonly text: string; readonly paths: readonly string[] }
  | { readonly kind: 'chmod'; readonly text: string; readonly mode: number; readonly folder: boolean };

export type Kind = Question['kind'];

type Maker = (random: Choices) => Question;

/** Makers of questions by chance. */
export const MAKERS: Readonly<Record<Kind, Maker>> = {
  dockerfile: (random) => ({ kind: 'dockerfile', text: dockerfile(random) }),
  document: (random) => ({
    kind: 'document',
    text: `${random.of(['<<', '<<-', '<< ', '<<- ', '3<<', '<<<', ' <<', 'a<<', '<'])}${pieces(random, 3, ['EOF', 'E', 'F', '"', "'", '\\', '$A', '-', ' ', '<', '.', '/', 'ü', '${A}', '"a"', "'b'"])}`,
  }),
  word: (random) => ({
    ...{ kind: 'word', text: word(random), escape: random.once(6) ? '`' : '\\', env: VARIABLES },
    plain: random.once(8),
  }),
  ignore: (random) => ({
    kind: 'ignore',
    text: random
      .several(1, 4, () => `${random.once(4) ? '!' : ''}${pieces(random, 4, IGNORE_PIECES)}`)
      .join(random.once(8) ? '\r\n' : '\n'),
    paths: FILES,
  }),
  glob: (random) => ({ kind: 'glob', text: pieces(random, 4, GLOB_PIECES), paths: FILES }),
  chmod: (random) => ({
    ...{
      kind: 'chmod',
      text: pieces(random, 7, CHMOD_PIECES),
      mode: random.below(0o10000),
      folder: random.once(3),
    },
  }),
  image: (random) => ({ kind: 'image', text: pieces(random, 5, IMAGE_PIECES) }),
  platform: (random) => ({ kind: 'platform', text: pieces(random, 5, PLATFORM_PIECES) }),
};
