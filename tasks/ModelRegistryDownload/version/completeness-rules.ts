/** By what a version is held to be complete. */
export const COMPLETENESS = ['auto', 'requiredFiles', 'off'] as const;
export type Completeness = (typeof COMPLETENESS)[number];
