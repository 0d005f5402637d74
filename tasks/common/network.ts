/** A proxy, and who may use it. */
export interface ProxyServer {
  /** Without user and password. */
  readonly url: URL;
  readonly login?: { readonly username: string; readonly password: string };
  /** Where it comes from, as messages name it: `the agent's proxy`. */
  readonly whose: string;
}

/** How connections leave this agent: its proxy for a URL, its certificate authorities and its client certificate. */
export interface NetworkSettings {
  proxyFor(url: string): ProxyServer | undefined;
  readonly tls: {
    ca?: string[];
    cert?: string;
    key?: string;
    pfx?: Buffer;
    passphrase?: string;
    rejectUnauthorized?: boolean;
  };
}

/** Where a machine in Azure asks about itself, and for its managed identity's tokens: never through a proxy. */
export const METADATA_SERVICE = 'http://169.254.169.254/';
