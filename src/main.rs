//! The `scopegate` program.

use std::process::ExitCode;

use scopegate::app;
use scopegate::bridge;
use scopegate::cli::{self, Commands, Output};
use scopegate::clock::Clock;
use scopegate::telemetry;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("scopegate: a TLS provider is already installed");
        return ExitCode::FAILURE;
    }
    let commands = Commands {
        logging: &|settings| Ok(telemetry::init(&settings.telemetry, Clock::system())?),
        serve: &app::run,
        migrate: &app::migrate,
        limits: &app::limits,
        audit: &app::audit,
        policy: &app::policy,
        tools: &app::tools,
        prove: &app::prove,
        bridge: &|options| {
            telemetry::plain(options.log_level())?;
            bridge::run(options, Clock::system())
        },
        checks: &[&app::check],
    };
    // A variable that is not UTF-8 cannot be one of ours as it stands; read
    // lossily, it fails where it is checked instead of being overlooked.
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let env = std::env::vars_os().map(|(name, text)| (lossy(name), lossy(text))).collect();
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let mut output = Output { out: &mut out, err: &mut err };
    let exit = cli::run(std::env::args_os(), env, &commands, &mut output);
    telemetry::flush();
    exit.into()
}
