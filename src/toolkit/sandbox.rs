//! The kernel's own jail (Landlock): from here on the process can use the folders
//! it names, answer requests, and nothing else.
//!
//! It stands behind the checks of a service, for what those cannot see: a folder
//! that changes between check and use, or a fault in a library.

use std::path::PathBuf;
use std::str::FromStr;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};

/// The newest interface whose rights are asked for; an older kernel enforces
/// those it knows.
const INTERFACE: ABI = ABI::V6;

/// Whether the kernel has to hold a service in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sandbox {
    /// It must, or the service does not start.
    Require,
    /// As far as it can.
    Try,
    /// It is not asked.
    Off,
}

impl FromStr for Sandbox {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "require" => Ok(Self::Require),
            "try" => Ok(Self::Try),
            "off" => Ok(Self::Off),
            _ => Err(()),
        }
    }
}

impl Sandbox {
    /// Restricts this thread, and all that it starts later, for good: of files,
    /// only what lies below these folders may be read, and only what lies below
    /// the second ones written; nothing may be executed, no connection opened,
    /// and no process outside be signalled.
    ///
    /// # Errors
    /// Why the service must not start.
    pub fn enter(self, readable: &[PathBuf], writable: &[PathBuf]) -> Result<(), String> {
        if self == Self::Off {
            return Ok(());
        }
        match enter(readable, writable) {
            Ok(Enforced::Fully) => Ok(()),
            _ if self == Self::Try => Ok(()),
            Ok(how) => Err(format!("but the kernel enforces it {how:?}")),
            Err(error) => Err(format!("but: {error}")),
        }
    }
}

/// How far the kernel goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Enforced {
    Fully,
    Partly,
    Not,
}

fn enter(readable: &[PathBuf], writable: &[PathBuf]) -> Result<Enforced, landlock::RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(INTERFACE))?
        .handle_access(AccessNet::ConnectTcp)?
        .scope(Scope::from_all(INTERFACE))?
        .create()?;
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let writing = reading
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir;
    let folders = readable
        .iter()
        .map(|folder| (folder, reading))
        .chain(writable.iter().map(|folder| (folder, writing)));
    for (folder, rights) in folders {
        // One that is gone cannot be used anyway.
        if let Ok(opened) = PathFd::new(folder) {
            ruleset = ruleset.add_rule(PathBeneath::new(opened, rights))?;
        }
    }
    Ok(match ruleset.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Enforced::Fully,
        RulesetStatus::PartiallyEnforced => Enforced::Partly,
        RulesetStatus::NotEnforced => Enforced::Not,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// On a thread of its own, for it is for good.
    #[test]
    fn nothing_but_the_given_folders_can_be_read_and_nothing_be_done() {
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tmp");
        let base = base.join(format!("sandbox-{}", std::process::id()));
        let (inside, outside) = (base.join("inside"), base.join("outside"));
        for folder in [&inside, &outside] {
            fs::create_dir_all(folder).unwrap();
            fs::write(folder.join("file"), "text").unwrap();
        }
        std::os::unix::fs::symlink(outside.join("file"), inside.join("link")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let held = inside.clone();
        let written = base.join("written");
        fs::create_dir(&written).unwrap();
        let tried = std::thread::spawn(move || {
            let writable = std::slice::from_ref(&written);
            let enforced = enter(std::slice::from_ref(&held), writable).unwrap();
            // A file that appears in one piece, as a store makes it.
            let (part, whole) = (written.join("user/part"), written.join("user/whole"));
            fs::create_dir(written.join("user")).unwrap();
            fs::write(&part, "text").unwrap();
            fs::rename(&part, &whole).unwrap();
            assert_eq!(fs::read_to_string(&whole).unwrap(), "text");
            fs::remove_file(&whole).unwrap();
            let read = |path: &Path| fs::read_to_string(path).map_err(|error| error.kind());
            let write = fs::write(held.join("new"), "x").map_err(|error| error.kind());
            let run = Command::new("/bin/true").status().map_err(|error| error.kind());
            let connect = TcpStream::connect(address).map_err(|error| error.kind());
            (
                enforced,
                read(&held.join("file")),
                [
                    read(&outside.join("file")).map(drop),
                    read(&held.join("link")).map(drop),
                    read(Path::new("/etc/passwd")).map(drop),
                    write,
                    run.map(drop),
                    connect.map(drop),
                ],
            )
        });
        let (enforced, inside, rest) = tried.join().unwrap();
        fs::remove_dir_all(&base).unwrap();
        assert_eq!(inside.as_deref(), Ok("text"));
        match enforced {
            Enforced::Fully => assert_eq!(rest, [Err(ErrorKind::PermissionDenied); 6]),
            // An older kernel knows of files, and not of connections.
            Enforced::Partly => assert_eq!(rest[..5], [Err(ErrorKind::PermissionDenied); 5]),
            // And one without Landlock changes nothing.
            Enforced::Not => assert_eq!(rest, [Ok(()); 6]),
        }
    }
}
