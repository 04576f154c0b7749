//! `tools.lock`: the definitions that somebody has approved.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Standing;
use super::definition::{Definition, Digest};
use crate::secret::hex;

/// Largest file that is read, in bytes.
const MOST_TEXT: u64 = 64 * 1024 * 1024;

/// The only version of the format.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    version: u32,
    /// By backend, and by the tool's name there.
    backends: BTreeMap<String, BTreeMap<String, Entry>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    digest: String,
    definition: Value,
}

/// A tool as it was approved.
#[derive(Clone, Debug)]
pub(crate) struct Pinned {
    pub(crate) digest: Digest,
    pub(crate) definition: Definition,
}

/// The approved tools, by backend and by name there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lock {
    backends: BTreeMap<String, BTreeMap<String, Pinned>>,
    /// SHA-256 of the file, hexadecimal.
    mark: Box<str>,
}

impl Lock {
    /// Reads a lock. A file that does not exist approves nothing.
    ///
    /// # Errors
    /// Every complaint, as `path: what is wrong`.
    pub(crate) fn load(path: &Path) -> Result<Self, Vec<String>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(vec![error.to_string()]),
        };
        let mut text = String::new();
        let read = file.take(MOST_TEXT + 1).read_to_string(&mut text);
        match read.map_err(|error| vec![error.to_string()])? as u64 {
            0..=MOST_TEXT => Self::read(&text),
            _ => Err(vec![format!("is larger than {MOST_TEXT} bytes")]),
        }
    }

    /// Reads the text of a lock.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub(super) fn read(text: &str) -> Result<Self, Vec<String>> {
        let file: Text = serde_json::from_str(text).map_err(|error| vec![error.to_string()])?;
        if file.version != VERSION {
            return Err(vec![format!("version: only {VERSION} is known")]);
        }
        let mut complaints = Vec::new();
        let mut backends: BTreeMap<String, BTreeMap<String, Pinned>> = BTreeMap::new();
        for (backend, tools) in file.backends {
            for (tool, entry) in tools {
                let at = format!("backends.{backend}.{tool}");
                let definition = Definition::of_value(entry.definition);
                let Some(definition) = definition.filter(|it| it.name() == tool) else {
                    complaints.push(format!("{at}.definition: is not of a tool of this name"));
                    continue;
                };
                let digest = definition.digest();
                if digest.to_string() != entry.digest {
                    complaints.push(format!("{at}.digest: is not the definition's ({digest})"));
                    continue;
                }
                let pinned = Pinned { digest, definition };
                backends.entry(backend.clone()).or_default().insert(tool, pinned);
            }
        }
        let mark = hex(digest(&SHA256, text.as_bytes()).as_ref()).into();
        if complaints.is_empty() { Ok(Self { backends, mark }) } else { Err(complaints) }
    }

    /// Writes it: another file takes the place of the old one.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let written = File::create(&beside).and_then(|mut file| {
            file.write_all(self.text().as_bytes())?;
            file.sync_all()?;
            if let Ok(before) = std::fs::metadata(path) {
                file.set_permissions(before.permissions())?;
            }
            std::fs::rename(&beside, path)
        });
        if written.is_err() {
            let _ = std::fs::remove_file(&beside);
        }
        written
    }

    /// Its text, the same for the same tools.
    pub(super) fn text(&self) -> String {
        let entry = |pinned: &Pinned| Entry {
            digest: pinned.digest.to_string(),
            definition: pinned.definition.to_value(),
        };
        let tools = |tools: &BTreeMap<String, Pinned>| {
            tools.iter().map(|(name, pinned)| (name.clone(), entry(pinned))).collect()
        };
        let backends = self.backends.iter().map(|(name, all)| (name.clone(), tools(all))).collect();
        let mut text =
            serde_json::to_string_pretty(&Text { version: VERSION, backends }).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Whether it says the same as the other.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.mark == other.mark
    }

    /// A tool as it was approved.
    pub(crate) fn pinned(&self, backend: &str, tool: &str) -> Option<&Pinned> {
        self.backends.get(backend)?.get(tool)
    }

    /// The approved tools of a backend.
    pub(crate) fn of_backend(&self, backend: &str) -> impl Iterator<Item = (&str, &Pinned)> {
        let tools = self.backends.get(backend);
        tools.into_iter().flatten().map(|(name, pinned)| (name.as_str(), pinned))
    }

    /// How a tool stands that a backend offers with this definition; without
    /// one, that it does not offer.
    pub(crate) fn judge(&self, backend: &str, tool: &str, now: Option<Digest>) -> Standing {
        match (self.pinned(backend, tool), now) {
            (None, _) => Standing::New,
            (Some(_), None) => Standing::Gone,
            (Some(pinned), Some(now)) if pinned.digest == now => Standing::Approved,
            (Some(_), Some(_)) => Standing::Changed,
        }
    }

    /// Approves a tool as it is.
    pub(crate) fn approve(&mut self, backend: &str, definition: Definition) {
        let pinned = Pinned { digest: definition.digest(), definition };
        let name = pinned.definition.name().to_owned();
        self.backends.entry(backend.to_owned()).or_default().insert(name, pinned);
    }

    /// Takes an approval back. `true`: there was one.
    pub(crate) fn revoke(&mut self, backend: &str, tool: &str) -> bool {
        let tools = self.backends.get_mut(backend);
        tools.is_some_and(|tools| tools.remove(tool).is_some())
    }
}
