/** A promise that is awaited later: where it fails before that, Node would take it for one that nobody awaits. */
export function awaitedLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
