import type { Api, Handler } from './api';
import { newId } from './ids';
import type { JsonObject } from './json';

/** Tells who asks, at both of the paths that clients use. */
export function scimApi(): Api {
  const ids = new Map<string, string>();
  const me: Handler = ({ user }) => {
    if (!ids.has(user)) ids.set(user, String(newId()));
    return describe(user, ids.get(user)!);
  };
  return { versions: ['2.0'], routes: { 'GET /preview/scim/v2/Me': me, 'GET /scim/v2/Me': me } };
}

function describe(user: string, id: string): JsonObject {
  const isPerson = user.includes('@');
  return {
    schemas: [
      'urn:ietf:params:scim:schemas:core:2.0:User',
      'urn:ietf:params:scim:schemas:extension:workspace:2.0:User',
    ],
    id,
    userName: user,
    displayName: isPerson ? user.slice(0, user.indexOf('@')) : user,
    active: true,
    ...(isPerson && { emails: [{ type: 'work', value: user, primary: true }] }),
    groups: [{ display: 'users', type: 'direct', value: '1', $ref: 'Groups/1' }],
  };
}
