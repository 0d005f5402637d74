import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../local/processes';
import { preparePython } from '../../local/python';
import { root } from '../../scripts/paths';
import { find, helm, IMAGE, objectsOf, render } from './render';

/** Settings that people give, and what of the release differs. */
const CHOICES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'what the pipeline gives': { modelDigest: IMAGE['image.digest'] },
  'one replica without autoscaling': { 'autoscaling.enabled': 'false', replicas: '1' },
  'an ingress with TLS': {
    'ingress.enabled': 'true',
    'ingress.host': 'titanic.example',
    'ingress.className': 'nginx',
    'ingress.tlsSecret': 'titanic-tls',
  },
  'who may ask': { 'networkPolicy.from[0].namespaceSelector.matchLabels.team': 'shop' },
  'a load balancer, origins and a secret for pulling': {
    'service.type': 'LoadBalancer',
    'corsOrigins[0]': 'https://shop.example',
    'image.pullSecrets[0]': 'registry',
  },
  'no policies': { 'networkPolicy.enabled': 'false', 'podDisruptionBudget.enabled': 'false' },
};

const MISTAKES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'no image': { 'image.repository': '', 'image.digest': '' },
  'a tag in place of a digest': { 'image.digest': '1.0.0' },
  'a tag in the repository': { 'image.repository': 'example.azurecr.io/titanic-model-api:1.0.0' },
  'a setting that does not exist': { replica: '3' },
  'an ingress without a host': { 'ingress.enabled': 'true' },
  'a quantity that is none': { 'resources.limits.memory': 'much' },
};

describe('the chart', function () {
  this.timeout(300_000);

  for (const [what, settings] of Object.entries(CHOICES)) {
    it(`is as Helm wants it: ${what}`, async () => {
      const { exitCode, output } = await helm(['lint', '--strict'], { ...IMAGE, ...settings });
      assert.equal(exitCode, 0, output);
    });
  }

  for (const [what, settings] of Object.entries(MISTAKES)) {
    it(`refuses ${what}`, async () => {
      const { exitCode, output } = await helm(['template', 'titanic'], { ...IMAGE, ...settings });
      assert.notEqual(exitCode, 0);
      assert.match(output, /values don't meet the specifications/);
    });
  }

  it('makes objects that Kubernetes knows, of old versions and new ones', async () => {
    const { python } = await preparePython({
      folder: join(root, '.local/kubernetes'),
      requirements: [join(root, 'test/chart/requirements.txt')],
      log: () => {},
    });
    const folder = mkdtempSync(join(tmpdir(), 'chart-'));
    try {
      for (const [what, settings] of Object.entries(CHOICES)) {
        const file = join(folder, 'objects.yaml');
        writeFileSync(file, await render({ ...IMAGE, ...settings }));
        for (const version of ['1.25', '1.37']) {
          const args = ['-m', 'kubernetes_validate', '-k', version, '--strict', file];
          const { exitCode, output } = await run(python, args);
          assert.equal(exitCode, 0, `${what}, ${version}: ${output}`);
        }
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('runs the image by digest, without rights, on a root that it can not write to', async () => {
    const pod = find(objectsOf(await render(IMAGE)), 'Deployment').spec.template.spec;
    assert.equal(pod.automountServiceAccountToken, false);
    assert.equal(pod.securityContext.runAsNonRoot, true);
    assert.equal(pod.securityContext.seccompProfile.type, 'RuntimeDefault');
    const [container] = pod.containers;
    assert.equal(container.image, `${IMAGE['image.repository']}@${IMAGE['image.digest']}`);
    assert.deepEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    assert.equal(container.readinessProbe.httpGet.path, '/api/ready');
    assert.equal(container.livenessProbe.httpGet.path, '/api/health');
    assert.ok(container.resources.limits.memory);
    assert.ok(
      pod.terminationGracePeriodSeconds > Number(container.args.at(-1)) + 5,
      'time to drain and to answer',
    );
  });

  it('lets the API send nothing, and everybody or somebody ask', async () => {
    const open = find(objectsOf(await render(IMAGE)), 'NetworkPolicy').spec;
    assert.deepEqual(open.policyTypes, ['Ingress', 'Egress']);
    assert.deepEqual(open.egress, []);
    assert.equal(open.ingress[0].from, undefined);
    const restricted = await render({ ...IMAGE, ...CHOICES['who may ask'] });
    const { from } = find(objectsOf(restricted), 'NetworkPolicy').spec.ingress[0];
    assert.equal(from.length, 2, 'those that were named, and the test of the release');
  });

  it('leaves the number of replicas to the autoscaler, where there is one', async () => {
    const scaled = objectsOf(await render(IMAGE));
    assert.equal(find(scaled, 'Deployment').spec.replicas, undefined);
    assert.equal(find(scaled, 'HorizontalPodAutoscaler').spec.minReplicas, 2);
    const fixed = objectsOf(await render({ ...IMAGE, ...CHOICES['one replica without autoscaling'] }));
    assert.equal(find(fixed, 'Deployment').spec.replicas, 1);
    const kinds = fixed.map(({ kind }) => kind);
    assert.ok(!kinds.includes('HorizontalPodAutoscaler'));
    assert.ok(
      !kinds.includes('PodDisruptionBudget'),
      'it would keep the node of the only replica from being drained',
    );
  });
});
