import { serveDigests } from './registry/transfer/digester';

// A thread of its own loads as little as it needs.
serveDigests();
