/** Who may build an image: what input `builder` takes. */
export const BUILDERS = ['auto', 'docker', 'acrTasks', 'direct'] as const;
export type BuilderChoice = (typeof BUILDERS)[number];
