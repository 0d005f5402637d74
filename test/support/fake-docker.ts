import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SCRIPT = `#!/bin/sh
case "$1" in
  version) echo '{"Client":{"Version":"28.2.2"},"Server":{"Version":"28.2.2","Os":"linux","Arch":"amd64"}}' ;;
  build)
    while [ "$1" != --iidfile ]; do shift; done
    printf sha256:%064d 7 > "$2"
    echo 'Step 1/1 : FROM scratch'
    echo '##vso[task.setvariable variable=stolen]yes' ;;
  *) exit 1 ;;
esac
`;

/**
 * Puts enough of a `docker` into a folder for a build: an engine that answers, and a builder that prints and names
 * an image. It cannot push.
 *
 * @returns the environment in which it is found
 */
export function installFakeDocker(folder: string): NodeJS.ProcessEnv {
  writeFileSync(join(folder, 'docker'), SCRIPT, { mode: 0o755 });
  return { PATH: `${folder}:/usr/bin:/bin` };
}
