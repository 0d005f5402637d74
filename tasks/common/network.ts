/** How connections leave this agent: its proxy for a URL, its certificate authorities and its client certificate. */
export interface NetworkSettings {
  proxyFor(url: string): string | undefined;
  readonly tls: {
    ca?: string[];
    cert?: string;
    key?: string;
    passphrase?: string;
    rejectUnauthorized?: boolean;
  };
}

/** Where a machine in Azure asks about itself, and for its managed identity's tokens: never through a proxy. */
export const METADATA_SERVICE = 'http://169.254.169.254/';
