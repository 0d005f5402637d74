import type { ServerResponse } from 'node:http';
import { type AccessControl, parseBasic } from '../access';
import { RegistryError } from '../errors';
import { type Exchange, readBody, replyJson } from '../exchange';

const LONGEST_FORM = 64 * 1024;

/** `GET /oauth2/token`: the docker engine's way, with username and password in a Basic header. */
export async function tokenForBasic(
  { request, response, query }: Exchange,
  access: AccessControl,
): Promise<void> {
  const basic = parseBasic(request.headers.authorization ?? '');
  if (!basic || !access.isAdmin(basic.username, basic.password)) throw access.refusal([]);
  replyToken(response, access, query);
}

/** `POST /oauth2/token`: the OAuth way, with username and password in a form. */
export async function tokenForPassword(
  { request, response }: Exchange,
  access: AccessControl,
): Promise<void> {
  const form = new URLSearchParams((await readBody(request, LONGEST_FORM)).toString('utf8'));
  const grant = form.get('grant_type');
  if (grant !== 'password') {
    throw new RegistryError(
      'UNSUPPORTED',
      `the grant_type "${grant}" is not supported by this local registry`,
    );
  }
  if (!access.isAdmin(form.get('username') ?? '', form.get('password') ?? '')) throw access.refusal([]);
  replyToken(response, access, form);
}

/** Scopes come as several fields, as one field with spaces between them, or both. */
function replyToken(response: ServerResponse, access: AccessControl, fields: URLSearchParams): void {
  const scopes = fields.getAll('scope').flatMap((scope) => scope.split(' '));
  replyJson(response, 200, {
    access_token: access.issueToken(fields.get('service') ?? '', scopes.filter(Boolean)),
  });
}
