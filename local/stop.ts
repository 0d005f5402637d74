export interface Stoppable {
  stop(): Promise<void>;
}

/**
 * Stops all of these, each whatever becomes of the others: what is left running keeps this process from ending, or
 * outlives it.
 *
 * @throws what the first of them said that could not be stopped, once all have been tried
 */
export async function stopAll(parts: readonly (Stoppable | undefined)[]): Promise<void> {
  const ends = await Promise.allSettled(parts.map(async (part) => part?.stop()));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
}
