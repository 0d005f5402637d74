import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a bench needs lies here, and goes with it when it ends. */
export const work = mkdtempSync(join(tmpdir(), 'bench-'));
export const bundle = join(work, 'extension', 'tasks', 'ModelRegistryDownload', 'index.js');
export const certificate = { cert: join(work, 'cert.pem'), key: join(work, 'key.pem') };

export function makeFolder(): string {
  return mkdtempSync(join(work, 'run-'));
}

/** Makes the certificate of the servers, and its key. */
export function makeCertificate(): void {
  const { status, error, stderr } = spawnSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1'],
      ...['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', certificate.key, '-out', certificate.cert],
    ],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`openssl could not make a certificate: ${error ?? stderr}`);
}
