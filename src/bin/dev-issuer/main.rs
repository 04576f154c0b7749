//! A token issuer for a first try and for tests.
//!
//! It stands in for the company's identity provider: whoever may reach it
//! gets any token asked for. It is therefore bound to loopback and refuses
//! anything else unless told otherwise.

mod claims;
mod issuer;
mod keys;
mod options;
mod service;

use std::process::ExitCode;

use clap::Parser as _;
use scopegate::clock::Clock;

use crate::issuer::Issuer;
use crate::options::{Command, Options};

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Configuration errors end with 2, like those of the gateway.
            eprintln!("dev-issuer: {problem:#}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    match &options.command {
        Some(Command::Token(wanted)) => {
            let issuer = Issuer::new(&options.signing, Clock::system())?;
            let token = issuer.mint(wanted.request()?)?;
            println!("{}", token.access_token);
            Ok(())
        }
        None => service::run(options),
    }
}
