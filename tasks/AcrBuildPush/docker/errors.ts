import { explainBy, type Signature } from '../../common/explain';
import { explainMissingBase } from '../registry/errors';

/** What is known of the build's context when docker fails. */
export interface BuildContext {
  /** Which file names what is left out of it. */
  readonly file: string;
  /** Whether that file leaves a file or folder out. */
  ignores(path: string): boolean;
}

const UNKNOWN_CONTEXT: BuildContext = { file: '.dockerignore', ignores: () => false };

/** What docker says when it fails, in the wording of all its clients and builders since 20.10. */
const SIGNATURES: readonly Signature<BuildContext>[] = [
  {
    pattern: /client version (\S+) is too old\. Minimum supported API version is ([\d.]+)/i,
    explain: ([, client, least]) =>
      `The docker client speaks version ${client} of the engine's API, but this engine takes ${least} at least. Give a newer client in input 'dockerVersion', such as 28.2.2, or upgrade the agent's; where DOCKER_API_VERSION is set, take it out of the environment.`,
  },
  {
    pattern: /client version (\S+) is too new\. Maximum supported API version is ([\d.]+)/i,
    explain: ([, client, most]) =>
      `The docker client speaks version ${client} of the engine's API, but this engine takes ${most} at most. Take DOCKER_API_VERSION out of the environment, or give an older client in input 'dockerVersion'.`,
  },
  {
    pattern: /Error response from daemon: page not found/i,
    explain: () =>
      'The Docker engine has no such version of its API. Take DOCKER_API_VERSION out of the environment of the step.',
  },
  {
    pattern: /(?:Failed to initialize: |DOCKER_\w+ environment variable )[^\n]*/,
    explain: ([text]) =>
      `The docker client does not start (${text}). Correct the variable of the environment that it has that from, or remove it: DOCKER_CONTEXT, DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH or DOCKER_BUILDKIT.`,
  },
  {
    pattern:
      /failed to (?:push|authorize|fetch oauth token)[^\n]*(?:401|unauthorized|authentication required|token expired)/i,
    explain: () =>
      'The registry refused the sign-in when buildx pushed the image: it had expired, or this user may not push. Run the step again; what the builder has in its cache is not built again.',
  },
  {
    pattern: /unknown flag: (--\S+)/,
    explain: ([, flag]) =>
      `This docker does not know the option ${flag}. Check input 'dockerOptions', or give a newer client in input 'dockerVersion' or 'buildxVersion'.`,
  },
  {
    pattern: /permission denied while trying to connect to the docker|docker_engine: Access is denied/i,
    explain: () =>
      "This agent's user may not use the Docker engine: it has no permission on the engine's socket. Add the user to the group 'docker' and restart the agent, or run the agent as a user that may.",
  },
  {
    pattern:
      /Cannot connect to the Docker daemon(?: at (\S+[^\s.]))?|error during connect: .*|docker_engine: The system cannot find|failed to connect to the docker API(?: at (\S+[^\s;.]))?/i,
    explain: ([, daemon, api]) => {
      const at = daemon ?? api;
      return `The Docker engine does not answer${at ? ` at ${at}` : ''}. Start it on this agent (sudo systemctl start docker), or check DOCKER_HOST and the docker context if it is elsewhere.`;
    },
  },
  {
    pattern: /no space left on device|not enough space on the disk/i,
    explain: () =>
      "The disk is full where Docker keeps its images. Free space on the agent ('docker system prune' removes what no container uses), or use one with a larger disk.",
  },
  {
    pattern: /toomanyrequests|pull rate limit/i,
    explain: () =>
      "The base image's registry allows no more downloads from this address for now. Try again later, log in to that registry before this step, or keep a copy of the base image in your own registry.",
  },
  {
    pattern: /pull access denied for ([^\s,]+)/,
    explain: ([, image]) => explainMissingBase(image!),
  },
  {
    pattern: /manifest for (\S+) not found/,
    explain: ([, image]) => explainMissingBase(image!),
  },
  {
    pattern: /failed to resolve source metadata for ([^\s]+): .*not found/,
    explain: ([, image]) => explainMissingBase(image!),
  },
  {
    pattern: /(?<![^\s"])([^\s"/]*\/[^\s"]*:[\w.-]+): not found/,
    explain: ([, image]) => explainMissingBase(image!),
  },
  {
    pattern: /lookup ([^\s:]+).*: (?:no such host|server misbehaving)/,
    explain: ([, host]) =>
      `The Docker engine found no host '${host}'. Check the name in the Dockerfile's FROM lines, and that the engine's machine may reach it: DNS, proxy, firewall. A copy of the base image in your own registry makes builds independent of it.`,
  },
  {
    pattern: /dial tcp (\S+): (?:i\/o timeout|connect: connection refused)/,
    explain: ([, address]) =>
      `The Docker engine got no connection to ${address}. Check the engine's proxy settings and the firewall.`,
  },
  {
    pattern: /x509: [^\n]*/,
    explain: ([text]) =>
      `The Docker engine does not trust a registry's certificate (${text}). Give the engine the authority that signed it, in /etc/docker/certs.d or the system's store, and restart it.`,
  },
  {
    pattern:
      /(?:COPY|ADD) failed: .*?stat (?:\S*\/docker-builder\d+\/)?(\S+): (?:file does not exist|no such file)/,
    explain: ([, file], context) => sourceMissing(file!, context),
  },
  {
    pattern: /(?:checksum|cache key)[\s\S]*"\/?([^"]+)":? not found/,
    explain: ([, file], context) => sourceMissing(file!, context),
  },
  {
    pattern: /no source files were specified/,
    explain: (_, context) => sourceMissing('what its pattern names', context),
  },
  {
    pattern: /dockerfile parse error(?: on)? line (\d+): ([^\n]*)/i,
    explain: ([, line, problem]) => `The Dockerfile has a mistake in line ${line}: ${problem}.`,
  },
  {
    pattern: /failed to reach build target (\S+)|target stage "?([^\s"]+)"? could not be found/,
    explain: ([, legacy, buildkit]) =>
      `The Dockerfile has no stage '${legacy ?? buildkit}'. Check input 'target' against its 'FROM … AS …' lines.`,
  },
  {
    pattern: /the (--\S+) option requires BuildKit/,
    explain: ([, option]) =>
      `The Dockerfile uses ${option}, which needs BuildKit. Install docker's buildx plugin on this agent, or unset DOCKER_BUILDKIT=0.`,
  },
  {
    pattern: /repository name (?:\([^)]*\) )?must be lowercase/,
    explain: () =>
      "A name of an image has capitals, which docker does not take. Write the Dockerfile's FROM lines in lower case.",
  },
  {
    pattern:
      /(?:secret|secrets) "?([\w.-]+)"?: not found|required secret "?([\w.-]+)"? not (?:found|provided)/,
    explain: ([, one, other]) =>
      `The Dockerfile reads the secret '${one ?? other}', which the step does not give. Add a line to input 'buildSecrets': ${one ?? other}=$(a secret variable).`,
  },
  {
    pattern:
      /[Mm]ulti-platform build is not supported for the docker driver|multiple platforms feature is currently not supported/,
    explain: () =>
      "The buildx builder here can't build for several platforms. Make one that can in an earlier step, 'docker buildx create --use', or name one platform in input 'platform'.",
  },
  {
    pattern: /[Cc]ache export is not supported for the docker driver/,
    explain: () =>
      "The buildx builder here can't write caches to a registry. Make one that can in an earlier step, 'docker buildx create --use', or set input 'cacheTo' to 'inline'.",
  },
  {
    pattern: /(?:non-zero code|exit code): 137\b/,
    explain: () =>
      'A command of the Dockerfile was killed, most likely since the memory was used up. Give the engine more memory, or let the command do less at once.',
  },
  {
    pattern: /exec format error|no match for platform|does not provide the specified platform/,
    explain: () =>
      "The base image is not for this engine's platform. Use one that is built for it, or build on an agent with the other processor.",
  },
];

/** What went wrong and what to do about it, where docker's words are known. */
export function explainDockerError(output: string, context = UNKNOWN_CONTEXT): string | undefined {
  return explainBy(SIGNATURES, output, context);
}

function sourceMissing(source: string, { file, ignores }: BuildContext): string {
  if (ignores(source.replace(/^\/+/, ''))) {
    return `The build context has no '${source}', since ${file} leaves it out. Take it in again there with a line '!${source}'.`;
  }
  return `The build context has no '${source}', or ${file} leaves it out. Check that an earlier step puts it there, and that input 'buildContext' is the folder that the Dockerfile's COPY lines start from.`;
}
