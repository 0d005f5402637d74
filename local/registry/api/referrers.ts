import type { BlobStore } from '../blob-store';
import type { Catalog } from '../catalog';
import { type Exchange, replyJson } from '../exchange';

/** What a manifest says of itself that its referrers are listed with. */
interface Referrer {
  readonly artifactType?: string;
  readonly config?: { readonly mediaType?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * `GET /v2/<repository>/referrers/<digest>`: the manifests that say something about another, such as signatures and
 * attestations; of one type where `artifactType` asks for it. None are no error, whether or not there is that manifest.
 */
export async function listReferrers(exchange: Exchange, blobs: BlobStore, catalog: Catalog): Promise<void> {
  const { response, query, repository, reference } = exchange;
  const wanted = query.get('artifactType');
  const found = [...(catalog.find(repository)?.manifests ?? [])].filter(
    ([, { subject }]) => subject === reference,
  );
  const manifests = await Promise.all(
    found.map(async ([digest, { mediaType, size }]) => {
      const content: Referrer = JSON.parse((await blobs.readWhole(digest)).toString('utf8'));
      const artifactType = content.artifactType ?? content.config?.mediaType;
      const { annotations } = content;
      return {
        mediaType,
        digest,
        size,
        ...(artifactType && { artifactType }),
        ...(annotations && { annotations }),
      };
    }),
  );
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  replyJson(
    response,
    200,
    {
      schemaVersion: 2,
      mediaType,
      manifests: manifests.filter(({ artifactType }) => wanted === null || artifactType === wanted),
    },
    { 'Content-Type': mediaType, ...(wanted === null ? {} : { 'OCI-Filters-Applied': 'artifactType' }) },
  );
}
