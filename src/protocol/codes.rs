//! Every JSON-RPC error code the gateway and its tools emit.
//!
//! The specification keeps -32020…-32099 for itself and asks that nothing new
//! is allocated in -32000…-32019 (`basic/index`, revision 2026-07-28). The
//! numbers there that this file names come from the reference systems and are
//! sent to legacy clients and by the bundled calculator only.

/// Not JSON (JSON-RPC 2.0 §5.1).
pub const PARSE_ERROR: i32 = -32700;
/// JSON, but not a request (JSON-RPC 2.0 §5.1).
pub const INVALID_REQUEST: i32 = -32600;
/// No such method (JSON-RPC 2.0 §5.1).
pub const METHOD_NOT_FOUND: i32 = -32601;
/// Parameters of the wrong shape, or naming something that does not exist.
pub const INVALID_PARAMS: i32 = -32602;
/// Something failed on this side.
pub const INTERNAL_ERROR: i32 = -32603;

/// Legacy: no such resource (MCP up to 2025-11-25, `server/resources`).
pub const RESOURCE_NOT_FOUND: i32 = -32002;
/// Legacy: the user has to visit an address first (MCP 2025-11-25).
pub const URL_ELICITATION_REQUIRED: i32 = -32042;

/// A header disagrees with the body (MCP 2026-07-28).
pub const HEADER_MISMATCH: i32 = -32020;
/// The client did not declare a capability that is needed (MCP 2026-07-28).
pub const MISSING_CAPABILITY: i32 = -32021;
/// The protocol version is not supported (MCP 2026-07-28).
pub const UNSUPPORTED_VERSION: i32 = -32022;

/// Legacy: the endpoint names no scope (C-7).
pub const INVALID_SCOPE: i32 = -32010;
/// Legacy: the tool is not available on this endpoint (C-7).
pub const TOOL_NOT_AVAILABLE: i32 = -32011;
/// Legacy: a meta-tool that was removed (C-7).
pub const REMOVED_TOOL: i32 = -32012;
/// Legacy: no such session; with HTTP 404, upon which a client begins a new
/// one (MCP 2025-11-25 `basic/transports`). The official SDKs' number.
pub const SESSION_NOT_FOUND: i32 = -32001;

/// The gateway's own refusals, outside the range JSON-RPC reserves. The last
/// three digits are the HTTP status the same refusal has on REST.
pub mod gateway {
    /// Not authenticated.
    pub const UNAUTHENTICATED: i32 = 40_401;
    /// Authenticated, but not allowed.
    pub const FORBIDDEN: i32 = 40_403;
    /// No such endpoint.
    pub const NOT_FOUND: i32 = 40_404;
    /// The request took too long to arrive.
    pub const REQUEST_TIMEOUT: i32 = 40_408;
    /// Something like it is there already.
    pub const CONFLICT: i32 = 40_409;
    /// Taken back by the client.
    pub const CANCELLED: i32 = 40_499;
    /// More than the size limit.
    pub const PAYLOAD_TOO_LARGE: i32 = 40_413;
    /// A media type the gateway does not read or cannot answer with.
    pub const MEDIA_TYPE: i32 = 40_415;
    /// A limit was reached.
    pub const RATE_LIMITED: i32 = 40_429;
    /// Something the call depends on is down.
    pub const UNAVAILABLE: i32 = 40_503;
}

/// The bundled tool services' codes (C-53).
pub mod tool {
    /// The service does not have that tool.
    pub const NOT_FOUND: i32 = -32001;
    /// The call ran past its time limit.
    pub const TIMEOUT: i32 = -32003;
    /// The gateway's shared secret is missing or wrong.
    pub const UNAUTHORIZED: i32 = -32004;
}

#[cfg(test)]
mod tests {
    use super::gateway;

    #[test]
    fn own_codes_stay_out_of_the_reserved_range() {
        let own = [
            gateway::UNAUTHENTICATED,
            gateway::FORBIDDEN,
            gateway::NOT_FOUND,
            gateway::REQUEST_TIMEOUT,
            gateway::CONFLICT,
            gateway::CANCELLED,
            gateway::PAYLOAD_TOO_LARGE,
            gateway::MEDIA_TYPE,
            gateway::RATE_LIMITED,
            gateway::UNAVAILABLE,
        ];
        assert!(own.iter().all(|code| !(-32768..=-32000).contains(code)));
    }
}
