//! The kernel's own jail (Landlock): from here on the process can read the
//! folders of its repositories, answer requests, and nothing else.
//!
//! It stands behind the checks of `jail`, for what those cannot see: a folder
//! that changes between check and use, or a fault in a library.

use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};

/// The newest interface whose rights are asked for; an older kernel enforces
/// those it knows.
const INTERFACE: ABI = ABI::V6;

/// How far the kernel goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enforced {
    Fully,
    Partly,
    Not,
}

/// Restricts this thread, and all that it starts later, for good: of files,
/// only what lies below these folders may be read; nothing may be written or
/// executed, no connection opened, and no process outside be signalled.
pub(crate) fn enter(folders: &[PathBuf]) -> Result<Enforced, landlock::RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(INTERFACE))?
        .handle_access(AccessNet::ConnectTcp)?
        .scope(Scope::from_all(INTERFACE))?
        .create()?;
    for folder in folders {
        // One that is gone cannot be read anyway.
        if let Ok(opened) = PathFd::new(folder) {
            let readable = AccessFs::ReadFile | AccessFs::ReadDir;
            ruleset = ruleset.add_rule(PathBeneath::new(opened, readable))?;
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
        let tried = std::thread::spawn(move || {
            let enforced = enter(std::slice::from_ref(&held)).unwrap();
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
