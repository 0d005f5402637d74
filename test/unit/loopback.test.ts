import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAcrTasks } from '../../local/acr-tasks/acr-tasks';
import { startWorkspace } from '../../local/databricks/workspace';
import { startEntra } from '../../local/entra/entra';
import { startKeyVault } from '../../local/key-vault/key-vault';
import { startRegistry } from '../../local/registry/registry';

interface Service {
  readonly url: string;
  stop(): Promise<void>;
}

describe('a local service', () => {
  let folder: string;
  let service: Service | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'local-service-'));
  });

  afterEach(async () => {
    await service?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const workspace = () => startWorkspace({ folder });
  const services: Record<string, () => Promise<Service>> = {
    'Microsoft Entra': () => startEntra({ tenantId: 'tenant', applications: [] }),
    'Azure Key Vault': () => startKeyVault({ keys: {}, claims: () => undefined }),
    'ACR Tasks': () =>
      startAcrTasks({
        subscriptionId: 'subscription',
        registry: { url: '', loginServer: '', username: '', password: '' },
        accepts: () => true,
      }),
    Databricks: workspace,
    'the storage of Databricks': async () => {
      const { storage, stop } = await workspace();
      return { url: storage.url, stop };
    },
    'the container registry': () => startRegistry({ folder, username: 'admin', password: 'password' }),
  };

  for (const [name, start] of Object.entries(services)) {
    it(`such as ${name} outlives who hangs up in the middle, and who asks for what is no address`, async () => {
      service = await start();
      const { hostname, port } = new URL(service.url);
      const send = (head: string, body = '') => {
        const socket = connect(Number(port), hostname);
        const headers = ['Host: local', 'Authorization: Bearer token', 'Connection: close'];
        socket.write([head, ...headers, `Content-Length: ${10 * body.length}`, '', body].join('\r\n'));
        return socket;
      };
      const cut = send('POST /tenant/oauth2/v2.0/token?api-version=1 HTTP/1.1', 'half');
      await once(cut, 'ready');
      cut.end();
      await once(cut.resume(), 'close');
      const answer = send('GET // HTTP/1.1');
      const [head] = (await once(answer, 'data')) as [Buffer];
      assert.match(head.toString(), /^HTTP\/1\.1 [45]\d\d /);
      answer.destroy();
      assert.ok((await fetch(service.url)).status >= 200);
    });
  }
});
