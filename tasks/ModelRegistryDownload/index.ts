import { isMainThread } from 'node:worker_threads';
import { serveTransfer } from './registry/transfer/worker';

// An agent gets one file of a task, so that the threads of a transfer start from the same one. Only the step itself
// loads all of it.
if (isMainThread) import('./main');
else serveTransfer();
