import { isMainThread } from 'node:worker_threads';
import { serveDigests } from './registry/transfer/digester';

// An agent gets one file of a task, so that the thread that digests starts from the same one. Only the step itself loads
// all of it.
if (isMainThread) import('./main');
else serveDigests();
