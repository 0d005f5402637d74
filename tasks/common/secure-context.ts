import { createSecureContext, type SecureContext } from 'node:tls';
import type { NetworkSettings } from './network';

const contexts = new WeakMap<NetworkSettings, SecureContext>();

/** The certificates of an agent, read once for all connections: to read a hundred authorities takes 25 ms. */
export function secureContextOf(network: NetworkSettings): SecureContext {
  let context = contexts.get(network);
  if (!context) {
    context = createSecureContext(network.tls);
    contexts.set(network, context);
  }
  return context;
}
