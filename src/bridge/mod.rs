//! The stdio bridge: an MCP client that starts a program and speaks to it
//! over standard input and output reaches a scoped endpoint over HTTP.
//!
//! ```text
//! stdin ─▶ framing ─▶ conversation ─▶ exchange (one for each request) ─▶ road ─▶ endpoint
//! stdout ◀─ framing ◀─ desk ◀─────────┴─ listener (legacy GET stream) ◀───┘
//! ```
//!
//! Messages cross as they were written; what the bridge reads of them, it only
//! reads. The one exception is a list of tools with an annotation that no HTTP
//! client may follow, which loses that tool (see `mirror`).
//!
//! Every request gets exactly one answer, unless its client cancelled it.
//! Nothing is ever sent a second time that could have been executed.

mod answer;
mod arguments;
mod backoff;
mod conversation;
mod desk;
mod events;
mod exchange;
mod fault;
mod framing;
mod gate;
mod in_flight;
mod incoming;
mod lane;
mod listener;
mod mirror;
mod options;
mod road;
mod session;
mod single;
mod skim;
mod stdio;
mod token;

pub use arguments::Arguments;
pub(crate) use arguments::{ABOUT, ABOUT_SHORT};
pub use options::Options;

use crate::clock::Clock;

/// Runs the bridge on the process's standard input and output, until the
/// input ends, the process is told to stop, or nobody reads the output.
///
/// # Errors
/// When the signals of the process cannot be listened to, or its input cannot
/// be read.
pub fn run(options: Options, clock: Clock) -> anyhow::Result<()> {
    actix_web::rt::System::new().block_on(async move {
        let input = stdio::Input::start(options.max_message_bytes)?;
        let output = stdio::Output::start()?;
        conversation::hold(options, clock, input, output).await
    })
}
