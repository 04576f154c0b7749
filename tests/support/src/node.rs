//! Node and its packages, as `scripts/install-e2e-clients` installs them.

use std::path::{Path, PathBuf};

/// Where everything is installed.
fn installed() -> PathBuf {
    root().join("target/e2e-clients")
}

/// The top of the repository.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate lies two folders deep")
}

/// The program.
#[must_use]
pub fn program() -> PathBuf {
    installed().join("node")
}

/// The folder with the packages of the test backends, and the conformance
/// suite among them.
///
/// # Panics
/// When they are not installed, or not in the versions that
/// `tests/backends/node/package-lock.json` pins.
#[must_use]
pub fn packages() -> PathBuf {
    let folder = installed().join("backends");
    let read = |file: PathBuf| std::fs::read(file).unwrap_or_default();
    let wanted = read(root().join("tests/backends/node/package-lock.json"));
    assert!(
        installed().join("installed").is_file() && wanted == read(folder.join("package-lock.json")),
        "the packages of the test backends are not installed, or not in the pinned versions: \
         run ./scripts/install-e2e-clients (./scripts/test does so by itself)"
    );
    folder
}
