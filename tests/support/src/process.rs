//! Server processes that never outlive the test process.
//!
//! `Drop` is not enough: a static is never dropped, and a killed process drops
//! nothing. So each server is started by a small shell (`supervise.sh`) that
//! holds the reading end of a pipe from us and stops the server when the pipe
//! closes, which the system does however we end.

use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::eventually::wait_until;
use crate::scratch::Scratch;

/// Longest time a server may take to begin or to end.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server as our child.
pub struct Server {
    shell: Child,
    pipe: Option<ChildStdin>,
    pid: u32,
    folder: PathBuf,
    exit: Arc<OnceLock<i32>>,
}

/// An account without rights, for servers that refuse to run as root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The account to run servers under: `None` is our own, unless that is
    /// root's.
    pub(crate) fn unprivileged(scratch: &Scratch) -> Option<Self> {
        if !scratch.is_roots() {
            return None;
        }
        let accounts = std::fs::read_to_string("/etc/passwd").expect("the file of accounts");
        let find = |name: &str| {
            let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2).map(str::parse);
            Some(Self { uid: fields.next()?.ok()?, gid: fields.next()?.ok()? })
        };
        Some(find("postgres").or_else(|| find("nobody")).expect("an account postgres or nobody"))
    }

    /// Lets a command run under this account.
    pub(crate) fn assume(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Gives a file or folder to this account.
    pub(crate) fn give(self, path: &Path) {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .expect("root may give a file away");
    }
}

impl Server {
    /// Starts `program` in `scratch`, which it owns from now on and where its
    /// output goes to the file `log`. `signal` is the one that stops it.
    /// As root, `account` is whom it runs as.
    ///
    /// # Panics
    /// When the shell cannot be started.
    pub(crate) fn start(
        scratch: Scratch,
        account: Option<Account>,
        signal: &str,
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Self {
        if let Some(account) = account {
            account.give(scratch.path());
        }
        let folder = scratch.entrust();
        let mut command = Command::new("sh");
        command.args(["-c", include_str!("supervise.sh"), "supervise"]);
        command.arg(&folder).arg(signal).arg(program).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Not in our group, so that Ctrl-C ends us first and the shell then
        // ends the server in order.
        command.current_dir(&folder).process_group(0);
        if let Some(account) = account {
            account.assume(&mut command);
        }
        let mut shell = command.spawn().expect("a shell");
        let pipe = shell.stdin.take();
        let mut lines = BufReader::new(shell.stdout.take().expect("a pipe")).lines();
        let pid = lines.next().and_then(Result::ok).and_then(|line| line.parse().ok());
        let exit = Arc::new(OnceLock::new());
        let end = Arc::clone(&exit);
        std::thread::spawn(move || {
            let code = lines.next().and_then(Result::ok).and_then(|line| line.parse().ok());
            end.get_or_init(|| code.unwrap_or(-1));
        });
        Self { shell, pipe, pid: pid.expect("a process id from the shell"), folder, exit }
    }

    /// Starts a program of the test's own (a gateway, a tool) with these
    /// environment variables next to the inherited ones; SIGTERM stops it.
    ///
    /// # Panics
    /// When the program is not there.
    #[must_use]
    pub fn run(program: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        assert!(program.is_file(), "{} is not there: build it first", program.display());
        let assignments = environment.iter().map(|(name, value)| format!("{name}={value}"));
        let arguments = assignments
            .chain([program.display().to_string()])
            .chain(arguments.iter().map(ToString::to_string));
        Self::start(Scratch::new("sg-run"), None, "TERM", Path::new("env"), arguments)
    }

    /// Starts a program that sees nothing of our own environment but these
    /// variables; SIGTERM stops it.
    ///
    /// # Panics
    /// When the program is not there.
    #[must_use]
    pub fn isolated(program: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        assert!(program.is_file(), "{} is not there: build it first", program.display());
        let assignments = environment.iter().map(|(name, value)| format!("{name}={value}"));
        let all = std::iter::once("-i".to_owned())
            .chain(assignments)
            .chain([program.display().to_string()])
            .chain(arguments.iter().map(ToString::to_string));
        Self::start(Scratch::new("sg-run"), None, "TERM", Path::new("env"), all)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The folder it runs in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it has printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Its exit code, once it has ended (128 + n after signal n).
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        self.exit.get().copied()
    }

    /// Sends a signal by name (`TERM`, `STOP`, `CONT`, `KILL` …).
    ///
    /// # Panics
    /// When there is no such process any more.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid.to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot send {name} to {self:?}");
    }

    /// Kills it and waits until it is gone.
    ///
    /// # Panics
    /// When it has ended before.
    pub fn kill(&self) {
        self.signal("KILL");
        wait_until(PATIENCE, "a killed process to end", || self.exit_code().is_some());
    }

    /// Waits until it accepts connections on a port of 127.0.0.1. `false`
    /// means that it has ended instead.
    ///
    /// # Panics
    /// When neither happens in time.
    #[must_use]
    pub fn accepts_on(&self, port: u16) -> bool {
        let what =
            format!("{self:?} to accept connections on port {port}; it says: {}", self.log());
        let mut open = false;
        wait_until(PATIENCE, &what, || {
            open = TcpStream::connect(("127.0.0.1", port)).is_ok();
            open || self.exit_code().is_some()
        });
        open && self.exit_code().is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // The shell ends as soon as the server has, which it kills if need be.
        let _ = self.shell.wait();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server {} in {}", self.pid, self.folder.display())
    }
}

/// Finds a program in `PATH` or in one of `folders`.
///
/// # Panics
/// When it is nowhere, naming the Debian package that brings it.
pub(crate) fn find(program: &str, folders: &[PathBuf], package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(folders.iter().cloned())
        .map(|folder| folder.join(program))
        .find(|file| {
            file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 1 == 1)
        })
        .unwrap_or_else(|| {
            panic!("{program} is not installed: `apt-get install {package}`, or ./scripts/test")
        })
}

/// Starts a server on a free port: `start` gets ports until the server it
/// returns accepts on its own.
///
/// # Panics
/// When no server of five begins to accept.
#[must_use]
pub fn on_free_port(mut start: impl FnMut(u16) -> Server) -> (Server, u16) {
    let mut last = String::new();
    for _ in 0..5 {
        let port = crate::ports::free();
        let server = start(port);
        if server.accepts_on(port) {
            return (server, port);
        }
        // Somebody else took the port in between, or it is broken for good.
        last = server.log();
    }
    panic!("the server does not start; it says: {last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(pid: u32) -> bool {
        Command::new("kill")
            .args(["-0", &pid.to_string()])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    #[test]
    fn a_dropped_server_is_gone_with_its_folder() {
        let server = Server::run(Path::new("/bin/sleep"), &["600"], &[]);
        let (pid, folder) = (server.pid(), server.folder().to_owned());
        assert!(alive(pid) && folder.exists());
        drop(server);
        assert!(!alive(pid) && !folder.exists());
    }

    #[test]
    fn output_and_exit_code_can_be_read() {
        let script = "echo \"$GREETING\"; exit 7";
        let server = Server::run(Path::new("/bin/sh"), &["-c", script], &[("GREETING", "hello")]);
        wait_until(PATIENCE, "the exit code", || server.exit_code().is_some());
        assert_eq!((server.exit_code(), server.log().as_str()), (Some(7), "hello\n"));
    }

    #[test]
    fn an_isolated_program_sees_what_it_is_given() {
        let server = Server::isolated(Path::new("/usr/bin/env"), &[], &[("GREETING", "hello")]);
        wait_until(PATIENCE, "the exit code", || server.exit_code().is_some());
        assert_eq!((server.exit_code(), server.log().as_str()), (Some(0), "GREETING=hello\n"));
    }

    #[test]
    fn a_server_dies_with_a_test_process_that_is_killed() {
        const NAME: &str = "process::tests::a_server_dies_with_a_test_process_that_is_killed";
        const VICTIM: &str = "SUPPORT_TEST_VICTIM";
        // This test again, in a process of its own, is the one that is killed.
        if let Some(file) = std::env::var_os(VICTIM) {
            let server = Server::run(Path::new("/bin/sleep"), &["600"], &[]);
            let line = format!("{} {}\n", server.pid(), server.folder().display());
            std::fs::write(file, line).unwrap();
            loop {
                std::thread::park();
            }
        }
        let scratch = Scratch::new("sg-victim");
        let file = scratch.path().join("pid");
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME])
            .env(VICTIM, &file)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        wait_until(PATIENCE, "the server's process id", || {
            line = std::fs::read_to_string(&file).unwrap_or_default();
            line.ends_with('\n')
        });
        let (pid, folder) = line.trim_end().split_once(' ').unwrap();
        let (pid, folder) = (pid.parse().unwrap(), Path::new(folder));
        assert!(alive(pid) && folder.exists());
        victim.kill().unwrap();
        victim.wait().unwrap();
        wait_until(PATIENCE, "the orphan to be ended", || !alive(pid) && !folder.exists());
    }
}
