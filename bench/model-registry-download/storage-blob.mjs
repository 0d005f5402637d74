/*
 * What the client library offers out of the box, as a process of its own: `node storage-blob.mjs <method> <folder>
 * <endpoint> <account> <key> <container> <prefix>`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';

const [method, folder, endpoint, account, key, container, prefix] = process.argv.slice(2);
const client = new ContainerClient(`${endpoint}/${container}`, new StorageSharedKeyCredential(account, key));

const names = [];
for await (const blob of client.listBlobsFlat({ prefix })) names.push(blob.name);

async function download(name) {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  const blob = client.getBlobClient(name);
  if (method === 'downloadToFile') await blob.downloadToFile(file);
  else writeFileSync(file, await blob.downloadToBuffer());
}

async function downloadSome() {
  for (let name = names.shift(); name !== undefined; name = names.shift()) await download(name);
}

await Promise.all(Array.from({ length: 16 }, downloadSome));
