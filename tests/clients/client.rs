//! The clients.

/// How a client speaks when it meets a gateway that speaks everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

/// What drives a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    /// A script that Node runs in the folder of the client's packages.
    Node { packages: &'static str, script: &'static str },
    /// A script of Python's.
    Python,
    /// The program in `tests/backends/client`.
    Rmcp,
    /// The bridge, started by its launcher under a TypeScript SDK over stdio.
    Bridge { packages: &'static str, script: &'static str },
    /// mcp-remote, under the TypeScript SDK 1.x over stdio.
    McpRemote,
    /// The MCP Inspector's command line, a process for each step.
    Inspector,
}

/// A client in one of its modes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// As it is called in the table.
    pub(crate) name: &'static str,
    pub(crate) driver: Driver,
    /// As its driver knows it.
    pub(crate) mode: &'static str,
    /// The era of its messages to the gateway.
    pub(crate) era: Era,
}

const TS1: Driver = Driver::Node { packages: "ts-v1", script: "ts-v1.mjs" };
const TS2: Driver = Driver::Node { packages: "ts-v2", script: "ts-v2.mjs" };

const BRIDGE1: Driver = Driver::Bridge { packages: "ts-v1", script: "ts-v1.mjs" };
const BRIDGE2: Driver = Driver::Bridge { packages: "ts-v2", script: "ts-v2.mjs" };

const fn client(name: &'static str, driver: Driver, mode: &'static str, era: Era) -> Client {
    Client { name, driver, mode, era }
}

/// Each client in each of its modes.
pub(crate) const CLIENTS: [Client; 16] = [
    client("TypeScript 1.32.2", TS1, "default", Era::Legacy),
    client("TypeScript 2.4.0, default", TS2, "default", Era::Legacy),
    client("TypeScript 2.4.0, auto", TS2, "auto", Era::Modern),
    client("TypeScript 2.4.0, pinned", TS2, "pinned", Era::Modern),
    client("Python 2.3.0, legacy", Driver::Python, "legacy", Era::Legacy),
    client("Python 2.3.0, default", Driver::Python, "default", Era::Modern),
    client("Python 2.3.0, pinned", Driver::Python, "pinned", Era::Modern),
    client("Rust 3.9.0, Initialize", Driver::Rmcp, "initialize", Era::Legacy),
    client("Rust 3.9.0, Auto", Driver::Rmcp, "auto", Era::Modern),
    client("the bridge, TypeScript 1.32.2", BRIDGE1, "default", Era::Legacy),
    client("the bridge, TypeScript 2.4.0, default", BRIDGE2, "default", Era::Legacy),
    client("the bridge, TypeScript 2.4.0, auto", BRIDGE2, "auto", Era::Modern),
    client("mcp-remote 0.15.1, legacy", Driver::McpRemote, "legacy", Era::Legacy),
    client("mcp-remote 0.15.1, auto", Driver::McpRemote, "auto", Era::Modern),
    client("Inspector 2.12.0, legacy", Driver::Inspector, "legacy", Era::Legacy),
    client("Inspector 2.12.0, modern", Driver::Inspector, "modern", Era::Modern),
];
