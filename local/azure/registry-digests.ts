import type { RegistryLogin } from '../engine/registry-client';

const MANIFESTS = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** Looks up what `repository:tag` names in a registry; undefined where there is none. */
export function digestsOf({ loginServer, username, password }: RegistryLogin) {
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  return async (image: string): Promise<string | undefined> => {
    const [repository, tag] = image.split(':');
    const answer = await fetch(`http://${loginServer}/v2/${repository}/manifests/${tag}`, {
      method: 'HEAD',
      headers: { Accept: MANIFESTS, Authorization: authorization },
    });
    return answer.ok ? (answer.headers.get('docker-content-digest') ?? undefined) : undefined;
  };
}
