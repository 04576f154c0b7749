//! Whether a tool is as somebody has approved it.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::error::{Reason, Refusal};
use crate::gateway::{Gateway, WorkerIo};
use crate::generation::Generation;
use crate::pins::{Definition, Found, Lock, Standing, differences};
use crate::registry::{Backend, SubjectKind, Tool};

/// Refuses a call of a tool that its backend does not offer as it was approved.
/// Without a lock everything passes.
///
/// # Errors
/// [`Reason::ToolQuarantined`]; what [`Upstream::definitions`] says, where it
/// cannot be told.
///
/// [`Upstream::definitions`]: crate::upstream::Upstream::definitions
pub(super) async fn check(
    gw: &Gateway,
    io: &WorkerIo,
    now: &Generation,
    backend: &Backend,
    (kind, tool): (SubjectKind, &str),
) -> Result<(), Refusal> {
    let Some(lock) = now.lock.as_ref().filter(|_| kind == SubjectKind::Tool) else {
        return Ok(());
    };
    // On the heap: with a lock, a call in a thousand waits for a list.
    let found = Box::pin(found(gw, io, lock, backend)).await?;
    match lock.judge(&backend.name, tool, found.digest(tool)) {
        Standing::Approved => Ok(()),
        standing @ (Standing::New | Standing::Changed | Standing::Gone) => Err(Refusal::new(
            Reason::ToolQuarantined,
            format!("{} of {} is {} in the lock", tool, backend.name, standing.word()),
        )),
    }
}

/// Whether a list may show an entry of a backend.
pub(super) fn shows(gw: &Gateway, lock: &Lock, backend: &Backend, entry: &RawValue) -> bool {
    let Some(listed) = Definition::of(entry) else { return false };
    let Some(pinned) = lock.pinned(&backend.name, listed.name()) else { return false };
    let approved = pinned.definition.covers(&listed);
    let known = gw.pins.of(backend.id);
    if !approved
        && let Some(found) = known.fresh(gw.clock.monotonic())
        && found.digest(listed.name()) == Some(pinned.digest)
    {
        // It says otherwise than just now.
        known.doubt();
    }
    approved
}

/// Whether a list may show a declared tool: as far as its backend is known.
pub(super) fn shows_declared(gw: &Gateway, now: &Generation, tool: &Tool) -> bool {
    let Some(lock) = &now.lock else { return true };
    let backend = &*tool.backend;
    let Some(found) = gw.pins.of(backend.id).fresh(gw.clock.monotonic()) else {
        return lock.pinned(&backend.name, &tool.inner).is_some();
    };
    lock.judge(&backend.name, &tool.inner, found.digest(&tool.inner)) == Standing::Approved
}

/// What a backend says of its tools, from memory or by asking.
async fn found(
    gw: &Gateway,
    io: &WorkerIo,
    lock: &Lock,
    backend: &Backend,
) -> Result<Arc<Found>, Refusal> {
    let known = gw.pins.of(backend.id);
    if let Some(found) = known.fresh(gw.clock.monotonic()) {
        return Ok(found);
    }
    let _asking = known.asking.lock().await;
    if let Some(found) = known.fresh(gw.clock.monotonic()) {
        return Ok(found);
    }
    let listed = gw.upstream.definitions(&io.http, backend).await?;
    let definitions = listed.iter().filter_map(|entry| Definition::of(entry)).collect();
    let found = Arc::new(Found::new(gw.clock.monotonic(), definitions));
    tell(lock, backend, &found);
    known.keep(Arc::clone(&found));
    Ok(found)
}

/// Says in the log what is not as it was approved.
fn tell(lock: &Lock, backend: &Backend, found: &Found) {
    for (name, pinned) in lock.of_backend(&backend.name) {
        if lock.judge(&backend.name, name, found.digest(name)) != Standing::Changed {
            continue;
        }
        let Some(now) = found.definition(name) else { continue };
        let changes = differences(&pinned.definition, now).join("\n");
        tracing::warn!(
            backend = &*backend.name,
            tool = name,
            "a tool has changed and is quarantined; see `scopegate tools diff`:\n{changes}"
        );
    }
}
