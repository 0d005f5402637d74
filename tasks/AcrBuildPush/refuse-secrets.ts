import type { InputReader } from '../common/inputs';

/* Secrets have no place in an image, nor on a command line. */

/** Shorter secrets turn up in innocent values by chance. */
const SHORTEST_SECRET = 6;

const SECRET_READERS = {
  buildArgs: 'Everybody who can pull the image',
  labels: 'Everybody who can pull the image',
  dockerOptions: 'Every user of the agent',
};

const SECRET_REMEDY = {
  buildArgs:
    "Give it in input 'buildSecrets', and read it in the Dockerfile with 'RUN --mount=type=secret,id=…'; or leave it " +
    'out, and give it to the container when it starts.',
  labels: 'Leave it out, and give it to the container when it starts.',
  dockerOptions:
    "Give it in input 'buildSecrets', and read it in the Dockerfile with 'RUN --mount=type=secret,id=…'.",
};

/** Build arguments stay readable in an image's history, labels in its configuration, options on the command line. */
export function refuseSecrets(
  inputs: InputReader,
  input: 'buildArgs' | 'labels' | 'dockerOptions',
  values: Readonly<Record<string, string>>,
  secrets: ReadonlyMap<string, string>,
): void {
  for (const [key, value] of Object.entries(values)) {
    for (const [name, secret] of secrets) {
      if (secret.length < SHORTEST_SECRET || !value.includes(secret)) continue;
      inputs.reject(
        input,
        `sets ${key} to a value that holds the secret variable '${name}'. ${SECRET_READERS[input]} could read it ` +
          `there. ${SECRET_REMEDY[input]}`,
      );
    }
  }
}
