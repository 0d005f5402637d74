/** The part of minimatch 3 that is used here; that version comes without types. */
declare module 'minimatch' {
  class Minimatch {
    constructor(pattern: string, options: Record<string, boolean>);
    match(path: string): boolean;
  }
  const minimatch: { readonly Minimatch: typeof Minimatch };
  export default minimatch;
}
