//! Pages of other origins (CORS, the Fetch standard §3.2): browsers ask before
//! they let a page call, and show it only the headers that are named here.

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::web;

use super::Site;
use crate::protocol::headers;

/// How long a browser may remember the answer, in seconds.
const MAX_AGE: usize = 3600;

/// Answers browsers. A page of an origin that is not allowed gets the answers
/// of the edge, and no word of permission.
pub(crate) fn cors(site: web::Data<Site>) -> Cors {
    Cors::default()
        .allowed_origin_fn(move |origin, _| site.edge.knows_origin(origin.as_bytes()))
        .allowed_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE])
        // `Mcp-Param-*` can have any name; none of them is trusted for being
        // sent by a page.
        .allow_any_header()
        .expose_headers([
            headers::SESSION_ID,
            headers::REQUEST_ID,
            "www-authenticate",
            "retry-after",
            "ratelimit",
            "ratelimit-policy",
            "x-ratelimit-limit",
            "x-ratelimit-remaining",
            "x-ratelimit-reset",
        ])
        .max_age(MAX_AGE)
        // The edge refuses foreign origins itself, in its own words.
        .block_on_origin_mismatch(false)
}
