import '../common/output';

import { serveDigests } from './transfer/digester';

// A thread of its own loads as little as it needs.
serveDigests();
