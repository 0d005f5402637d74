import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  asMapping,
  asText,
  childOf,
  parseYaml,
  refuseOtherKeys,
  textAt,
  type YamlNode,
} from './pipeline/yaml';
import type { AgentOptions, ServiceConnection } from './types';

/** What a file of service connections brings to a run. */
export type Connections = Pick<AgentOptions, 'serviceConnections' | 'collectionUri' | 'accessToken'>;

const ABOUT = ['id', 'type', 'url', 'scheme', 'parameters', 'data'];

/**
 * Reads service connections from a YAML file, which stands in for those of a project's settings. For connections that
 * sign in by federation, the file also names the organization that vouches for the pipeline.
 *
 *     organization:
 *       collectionUri: http://127.0.0.1:40000/demo/
 *       accessToken: not-shown-in-logs
 *     connections:
 *       model-pipelines:
 *         type: azurerm
 *         url: https://management.azure.com/
 *         scheme: WorkloadIdentityFederation
 *         parameters: { tenantid: …, serviceprincipalid: … }
 *         data: { environmentAuthorityUrl: http://127.0.0.1:40000/ }
 */
export async function readServiceConnections(file: string): Promise<Connections> {
  const parts = asMapping(parseYaml(await readFile(file, 'utf8'), file), 'A file of service connections');
  refuseOtherKeys(
    parts.entries.map(({ key }) => key),
    ['organization', 'connections'],
    'a file of service connections',
  );
  const organization = childOf(parts, 'organization');
  const connections = childOf(parts, 'connections');
  return {
    ...(organization && readOrganization(organization)),
    serviceConnections: connections
      ? asMapping(connections, "'connections'").entries.map(({ key, value }) =>
          readConnection(key.text, value),
        )
      : [],
  };
}

function readOrganization(node: YamlNode): Pick<Connections, 'collectionUri' | 'accessToken'> {
  const organization = asMapping(node, "'organization'");
  refuseOtherKeys(
    organization.entries.map(({ key }) => key),
    ['collectionUri', 'accessToken'],
    "'organization'",
  );
  return {
    collectionUri: textAt(organization, 'collectionUri'),
    accessToken: textAt(organization, 'accessToken'),
  };
}

function readConnection(name: string, node: YamlNode): ServiceConnection {
  const connection = asMapping(node, `The service connection '${name}'`);
  refuseOtherKeys(
    connection.entries.map(({ key }) => key),
    ABOUT,
    `the service connection '${name}'`,
  );
  const texts = (part: string) => {
    const found = childOf(connection, part);
    const entries = found ? asMapping(found, `'${part}'`).entries : [];
    return Object.fromEntries(entries.map(({ key, value }) => [key.text, asText(value, `'${key.text}'`)]));
  };
  const id = childOf(connection, 'id');
  return {
    id: id ? asText(id, "'id'") : randomUUID(),
    name,
    type: textAt(connection, 'type'),
    url: textAt(connection, 'url'),
    scheme: textAt(connection, 'scheme'),
    parameters: texts('parameters'),
    data: texts('data'),
  };
}
