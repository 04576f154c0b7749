//! The command line every service has, and its life from start to end.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Arg, ArgAction, ArgMatches, Args as _, Command, FromArgMatches as _};
use tracing::level_filters::LevelFilter;

use super::environment::Environment;
use super::limits::Ranges;
use super::service::{Definition, Service};
use super::{logging, registry, self_test, server};
use crate::clock::Clock;
use crate::secret::Secret;

/// Exit status when a setting is wrong.
const EXIT_SETTINGS: u8 = 2;

/// A service as a program.
pub struct Program {
    /// The name of the binary and of the service.
    pub name: &'static str,
    /// The version it shows.
    pub version: &'static str,
    /// The variable that sets the address of this service only, such as
    /// `CALCULATOR_LISTEN`.
    pub listen_variable: &'static str,
    /// The address without any setting.
    pub default_listen: SocketAddr,
    /// Options of its own; each stands for a variable.
    pub options: &'static [OwnOption],
    /// How far the kit's limits can be set.
    pub limits: Ranges,
    /// Its manual page.
    pub manual: Manual,
    /// Reads the service's own settings and defines it.
    pub define: fn(&mut Environment) -> Definition,
}

/// An option of a service's own. It may be given several times, and then
/// [`Environment::list`] has its values instead of the variable's.
#[derive(Clone, Copy, Debug)]
pub struct OwnOption {
    /// Its name, without hyphens.
    pub flag: &'static str,
    /// What `--help` shows for its value.
    pub value_name: &'static str,
    /// The variable it stands for.
    pub variable: &'static str,
    /// One line for `--help`.
    pub help: &'static str,
}

/// What `--help` says beside the options.
#[derive(Clone, Copy, Debug)]
pub struct Manual {
    /// One line.
    pub about: &'static str,
    /// Some paragraphs.
    pub description: &'static str,
    /// The service's own variables, one a line, as the kit's are shown.
    pub environment: &'static str,
    /// The service's own endpoints, as the kit's are shown.
    pub endpoints: &'static str,
    /// Command lines to copy.
    pub examples: &'static str,
}

/// Options every service has.
#[derive(Debug, clap::Args)]
struct Options {
    /// Address to listen on
    ///
    /// Port 0 takes a free one; the log tells which. Comes before the
    /// environment.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,

    /// File that holds the secret shared with the gateway
    ///
    /// A line break at its end does not count. Comes before the environment.
    #[arg(long, value_name = "FILE")]
    shared_secret_file: Option<PathBuf>,

    /// Threads that serve requests
    #[arg(long, value_name = "N")]
    workers: Option<usize>,

    /// What is logged: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<LevelFilter>,

    /// Try the service's own examples, print a line for each, and end
    #[arg(long)]
    self_test: bool,

    /// Print the tools as entries of the gateway's tools.yaml, and end
    ///
    /// They are for a backend of this name, and a scope of the same name or another.
    #[arg(long, value_name = "BACKEND[:SCOPE]", conflicts_with = "self_test")]
    registry: Option<String>,
}

/// The whole program: reads the command line and the environment, then tests
/// itself or serves until it is told to stop.
#[must_use]
pub fn run(program: &Program) -> ExitCode {
    let read = command(program).try_get_matches().and_then(|matches| {
        let options = Options::from_arg_matches(&matches)?;
        Ok((matches, options))
    });
    let (matches, options) = match read {
        Ok(read) => read,
        Err(error) => error.exit(),
    };
    let mut environment = Environment::of_process();
    give(program, &matches, &mut environment);
    let plan = Plan::make(program, options, &mut environment);
    if !environment.problems().is_empty() {
        eprintln!("{} cannot start:", program.name);
        for problem in environment.problems() {
            eprintln!("  - {problem}");
        }
        return ExitCode::from(EXIT_SETTINGS);
    }
    match plan.carry_out() {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("{}: {problem:#}", program.name);
            ExitCode::FAILURE
        }
    }
}

/// Everything that was asked for.
struct Plan {
    definition: Definition,
    listen: SocketAddr,
    secret: Option<Secret>,
    workers: usize,
    log_level: LevelFilter,
    self_test: bool,
    registry: Option<String>,
}

impl Plan {
    fn make(program: &Program, options: Options, environment: &mut Environment) -> Self {
        let address = "an address and a port, such as 127.0.0.1:8001";
        let everywhere = environment.value("TOOL_LISTEN", program.default_listen, address);
        let here = environment.value(program.listen_variable, everywhere, address);
        let workers = environment.number("TOOL_WORKERS", 1, &(1..=64));
        let level = "off, error, warn, info, debug or trace";
        let log_level = environment.value("MCP_LOG_LEVEL", LevelFilter::INFO, level);
        if options.workers.is_some_and(|count| !(1..=64).contains(&count)) {
            environment.problem("--workers must be a whole number from 1 to 64");
        }
        Self {
            secret: environment.secret(options.shared_secret_file),
            definition: (program.define)(environment),
            listen: options.listen.unwrap_or(here),
            workers: options.workers.unwrap_or(workers),
            log_level: options.log_level.unwrap_or(log_level),
            self_test: options.self_test,
            registry: options.registry,
        }
    }

    fn carry_out(self) -> anyhow::Result<ExitCode> {
        match &self.registry {
            _ if self.self_test => self.test(),
            Some(names) => {
                let (backend, scope) = names.split_once(':').unwrap_or((names, names));
                let service = Service::new(self.definition, None, Clock::system())?;
                print!("{}", registry::entries(&service, backend, scope));
                Ok(ExitCode::SUCCESS)
            }
            None => self.serve(),
        }
    }

    fn test(self) -> anyhow::Result<ExitCode> {
        let secret = Secret::generate()?;
        let service = Service::new(self.definition, Some(secret.clone()), Clock::system())?;
        let good = actix_web::rt::System::new().block_on(self_test::run(&service, &secret));
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn serve(self) -> anyhow::Result<ExitCode> {
        logging::start(self.log_level);
        let name = self.definition.name;
        let version = self.definition.version;
        let service = Service::new(self.definition, self.secret, Clock::system())?;
        if service.secret.is_none() {
            tracing::warn!("no shared secret is configured, so every call will be refused");
        }
        actix_web::rt::System::new().block_on(serve(
            service,
            self.listen,
            self.workers,
            |address| {
                tracing::info!(service = name, version, %address, "listening");
            },
        ))?;
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    }
}

async fn serve(
    service: Arc<Service>,
    listen: SocketAddr,
    workers: usize,
    ready: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    let (stop, hurry) = (server::stop_signal()?, server::second_signal()?);
    let listener = TcpListener::bind(listen)
        .map_err(|error| anyhow::anyhow!("cannot listen on {listen}: {error}"))?;
    let address = listener.local_addr()?;
    let server = server::serve_on(&service, listener, workers, stop)?;
    ready(address);
    tokio::select! {
        stopped = server => stopped?,
        () = hurry => anyhow::bail!("stopped by a second signal; calls at work were broken off"),
    }
    Ok(())
}

/// Hands the service's own options to the environment.
fn give(program: &Program, matches: &ArgMatches, environment: &mut Environment) {
    for option in program.options {
        if let Some(values) = matches.get_many::<String>(option.flag) {
            environment.give(option.variable, values.cloned().collect());
        }
    }
}

fn command(program: &Program) -> Command {
    let own = program.options.iter().map(|option| {
        Arg::new(option.flag)
            .long(option.flag)
            .value_name(option.value_name)
            .help(option.help)
            .action(ArgAction::Append)
    });
    Options::augment_args(Command::new(program.name))
        .args(own)
        .version(program.version)
        .about(program.manual.about)
        .long_about(format!("{}\n\n{}", program.manual.about, program.manual.description))
        .after_long_help(after_help(program))
}

fn after_help(program: &Program) -> String {
    let Program { name, listen_variable, default_listen, limits, manual, .. } = program;
    format!(
        "\
Environment:
  {listen_variable}
          Address to listen on [default: {default_listen}]
  TOOL_LISTEN
          The same for every tool service; {listen_variable} comes first
  TOOL_GATEWAY_SHARED_SECRET
          The secret shared with the gateway, at least 32 bytes. Without one
          the service starts and refuses every call
  TOOL_GATEWAY_SHARED_SECRET_FILE
          A file that holds it; set one of the two
  TOOL_WORKERS
          Threads that serve requests, 1 to 64 [default: 1]
  MCP_LOG_LEVEL
          off, error, warn, info, debug or trace [default: info]
{limits}{environment}
Endpoints:
  GET /health
          Whether the process lives; open to everybody
  POST /mcp
          The Model Context Protocol, revisions 2024-11-05 to 2026-07-28, and
          plain JSON-RPC 2.0; needs the header X-Gateway-Auth
  GET /mcp/tools
          The tools and their schemas; needs X-Gateway-Auth
{endpoints}
Signals:
  SIGTERM and SIGINT stop the service in order: no new connections, calls at
  work are finished, then it ends with status 0. A second one ends it at once.

Exit status:
  0  it stopped in order, or every self-test held
  1  it cannot run, a self-test failed, or a second signal broke calls off
  2  an option or a setting is wrong; all of them are listed

Examples:
{examples}
  {name} --self-test
          See whether this build works",
        limits = limits.manual(),
        environment = manual.environment,
        endpoints = manual.endpoints,
        examples = manual.examples,
    )
}
