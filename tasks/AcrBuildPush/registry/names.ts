import { COMPONENT } from '../image/image-name';

/*
 * How registries and repositories are named. The functions that end in `Problem` return what is wrong with a name, to
 * go on from the name of its input (`is …, but …`), or undefined.
 */

/** `myregistry`, or `myregistry-e7ggejfuhzhgedc8` where the server's name carries a hash against takeover. */
const REGISTRY_NAME = /^[a-z0-9]{5,50}(-[a-z0-9]+)?$/;

const HOST_LABEL = '[a-z0-9](?:[a-z0-9-]*[a-z0-9])?';
const LOGIN_SERVER = new RegExp(`^(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[0-9a-f:]+\\])(?::[0-9]{1,5})?$`);

const WHOLE_COMPONENT = new RegExp(`^${COMPONENT}$`);

/** Registries in Azure, its clouds for the US government and China included. */
const AZURE_SERVER = /\.azurecr\.(io|us|cn)(:[0-9]+)?$/;

/** A login server as docker wants it: in lower case, without a scheme. Mixed case ends in `unauthorized`. */
export function normalizeLoginServer(text: string): string {
  return text
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .replace(/\/+$/, '');
}

/** The login server of a registry that is given by its name, or by its full server name. */
export function loginServerOf(acrName: string): string {
  const name = normalizeLoginServer(acrName);
  return /[.:]/.test(name) ? name : `${name}.azurecr.io`;
}

/** Whether a server is a registry of Azure's, by its name. */
export function isAzureServer(loginServer: string): boolean {
  return AZURE_SERVER.test(loginServer);
}

/** The registry's name, which is also its admin user's name; undefined for servers outside Azure. */
export function registryNameOf(loginServer: string): string | undefined {
  return isAzureServer(loginServer) ? loginServer.split(/[.-]/, 1)[0] : undefined;
}

/** Of a registry's name, or its address in place of one. */
export function acrNameProblem(acrName: string): string | undefined {
  const name = normalizeLoginServer(acrName);
  if (/[.:/]/.test(name)) return loginServerProblem(name);
  if (REGISTRY_NAME.test(name)) return undefined;
  return `is '${acrName}', but a registry's name has 5 to 50 letters and digits. Find it on the registry's page in the Azure portal.`;
}

/** Of a login server. */
export function loginServerProblem(loginServer: string): string | undefined {
  const is = `is '${loginServer}', but`;
  if (loginServer.includes('/')) {
    return `${is} must be a server's name alone. What follows the slash belongs in input 'repository'.`;
  }
  if (!LOGIN_SERVER.test(loginServer)) {
    return `${is} that is not a server's name, such as myregistry.azurecr.io or 127.0.0.1:5000.`;
  }
  if (!/[.:]/.test(loginServer) && loginServer !== 'localhost') {
    return `${is} docker takes a name without a dot for a repository on Docker Hub. Give the full name of the server, such as ${loginServer}.azurecr.io.`;
  }
  if (isAzureServer(loginServer) && loginServer.includes(':')) {
    return `${is} Azure Container Registry refuses credentials when a port is given. Leave out the port.`;
  }
  return undefined;
}

/** Whether a server is this machine. Docker talks plain HTTP with registries there, and there only. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:[0-9]+$/, '');
  return name === 'localhost' || name === '[::1]' || /^127(\.[0-9]{1,3}){3}$/.test(name);
}

/** The address of a registry's API. */
export function registryUrl(loginServer: string): string {
  return `${isLoopback(loginServer) ? 'http' : 'https'}://${loginServer}`;
}

/** Checks a repository's name, in lower case, against the grammar of the OCI distribution specification. */
export function repositoryProblem(repository: string, loginServer: string): string | undefined {
  const is = `is '${repository}', but`;
  if (/^[a-z]+:\/\//.test(repository)) {
    return `${is} takes no address: the registry's name is put in front of it. Give only what follows that name and its slash.`;
  }
  if (repository.startsWith(`${loginServer}/`)) {
    return `${is} the registry's own name is put in front of it. Give only what follows the slash.`;
  }
  if (/[:@]/.test(repository)) {
    return `${is} must not hold a tag or digest. Tags belong in input 'tags', one a line.`;
  }
  const stranger = /[^a-z0-9._/-]/.exec(repository)?.[0];
  if (stranger) {
    return `${is} a repository's name has letters, digits, '.', '_', '-' and '/' only, not '${stranger}'.`;
  }
  for (const part of repository.split('/')) {
    if (!part) return `${is} there must be a name before and after every '/'.`;
    if (!/^[a-z0-9].*[a-z0-9]$|^[a-z0-9]$/.test(part)) {
      return `${is} each part between slashes must begin and end with a letter or digit, and '${part}' does not.`;
    }
    if (!WHOLE_COMPONENT.test(part)) {
      return `${is} between letters or digits there may be one '.', one or two '_', or any number of '-', and '${part}' has more.`;
    }
  }
  if (loginServer.length + 1 + repository.length > 255) {
    return `is too long: with the server's name it has ${loginServer.length + 1 + repository.length} characters, and may have 255.`;
  }
  return undefined;
}
