//! PostgreSQL: one cluster for all tests of a process, a database for each.

use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};

use crate::process::{Account, Server, find, on_free_port};
use crate::scratch::Scratch;

/// Debian keeps the server's programs out of `PATH`, one folder a version.
const DEBIAN: &str = "/usr/lib/postgresql";
const PACKAGE: &str = "postgresql";

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A new, empty database, removed when dropped.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    name: String,
    administration: String,
}

#[derive(Debug)]
struct Cluster {
    /// Held for its life; a static is never dropped, but `process.rs` knows.
    server: Server,
    url: String,
}

/// The URL of a server with the right to create databases:
/// `TEST_DATABASE_URL`, or one started by the first that asks and stopped with
/// this process. Tests want [`database`] instead.
///
/// # Panics
/// When PostgreSQL is not installed or does not start.
#[must_use]
pub fn server_url() -> String {
    let started = || CLUSTER.get_or_init(Cluster::start).url.clone();
    std::env::var("TEST_DATABASE_URL").unwrap_or_else(|_| started())
}

/// What the server has said so far, where this process has started it.
#[must_use]
pub fn log() -> Option<String> {
    CLUSTER.get().map(|cluster| cluster.server.log())
}

/// A fresh database.
///
/// # Panics
/// When the server cannot be had or does not create it.
pub async fn database() -> TestDatabase {
    let administration = server_url();
    let name = format!("test_{}_{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let (server, options) = match administration.split_once('?') {
        Some((server, options)) => (server, format!("?{options}")),
        None => (administration.as_str(), String::new()),
    };
    let (server, _) = server.rsplit_once('/').expect("a URL of the form postgres://HOST/NAME");
    let url = format!("{server}/{name}{options}");
    execute(&administration, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        .await
        .expect("a PostgreSQL that answers (13 or newer, see TEST_DATABASE_URL)");
    execute(&administration, &format!("CREATE DATABASE {name}"))
        .await
        .expect("the right to create a database (see TEST_DATABASE_URL)");
    TestDatabase { url, name, administration }
}

impl TestDatabase {
    /// `postgres://…`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let url = std::mem::take(&mut self.administration);
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A runtime of its own: the test's may be gone, or not allow blocking.
        let dropping = std::thread::spawn(move || {
            if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build()
            {
                // A server that is gone keeps no database either.
                let _ = runtime.block_on(execute(&url, &statement));
            }
        });
        let _ = dropping.join();
    }
}

/// A server of one's own, which can be killed and started again.
#[derive(Debug)]
pub struct Restartable {
    data: String,
    port: u16,
    server: Option<Server>,
    _folder: Scratch,
}

impl Restartable {
    /// Starts one, with an empty database. Unlike the others' it keeps what it has
    /// confirmed when it is killed, though not when the machine is.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        let folder = Scratch::new("sg-postgres-data");
        let data = initialize(folder.path(), Account::unprivileged(&folder));
        let mut new = Self { data, port: crate::ports::free(), server: None, _folder: folder };
        new.start_again();
        new
    }

    /// `postgres://…`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://tester@127.0.0.1:{}/postgres", self.port)
    }

    /// Kills it in the middle of everything.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        self.server.take().expect("a server that runs").kill();
    }

    /// Starts it on the same data and port.
    ///
    /// # Panics
    /// When it does not start in time.
    pub fn start_again(&mut self) {
        let url = self.url();
        let mut server = None;
        // What a killed server leaves behind ends a moment later; until then, it
        // does not start.
        crate::eventually::wait_until(crate::process::PATIENCE, "PostgreSQL to start", || {
            let scratch = Scratch::new("sg-postgres");
            let account = Account::unprivileged(&scratch);
            let port = self.port.to_string();
            let mut arguments = vec!["-D", &self.data, "-p", &port];
            arguments.extend(["-cfsync=off", "-clisten_addresses=127.0.0.1"]);
            arguments.push("-cunix_socket_directories=");
            let new = Server::start(scratch, account, "INT", &program("postgres"), arguments);
            let is_up = new.accepts_on(self.port);
            server = is_up.then_some(new);
            is_up
        });
        self.server = server;
        wait_for_answer(&url);
    }
}

impl Cluster {
    fn start() -> Self {
        let (server, port) = on_free_port(|port| {
            let scratch = Scratch::new("sg-postgres");
            let account = Account::unprivileged(&scratch);
            let data = initialize(scratch.path(), account);
            let port = port.to_string();
            let arguments = [
                "-D",
                &data,
                "-p",
                &port,
                // Durable is what it need not be.
                "-cfsync=off",
                "-csynchronous_commit=off",
                "-cfull_page_writes=off",
                "-clisten_addresses=127.0.0.1",
                "-cunix_socket_directories=",
                "-cmax_connections=300",
            ];
            // SIGINT is PostgreSQL's "fast" shutdown: it waits for no client.
            Server::start(scratch, account, "INT", &program("postgres"), arguments)
        });
        let url = format!("postgres://tester@127.0.0.1:{port}/postgres");
        wait_for_answer(&url);
        Self { server, url }
    }
}

fn program(name: &str) -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    versions.reverse();
    // Both programs must be of one version, so the folders come first.
    let found = versions.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| find(name, &[], PACKAGE))
}

fn initialize(folder: &Path, account: Option<Account>) -> String {
    let data = folder.join("data").display().to_string();
    let mut command = Command::new(program("initdb"));
    command.args(["-D", &data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C"]);
    command.arg("--no-sync").current_dir(folder);
    if let Some(account) = account {
        account.give(folder);
        account.assume(&mut command);
    }
    let output = command.output().expect("initdb can be started");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "initdb failed: {complaint}");
    data
}

/// The port opens before the server is ready to answer.
fn wait_for_answer(url: &str) {
    let url = url.to_owned();
    let asking = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(crate::eventually::wait_until_async(
            crate::process::PATIENCE,
            "PostgreSQL to answer",
            || async { execute(&url, "SELECT 1").await.is_ok() },
        ));
    });
    assert!(asking.join().is_ok(), "PostgreSQL accepts connections but does not answer");
}

async fn execute(url: &str, statement: &str) -> Result<(), DbErr> {
    let connection = connect(url).await?;
    connection.execute_unprepared(statement).await?;
    connection.close().await
}

#[expect(clippy::disallowed_methods, reason = "not a connection of the gateway's")]
async fn connect(url: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_test_has_a_database_of_its_own_until_it_is_dropped() {
        let (first, second) = tokio::join!(database(), database());
        execute(first.url(), "CREATE TABLE t (id int)").await.unwrap();
        execute(second.url(), "CREATE TABLE t (id int)").await.unwrap();
        let url = first.url().to_owned();
        drop(first);
        assert!(connect(&url).await.is_err());
        assert!(connect(second.url()).await.is_ok());
    }
}
