//! The kit a bundled tool service is made of.
//!
//! A service is a [`Program`] (its name, its manual, its defaults) and a
//! [`Definition`] (its tools, its limits). The kit gives it `POST /mcp` in
//! both eras of the protocol, `GET /mcp/tools`, `GET /health`, the check of
//! the gateway's shared secret, limits of size, time and number, logs that
//! hold no argument, a self-test, and an orderly stop. A tool is a plain
//! blocking function: it runs off the thread that serves requests, holds a
//! [`Deadline`] it must look at, and may panic without harm to the rest.

mod answer;
mod arguments;
mod body;
mod call;
mod endpoint;
mod environment;
mod era;
mod guard;
mod limits;
mod logging;
mod program;
mod registry;
mod resources;
mod routes;
mod sandbox;
mod self_test;
mod server;
mod service;
mod tool;

pub use arguments::typed;
pub use body::read as read_body;
pub use call::Caller;
pub use environment::Environment;
pub use guard::{NotAuthorized, authorize};
pub use limits::{Limits, Range, Ranges};
pub use program::{Manual, OwnOption, Program, run};
pub use resources::Resources;
pub use routes::configure;
pub use sandbox::Sandbox;
pub use self_test::Check;
pub use server::serve_on;
pub use service::{Definition, Fault, Service};
pub use tool::{
    Annotations, CallContext, Deadline, Descriptor, Detail, Tool, ToolError, ToolOutput,
};
