import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type LoopbackServer, serveOnLoopback } from '../loopback';
import { stopAll } from '../stop';
import { CliError, type ImageRunner, notFound, type RunningImage } from './places';

interface Traffic {
  readonly revisionName?: string;
  readonly latestRevision?: boolean;
  readonly weight: number;
}

/** As much of a container app's definition as is carried out. */
export interface AppDefinition {
  readonly location: string;
  readonly properties: {
    readonly configuration: {
      readonly activeRevisionsMode: string;
      readonly ingress: { readonly traffic: Traffic[] };
    };
    readonly template: {
      readonly revisionSuffix: string;
      readonly containers: readonly { readonly image: string; readonly args?: readonly string[] }[];
    };
  };
}

interface Revision {
  readonly name: string;
  readonly image: string;
  readonly running: RunningImage | undefined;
  readonly problem: string | undefined;
  active: boolean;
}

interface App {
  readonly name: string;
  definition: AppDefinition;
  traffic: Traffic[];
  readonly revisions: Revision[];
  readonly ingress: LoopbackServer;
  questions: number;
}

/** Container apps on this machine: each has an address, and its questions go to its revisions by weight. */
export class ContainerApps {
  private readonly apps = new Map<string, App>();

  constructor(private readonly runner: ImageRunner) {}

  show(name: string): object {
    const app = this.app(name);
    const latest = app.revisions.at(-1)!.name;
    return {
      name,
      location: app.definition.location,
      properties: {
        ...app.definition.properties,
        provisioningState: 'Succeeded',
        latestRevisionName: latest,
        latestReadyRevisionName: latest,
        configuration: {
          ...app.definition.properties.configuration,
          ingress: {
            ...app.definition.properties.configuration.ingress,
            fqdn: new URL(app.ingress.url).host,
            traffic: app.traffic,
          },
        },
      },
    };
  }

  async create(name: string, definition: AppDefinition): Promise<object> {
    const ingress = await serveOnLoopback((question, answer) => this.forward(app, question, answer));
    const app: App = { name, definition, traffic: [], revisions: [], ingress, questions: 0 };
    this.apps.set(name, app);
    return this.update(name, definition);
  }

  /** Makes a revision of what the definition says, and routes as it says. */
  async update(name: string, definition: AppDefinition): Promise<object> {
    const app = this.app(name);
    const { revisionSuffix, containers } = definition.properties.template;
    const revision = `${name}--${revisionSuffix}`;
    if (app.revisions.some((other) => other.name === revision)) {
      throw new CliError(`(RevisionAlreadyExists) Revision with suffix ${revisionSuffix} already exists.`, 1);
    }
    const { image, args = [] } = containers[0]!;
    const started = await this.runner
      .start(image, args)
      .then((running) => ({ running, problem: undefined }))
      .catch((error: Error) => ({ running: undefined, problem: error.message }));
    app.revisions.push({ name: revision, image, active: true, ...started });
    app.definition = definition;
    this.setTraffic(app, definition.properties.configuration.ingress.traffic);
    return this.show(name);
  }

  showRevision(name: string, revision: string): object {
    return this.describe(this.revision(this.app(name), revision));
  }

  listRevisions(name: string): object[] {
    return this.app(name)
      .revisions.filter(({ active }) => active)
      .map((revision) => this.describe(revision));
  }

  async deactivate(name: string, revision: string): Promise<void> {
    const app = this.app(name);
    const found = this.revision(app, revision);
    if (app.traffic.some((one) => one.revisionName === revision && one.weight > 0)) {
      throw new CliError(`(RevisionInUse) ${revision} gets traffic.`, 1);
    }
    found.active = false;
    await found.running?.stop();
  }

  /**
   * As az has it, who had traffic before stays in the list, with nothing; what was given must be all of it.
   * @param weights `revision=percent`
   */
  route(name: string, weights: readonly string[]): Traffic[] {
    const app = this.app(name);
    const given = weights.map((text) => {
      const [revisionName = '', weight] = text.split('=');
      return { revisionName, weight: Number(weight) };
    });
    const before = app.traffic
      .filter((old) => !given.some(({ revisionName }) => revisionName === old.revisionName))
      .map((old) => ({ ...old, weight: 0 }));
    this.setTraffic(app, [...before, ...given]);
    return app.traffic;
  }

  async stop(): Promise<void> {
    const apps = [...this.apps.values()];
    this.apps.clear();
    const running = apps.flatMap(({ revisions }) => revisions.filter(({ active }) => active));
    await stopAll([...apps.map(({ ingress }) => ingress), ...running.map((revision) => revision.running)]);
  }

  private setTraffic(app: App, traffic: readonly Traffic[]): void {
    const named = traffic.map(({ revisionName, latestRevision, weight }) => ({
      revisionName: latestRevision ? app.revisions.at(-1)!.name : revisionName!,
      weight,
    }));
    if (named.reduce((sum, { weight }) => sum + weight, 0) !== 100) {
      throw new CliError('(InvalidTraffic) The weights of the traffic must add up to 100.', 1);
    }
    for (const { revisionName, weight } of named) {
      if (weight > 0 && !this.revision(app, revisionName).active) {
        throw new CliError(`(InvalidTraffic) The revision ${revisionName} is not active.`, 1);
      }
    }
    app.traffic = named;
  }

  private describe({ name, image, active, running, problem }: Revision): object {
    return {
      name,
      properties: {
        active,
        fqdn: running?.host,
        provisioningState: running ? 'Provisioned' : 'Failed',
        provisioningError: problem,
        template: { containers: [{ image }] },
      },
    };
  }

  private app(name: string): App {
    const app = this.apps.get(name);
    if (!app) throw notFound('Microsoft.App/containerApps', name);
    return app;
  }

  private revision(app: App, name: string): Revision {
    const revision = app.revisions.find((other) => other.name === name);
    if (!revision) throw notFound(`Microsoft.App/containerApps/${app.name}/revisions`, name);
    return revision;
  }

  private forward(app: App, question: IncomingMessage, answer: ServerResponse): void {
    const host = this.choose(app)?.running?.host;
    if (!host) {
      answer.writeHead(503).end('No revision serves.');
      return;
    }
    const [hostname, port] = host.split(':');
    const onward = request(
      { hostname, port, method: question.method, path: question.url, headers: question.headers },
      (reply) => {
        answer.writeHead(reply.statusCode!, reply.headers);
        reply.pipe(answer);
      },
    );
    onward.on('error', () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()));
    question.pipe(onward);
  }

  /** Of a hundred questions in a row, each revision gets its share. */
  private choose(app: App): Revision | undefined {
    let place = app.questions++ % 100;
    for (const { revisionName, weight } of app.traffic) {
      place -= weight;
      if (place < 0) return app.revisions.find(({ name }) => name === revisionName);
    }
    return undefined;
  }
}
