// The installed SDKs. They lie in target/, not next to these files: NODE_PACKAGES
// says in which folder (scripts/install-e2e-clients puts them there).
import { createRequire } from 'node:module';
import { join } from 'node:path';

if (!process.env.NODE_PACKAGES) throw new Error('NODE_PACKAGES does not say where the SDKs are');

/** Loads a package, or a part of one. */
export const load = createRequire(join(process.env.NODE_PACKAGES, 'package.json'));
