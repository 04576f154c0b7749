// Gives the conformance suite a header for each of its requests, for which it has no
// option: `node --import header.mjs SUITE server …` with MCP_HEADER_NAME and
// MCP_HEADER_VALUE in the environment.
//
// Its scenarios send by three ways: `fetch`, `http.request`, and `request` of
// the undici that comes with it.
import http from 'node:http';
import { createRequire, syncBuiltinESMExports } from 'node:module';

const { MCP_HEADER_NAME: name, MCP_HEADER_VALUE: value } = process.env;

const { fetch } = globalThis;
globalThis.fetch = (input, init = {}) => {
    const headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : {}));
    headers.set(name, value);
    return fetch(input, { ...init, headers });
};

const { request } = http;
http.request = (options, ...rest) => {
    const headers = { ...options.headers, [name]: value };
    return request({ ...options, headers }, ...rest);
};
syncBuiltinESMExports();

const { getGlobalDispatcher, setGlobalDispatcher } = createRequire(process.argv[1])('undici');
setGlobalDispatcher(
    getGlobalDispatcher().compose(dispatch => (options, handler) => {
        const headers = { ...options.headers, [name]: value };
        return dispatch({ ...options, headers }, handler);
    }),
);
