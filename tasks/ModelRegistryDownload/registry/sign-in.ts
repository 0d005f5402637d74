import {
  AnonymousCredential,
  ContainerClient,
  newPipeline,
  type RequestPolicyFactory,
  type StoragePipelineOptions,
  StorageSharedKeyCredential,
} from '../storage-blob';
import { queryOf, type RegistryCredential } from './credential';

/** A client of the container at an address, which proves with each request that it may read there. */
export function signInTo(
  url: string,
  { account, credential }: { readonly account: string; readonly credential: RegistryCredential },
  options: StoragePipelineOptions,
): ContainerClient {
  switch (credential.kind) {
    case 'accountKey':
      return new ContainerClient(url, new StorageSharedKeyCredential(account, credential.key), options);
    case 'sas':
      return new ContainerClient(`${url}?${queryOf(credential.token)}`, new AnonymousCredential(), options);
    case 'entra': {
      const pipeline = newPipeline(new AnonymousCredential(), options);
      pipeline.factories.push(bearerTokens(() => credential.token()));
      return new ContainerClient(url, pipeline);
    }
  }
}

/** The library's own way to send tokens would ask the service for its tenant first, and renews tokens by rules of its own. */
function bearerTokens(token: () => Promise<string>): RequestPolicyFactory {
  return {
    create: (next) => ({
      async sendRequest(request) {
        request.headers.set('Authorization', `Bearer ${await token()}`);
        return next.sendRequest(request);
      },
    }),
  };
}
