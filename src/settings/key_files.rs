//! Files that hold a secret, or the configuration itself: bounded reading
//! and a look at who else may read them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Settings;
use super::problems::Place;
use super::validate::Findings;
use crate::secret::Secret;

/// Largest file with one secret, in bytes.
const LARGEST_SECRET: u64 = 64 * 1024;

/// A text file's content and whether everybody on the machine may read it.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) text: String,
    pub(super) world_readable: bool,
}

/// Reads a whole regular file.
///
/// # Errors
/// A sentence that says why not; never the content.
pub(super) fn read(path: &Path, largest: u64) -> Result<Content, String> {
    let unreadable = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    let mut text = String::new();
    file.take(largest + 1).read_to_string(&mut text).map_err(unreadable)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > largest {
        return Err(format!("{} is larger than {largest} bytes", path.display()));
    }
    Ok(Content { text, world_readable: metadata.permissions().mode() & 0o004 != 0 })
}

/// Reads a file that holds one secret. One line end at the end of the file
/// does not belong to it.
///
/// # Errors
/// As [`read`].
fn read_secret(path: &Path) -> Result<(Secret, bool), String> {
    let content = read(path, LARGEST_SECRET)?;
    let text = content.text.strip_suffix('\n').unwrap_or(&content.text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok((Secret::new(text), content.world_readable))
}

/// Reads the files that hold secrets into the fields for secrets. The path
/// stays only in the origins, so that one secret is not seen as two sources.
pub(super) fn read_secrets(
    settings: &mut Settings,
    origins: &mut BTreeMap<String, Place>,
    findings: &mut Findings,
) {
    let issuers = std::iter::once(&mut settings.auth.default).chain(&mut settings.auth.issuers);
    for issuer in issuers {
        issuer.secret_read_from.clone_from(&issuer.secret_key_file);
    }
    let default = &mut settings.auth.default;
    let mut pairs = vec![
        (
            "upstream.shared_secret".to_owned(),
            &mut settings.upstream.shared_secret,
            &mut settings.upstream.shared_secret_file,
        ),
        ("sessions.key".to_owned(), &mut settings.sessions.key, &mut settings.sessions.key_file),
        (
            "audit.signing_key".to_owned(),
            &mut settings.audit.signing_key,
            &mut settings.audit.signing_key_file,
        ),
        (
            "auth.default.secret_key".to_owned(),
            &mut default.secret_key,
            &mut default.secret_key_file,
        ),
    ];
    for (index, issuer) in settings.auth.issuers.iter_mut().enumerate() {
        let path = format!("auth.issuers[{index}].secret_key");
        pairs.push((path, &mut issuer.secret_key, &mut issuer.secret_key_file));
    }
    for (path, secret, file) in pairs {
        let Some(name) = file.as_ref().filter(|name| !name.as_os_str().is_empty()) else {
            continue;
        };
        if secret.is_some() {
            let message = format!("is set as well as {path}_file; keep one of them");
            findings.problem(path, message);
            continue;
        }
        match read_secret(name) {
            Ok((value, world_readable)) => {
                if world_readable {
                    let shown = name.display();
                    let message = format!("everybody on the machine may read {shown}");
                    findings.warning(format!("{path}_file"), message);
                }
                let source = Place::File { file: name.display().to_string(), position: None };
                origins.insert(path, source);
                *secret = Some(value);
                *file = None;
            }
            // The secret is missing because of this; that is said once.
            Err(message) => findings.problem(format!("{path}_file"), message),
        }
    }
}
