import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startRegistry } from '../../local/registry/registry';

/* Starts the local registry in a folder, and writes its address to a file there. */

const folder = process.argv[2]!;

startRegistry({ folder, username: 'conformance', password: 'pa55-word' }).then(({ loginServer }) => {
  writeFileSync(join(folder, 'address.new'), loginServer);
  renameSync(join(folder, 'address.new'), join(folder, 'address'));
});
