// Gives the conformance suite a bearer token, for which it has no option:
// `node --import bearer.mjs SUITE server …` with MCP_BEARER in the environment.
//
// Its scenarios send by three ways: `fetch`, `http.request`, and `request` of
// the undici that comes with it.
import http from 'node:http';
import { createRequire, syncBuiltinESMExports } from 'node:module';

const authorization = `Bearer ${process.env.MCP_BEARER}`;

const { fetch } = globalThis;
globalThis.fetch = (input, init = {}) => {
    const headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : {}));
    headers.set('Authorization', authorization);
    return fetch(input, { ...init, headers });
};

const { request } = http;
http.request = (options, ...rest) => {
    const headers = { ...options.headers, Authorization: authorization };
    return request({ ...options, headers }, ...rest);
};
syncBuiltinESMExports();

const { getGlobalDispatcher, setGlobalDispatcher } = createRequire(process.argv[1])('undici');
setGlobalDispatcher(
    getGlobalDispatcher().compose(dispatch => (options, handler) => {
        const headers = { ...options.headers, Authorization: authorization };
        return dispatch({ ...options, headers }, handler);
    }),
);
