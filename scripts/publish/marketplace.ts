import { createRequire } from 'node:module';

/** Where extensions are published, unless another address is named. */
export const MARKETPLACE = 'https://marketplace.visualstudio.com';

interface PublishedExtension {
  readonly versions?: readonly { readonly version: string }[];
}

interface GalleryApi {
  getExtension(
    headers: null,
    publisher: string,
    extension: string,
    version: undefined,
    flags: number,
  ): Promise<PublishedExtension | null>;
}

interface PublishSettings {
  readonly vsixPath: string;
  readonly shareWith: readonly string[];
  readonly noWaitValidation: boolean;
}

// tfx's command line takes a token only as an argument, where every process of the machine can read it, so its code is
// called instead.
const require = createRequire(import.meta.url);
const { GalleryApi } = require('azure-devops-node-api/GalleryApi.js') as {
  GalleryApi: new (url: string, handlers: unknown[]) => GalleryApi;
};
const { getBasicHandler } = require('azure-devops-node-api') as {
  getBasicHandler(user: string, password: string): unknown;
};
const { PackagePublisher, SharingManager } = require('tfx-cli/_build/exec/extension/_lib/publish.js') as {
  PackagePublisher: new (
    settings: PublishSettings,
    gallery: GalleryApi,
  ) => { publish(): Promise<PublishedExtension> };
  SharingManager: new (
    settings: PublishSettings,
    gallery: GalleryApi,
  ) => { shareWith(organizations: readonly string[]): Promise<unknown> };
};

const INCLUDE_VERSIONS = 1;

/** The Marketplace, as its publishers' tool tfx talks to it. */
export class Marketplace {
  readonly #gallery: GalleryApi;

  constructor(address: string, token: string) {
    // It takes tokens of Microsoft Entra like personal ones: as the password of whoever.
    this.#gallery = new GalleryApi(address, [getBasicHandler('OAuth', token)]);
  }

  /**
   * The versions of an extension that are published; none when it is not.
   *
   * @throws when the Marketplace does not tell, such as when the token is no good
   */
  async versions(publisher: string, extensionId: string): Promise<string[]> {
    const extension = await this.#gallery.getExtension(
      null,
      publisher,
      extensionId,
      undefined,
      INCLUDE_VERSIONS,
    );
    return extension?.versions?.map(({ version }) => version.split('.').slice(0, 3).join('.')) ?? [];
  }

  /**
   * Publishes a package, waits until it was validated, and shares it with organizations.
   *
   * @throws when it is refused
   */
  async publish(vsixPath: string, organizations: readonly string[]): Promise<void> {
    const settings = { vsixPath, shareWith: organizations, noWaitValidation: false };
    await new PackagePublisher(settings, this.#gallery).publish();
    if (organizations.length > 0) await new SharingManager(settings, this.#gallery).shareWith(organizations);
  }
}
