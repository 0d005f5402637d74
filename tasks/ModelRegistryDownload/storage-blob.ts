/*
 * What this task uses of the client library for Blob storage: a file of its own in the package, which is read when the
 * versions of a model are asked for. To load it takes longer than most of what the task does before.
 */
export {
  AnonymousCredential,
  ContainerClient,
  type HttpOperationResponse,
  newPipeline,
  RestError,
  type WebResource,
} from '@azure/storage-blob';
