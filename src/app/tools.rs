//! `scopegate tools …`: the approved tools beside those that backends offer.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;

use crate::cli::{Output, Tools, ToolsEnd, Which};
use crate::clock::Clock;
use crate::handshake::Handshake;
use crate::pins::{Definition, Found, Lock, Standing, differences};
use crate::registry::{Backend, Registry};
use crate::reload;
use crate::session::Sessions;
use crate::settings::Settings;
use crate::upstream::Upstream;

/// A tool beside its approval.
struct Compared {
    backend: Arc<Backend>,
    tool: String,
    standing: Standing,
    changes: Vec<String>,
    /// As it is offered now.
    now: Option<Definition>,
}

/// Compares, or approves.
///
/// # Errors
/// When a backend cannot be asked, or a file not be read or written.
pub fn tools(
    settings: &Settings,
    action: &Tools,
    output: &mut Output<'_>,
) -> anyhow::Result<ToolsEnd> {
    let Some(file) = settings.registry.lock.as_deref() else {
        return Ok(ToolsEnd::Wrong("registry.lock names no file".to_owned()));
    };
    let wrong = |file: &Path, complaints: Vec<String>| {
        let each = complaints.into_iter().map(|it| format!("\n  {}: {it}", file.display()));
        ToolsEnd::Wrong(each.collect())
    };
    let registry = match Registry::load(&settings.registry.file, reload::bounds(settings)) {
        Ok(registry) => registry,
        Err(complaints) => return Ok(wrong(&settings.registry.file, complaints)),
    };
    let lock = match Lock::load(file) {
        Ok(lock) => lock,
        Err(complaints) => return Ok(wrong(file, complaints)),
    };
    let (which, approves) = match action {
        Tools::Diff { which, .. } => (which, None),
        Tools::Approve { which, all } => (which, Some(*all)),
    };
    if approves == Some(false) && which.tools.is_empty() {
        return Ok(ToolsEnd::Wrong("say which with --tool, or --all".to_owned()));
    }
    let backends: Vec<_> = registry
        .snapshot()
        .backends()
        .iter()
        .filter(|it| which.backend.as_deref().is_none_or(|name| *it.name == *name))
        .cloned()
        .collect();
    if backends.is_empty() {
        return Ok(ToolsEnd::Wrong("the registry has no such backend".to_owned()));
    }
    let compared =
        actix_web::rt::System::new().block_on(compare(settings, &lock, which, &backends))?;
    if let Some(missing) =
        which.tools.iter().find(|tool| !compared.iter().any(|it| it.tool == **tool))
    {
        return Ok(ToolsEnd::Wrong(format!("no backend has a tool `{missing}`")));
    }
    match action {
        Tools::Diff { json, .. } => {
            say(output, &if *json { as_json(&compared) } else { in_words(&compared) })?;
            let same = compared.iter().all(|it| it.standing == Standing::Approved);
            Ok(if same { ToolsEnd::Done } else { ToolsEnd::Differing })
        }
        Tools::Approve { .. } => {
            let mut lock = lock;
            let mut count = 0;
            for it in compared.into_iter().filter(|it| it.standing != Standing::Approved) {
                count += 1;
                say(output, &format!("{} of {}: {}\n", it.tool, it.backend.name, word(&it)))?;
                match it.now {
                    Some(now) => lock.approve(&it.backend.name, now),
                    None => _ = lock.revoke(&it.backend.name, &it.tool),
                }
            }
            lock.write(file).with_context(|| format!("cannot write {}", file.display()))?;
            say(output, &format!("{count} tools approved anew in {}\n", file.display()))?;
            Ok(ToolsEnd::Done)
        }
    }
}

fn word(it: &Compared) -> &'static str {
    if it.now.is_some() { "approved" } else { "approval taken back: it is gone" }
}

async fn compare(
    settings: &Settings,
    lock: &Lock,
    which: &Which,
    backends: &[Arc<Backend>],
) -> anyhow::Result<Vec<Compared>> {
    let clock = Clock::system();
    let server_info = Handshake::new(&settings.telemetry.app_name)?.server_info().to_owned();
    let sessions =
        Sessions::new(&settings.sessions, &settings.upstream, &settings.redis, clock.clone())?;
    let upstream =
        Upstream::new(&settings.upstream, server_info, Arc::new(sessions), clock.clone());
    let client = upstream.client();
    let mut compared = Vec::new();
    for backend in backends {
        let listed = upstream.definitions(&client, backend).await.map_err(|refusal| {
            anyhow::anyhow!("{}: {}: {}", backend.name, refusal.reason.name(), refusal.detail)
        })?;
        let listed: Vec<_> = listed.iter().filter_map(|entry| Definition::of(entry)).collect();
        let mut names: Vec<String> = listed.iter().map(|it| it.name().to_owned()).collect();
        names.extend(lock.of_backend(&backend.name).map(|(name, _)| name.to_owned()));
        names.sort_unstable();
        names.dedup();
        let found = Found::new(clock.monotonic(), listed);
        for tool in names {
            if !which.tools.is_empty() && !which.tools.contains(&tool) {
                continue;
            }
            let now = found.definition(&tool).cloned();
            let before = lock.pinned(&backend.name, &tool).map(|pinned| &pinned.definition);
            let changes = match (before, &now) {
                (Some(before), Some(now)) => differences(before, now),
                _ => Vec::new(),
            };
            let standing = lock.judge(&backend.name, &tool, found.digest(&tool));
            compared.push(Compared { backend: Arc::clone(backend), tool, standing, changes, now });
        }
    }
    Ok(compared)
}

fn in_words(compared: &[Compared]) -> String {
    let mut text = String::new();
    for it in compared.iter().filter(|it| it.standing != Standing::Approved) {
        let head = format!("{} of {}: {}\n", it.tool, it.backend.name, it.standing.word());
        text.push_str(&head);
        for change in &it.changes {
            text.extend(["  ", change, "\n"]);
        }
    }
    let approved = compared.iter().filter(|it| it.standing == Standing::Approved).count();
    let all = compared.len();
    text + &format!("{approved} of {all} tools are as they were approved\n")
}

fn as_json(compared: &[Compared]) -> String {
    let rows: Vec<_> = compared
        .iter()
        .map(|it| {
            json!({
                "backend": &*it.backend.name,
                "tool": it.tool,
                "standing": it.standing.word(),
                "changes": it.changes,
                "digest": it.now.as_ref().map(|now| now.digest().to_string()),
            })
        })
        .collect();
    format!("{:#}\n", json!(rows))
}

fn say(output: &mut Output<'_>, text: &str) -> std::io::Result<()> {
    output.out.write_all(text.as_bytes())?;
    output.out.flush()
}
