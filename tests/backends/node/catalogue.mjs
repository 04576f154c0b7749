// What is offered, as the fixture says that these servers and the one in Rust
// share.
import { readFileSync } from 'node:fs';

export const catalogue = JSON.parse(
    readFileSync(new URL('../fixtures/everything.json', import.meta.url), 'utf8'),
);

/** Puts arguments in for their names in braces, in every string. */
export function filled(value, args) {
    if (typeof value === 'string') {
        return Object.entries(args).reduce(
            (text, [name, put]) => text.replaceAll(`{${name}}`, String(put)),
            value,
        );
    }
    if (Array.isArray(value)) return value.map(item => filled(item, args));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
        Object.entries(value).map(([name, item]) => [name, filled(item, args)]),
    );
}

/** The content of a resource; nothing when there is none. */
export function content(uri) {
    if (Object.hasOwn(catalogue.contents, uri)) return catalogue.contents[uri];
    const [id] = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.slice(1) ?? [];
    return id && filled(catalogue.contents['test://template/{id}/data'], { uri, id });
}

/** What a completion of an argument's value may be. */
export function completions({ name, value }) {
    return (catalogue.completions[name] ?? []).filter(known => known.startsWith(value));
}
