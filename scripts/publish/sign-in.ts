import { execFileSync } from 'node:child_process';

/** Azure DevOps, whose tokens the Marketplace takes too. */
const AZURE_DEVOPS = '499b84ac-1321-427f-aa17-267ca6975798';

/**
 * A token for the Marketplace: the variable MARKETPLACE_TOKEN, or else one by Microsoft Entra from whoever is signed in
 * to the Azure CLI.
 *
 * @throws when the Azure CLI is missing or nobody is signed in to it
 */
export function marketplaceToken(env: NodeJS.ProcessEnv = process.env): string {
  if (env.MARKETPLACE_TOKEN) return env.MARKETPLACE_TOKEN;
  const args = [
    'account',
    'get-access-token',
    '--resource',
    AZURE_DEVOPS,
    '--query',
    'accessToken',
    '-o',
    'tsv',
  ];
  try {
    // On Windows it is a script, which only a shell runs; no argument of it needs quoting.
    const token = execFileSync('az', args, {
      encoding: 'utf8',
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
    }).trim();
    if (token) return token;
    throw new Error('it gave no token');
  } catch (error) {
    const { code, stderr, message } = error as NodeJS.ErrnoException & { stderr?: string };
    const why = code === 'ENOENT' ? 'the Azure CLI is not installed' : (stderr || message).trim();
    throw new Error(
      `No token for the Marketplace: ${why}. Sign in with 'az login' as a member of the publisher, then publish again.`,
    );
  }
}
