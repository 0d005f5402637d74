import type { ServerResponse } from 'node:http';
import { type AccessControl, type Principal, parseBasic } from '../access';
import { RegistryError } from '../errors';
import { type Exchange, readBody, replyJson } from '../exchange';

const LONGEST_FORM = 64 * 1024;

/** `GET /oauth2/token`: the docker engine's way, with username and password in a Basic header. */
export async function tokenForBasic(
  { request, response, query }: Exchange,
  access: AccessControl,
): Promise<void> {
  const basic = parseBasic(request.headers.authorization ?? '');
  replyToken(response, access, query, basic && access.signIn(basic.username, basic.password));
}

/** `POST /oauth2/token`: the OAuth way, with username and password, or with a refresh token, in a form. */
export async function tokenForGrant({ request, response }: Exchange, access: AccessControl): Promise<void> {
  const form = await readForm(request);
  const field = (name: string) => form.get(name) ?? '';
  switch (field('grant_type')) {
    case 'password':
      return replyToken(response, access, form, access.signIn(field('username'), field('password')));
    case 'refresh_token':
      return replyToken(response, access, form, access.redeem(field('refresh_token')));
    default:
      throw unsupportedGrant(field('grant_type'));
  }
}

/** `POST /oauth2/exchange`: a refresh token of the registry for an access token of Microsoft Entra. */
export async function exchangeToken({ request, response }: Exchange, access: AccessControl): Promise<void> {
  const form = await readForm(request);
  const field = (name: string) => form.get(name) ?? '';
  if (field('grant_type') !== 'access_token') throw unsupportedGrant(field('grant_type'));
  const refreshToken = access.exchange(field('service'), field('tenant'), field('access_token'));
  replyJson(response, 200, { refresh_token: refreshToken });
}

async function readForm(request: Exchange['request']): Promise<URLSearchParams> {
  return new URLSearchParams((await readBody(request, LONGEST_FORM)).toString('utf8'));
}

function unsupportedGrant(grant: string): RegistryError {
  return new RegistryError(
    'UNSUPPORTED',
    `the grant_type "${grant}" is not supported by this local registry`,
  );
}

/** Scopes come as several fields, as one field with spaces between them, or both. */
function replyToken(
  response: ServerResponse,
  access: AccessControl,
  fields: URLSearchParams,
  principal: Principal | undefined,
): void {
  if (!principal) throw access.refusal([]);
  const scopes = fields.getAll('scope').flatMap((scope) => scope.split(' '));
  const token = access.issueToken(fields.get('service') ?? '', scopes.filter(Boolean), principal);
  replyJson(response, 200, { access_token: token });
}
