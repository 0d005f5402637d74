import { stopAll } from '../stop';
import { type ImageRunner, notFound, type RunningImage } from './places';

/** As much of a container group's definition as is carried out. */
export interface GroupDefinition {
  readonly name: string;
  readonly location: string;
  readonly properties: {
    readonly containers: readonly {
      readonly name: string;
      readonly properties: { readonly image: string; readonly command?: readonly string[] };
    }[];
  };
}

interface Group {
  readonly definition: GroupDefinition;
  readonly running: RunningImage;
}

/** Container instances on this machine. */
export class ContainerGroups {
  private readonly groups = new Map<string, Group>();

  constructor(private readonly runner: ImageRunner) {}

  show(name: string): object {
    const group = this.groups.get(name);
    if (!group) throw notFound('Microsoft.ContainerInstance/containerGroups', name);
    const [ip, port] = group.running.host.split(':');
    return {
      name,
      location: group.definition.location,
      ipAddress: { ip, ports: [{ port: Number(port), protocol: 'TCP' }] },
      containers: group.definition.properties.containers.map((container) => ({
        name: container.name,
        image: container.properties.image,
      })),
    };
  }

  /** One with the same name takes the place of what is there. */
  async create(definition: GroupDefinition): Promise<object> {
    const { name, properties } = definition;
    await this.groups.get(name)?.running.stop();
    this.groups.delete(name);
    const { image, command = [] } = properties.containers[0]!.properties;
    this.groups.set(name, { definition, running: await this.runner.start(image, command) });
    return this.show(name);
  }

  async stop(): Promise<void> {
    const groups = [...this.groups.values()];
    this.groups.clear();
    await stopAll(groups.map(({ running }) => running));
  }
}
