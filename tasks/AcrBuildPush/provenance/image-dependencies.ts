import { imageUrl } from '../bill-of-materials/package-url';
import { type BuildPlan, stageRequest } from '../build-plan';
import { findImages } from '../dockerfile/base-image';
import { asBaseImage, type ImageName, readImageName } from '../image/image-name';
import { type Dependency, digestSet } from './statement';

/**
 * The images that an image is made of: the one that it is built on, and those that other stages take or copy from. Where
 * only the name is known, it stands without a digest.
 */
export function imageDependencies(plan: BuildPlan): readonly Dependency[] {
  const platforms = plan.platforms.length > 0 ? plan.platforms : [undefined];
  const images = platforms.flatMap((platform) => findImages(plan.recipe, stageRequest(plan, platform)));
  const known = images.map((image) => ({ image, digest: image.digest }));
  const { base } = plan;
  const own = base && readImageName(base.name);
  const all = [
    ...(own ? [{ image: own, digest: base.digest }] : []),
    ...known.filter(({ image }) => asBaseImage(image).name !== base?.name),
  ];
  const dependencies = all.map(({ image, digest }, index) =>
    dependencyOf(image, digest, own !== undefined && index === 0 ? 'base-image' : 'image'),
  );
  return [...new Map(dependencies.map((one) => [one.uri, one])).values()];
}

function dependencyOf(image: ImageName, digest: string | undefined, name: string): Dependency {
  return {
    name,
    uri: imageUrl(`${image.registry}/${image.repository}`, digest, { tag: image.tag }),
    ...(digest !== undefined && { digest: digestSet(digest) }),
    annotations: { name: asBaseImage(image).name },
  };
}
