import type { BuildPlan } from '../build-plan';
import { stageRequest } from '../build-plan';
import { findImages } from '../dockerfile/base-image';
import type { ImageName } from '../image/image-name';
import { asBaseImage, readImageName } from '../image/image-name';
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
    uri: packageUrl(image, digest),
    ...(digest !== undefined && { digest: digestSet(digest) }),
    annotations: { name: asBaseImage(image).name },
  };
}

/** By the type `oci` of package URLs, the version of which is the digest. */
function packageUrl({ registry, repository, tag }: ImageName, digest: string | undefined): string {
  const name = repository.split('/').at(-1)!;
  const version = digest === undefined ? '' : `@${encodeURIComponent(digest)}`;
  const place = `repository_url=${encodeURIComponent(`${registry}/${repository}`).replaceAll('%2F', '/')}`;
  return `pkg:oci/${name}${version}?${place}${tag === undefined ? '' : `&tag=${encodeURIComponent(tag)}`}`;
}
