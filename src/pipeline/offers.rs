//! Which backend of a scope offers a name, where the name does not say it:
//! read from the backends' own lists, and kept for a while.

use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::json;

use super::{Visitor, lists};
use crate::error::{Reason, Refusal};
use crate::gateway::{Gateway, WorkerIo};
use crate::protocol::mcp::meta;
use crate::protocol::raw::{self, Object, elements};
use crate::protocol::revision::{self, Era};
use crate::registry::{Offered, SubjectKind};
use crate::translate::lists::List;

/// Most pages of a backend's list that are read.
const MOST_PAGES: usize = 64;

/// The place of the backend that offers a name.
///
/// # Errors
/// [`Reason::BackendUnavailable`], when no backend that answers offers it, and
/// one that does not answer may.
pub(super) async fn place(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    era: Era,
    kind: SubjectKind,
    name: &str,
) -> Result<Option<usize>, Refusal> {
    // With the backends in their places: a reload may change those.
    let scope = visitor.scope.label();
    let now = gw.clock.monotonic();
    if let Some(offered) = gw.offers.known(scope, kind, name, now) {
        return found(&offered, name);
    }
    let offered = Box::pin(read(gw, io, visitor, era, kind)).await;
    let place = found(&offered, name);
    gw.offers.keep(scope, kind, offered, now);
    place
}

fn found(offered: &Offered, name: &str) -> Result<Option<usize>, Refusal> {
    match offered.place(name) {
        None if offered.is_partial => Err(Refusal::new(
            Reason::BackendUnavailable,
            "a backend that may offer this name does not say what it offers",
        )),
        place => Ok(place),
    }
}

async fn read(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    era: Era,
    kind: SubjectKind,
) -> Offered {
    let all: &[List] = match kind {
        SubjectKind::Tool => &[List::Tools],
        SubjectKind::Prompt => &[List::Prompts],
        SubjectKind::Resource => &[List::Resources, List::Templates],
    };
    let places = 0..visitor.scope.backends.len();
    let asking = places.flat_map(|place| all.iter().map(move |list| (place, *list)));
    let asking = asking.map(|(place, list)| async move {
        (place, list, names(gw, io, visitor, era, place, list).await)
    });
    let mut offered = Offered::default();
    // In the order of the scope: a name belongs to the first that offers it.
    for (place, list, (names, all_of_them)) in join_all(asking).await {
        offered.is_partial |= !all_of_them;
        for name in names {
            if list == List::Templates {
                let prefix = name.split('{').next().unwrap_or_default();
                if !prefix.is_empty() {
                    offered.prefixes.push((prefix.into(), place));
                }
                // Completions name a template as it is.
                offered.names.entry(name.into()).or_insert(place);
            } else if let Some(other) = offered.names.insert(name.as_str().into(), place)
                && other != place
            {
                tracing::warn!(
                    scope = &*visitor.scope.name,
                    name,
                    "two backends offer one name; the first has it. Set `namespace: connection`"
                );
                offered.names.insert(name.into(), other);
            }
        }
    }
    offered
}

/// The names on a backend's list, and whether these are all.
async fn names(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    era: Era,
    place: usize,
    list: List,
) -> (Vec<String>, bool) {
    let revision = match era {
        Era::Modern => revision::MODERN[0],
        Era::Legacy => visitor.seat.as_ref().map_or(revision::LATEST_LEGACY, |s| s.revision()),
    };
    let wanted = lists::Wanted { list, era, revision };
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let mut params = json!({});
        if let Some(cursor) = &cursor {
            params["cursor"] = json!(cursor);
        }
        if era == Era::Modern {
            params["_meta"] = json!({
                meta::PROTOCOL_VERSION: revision,
                meta::CLIENT_CAPABILITIES: {},
            });
        }
        let message = json!({
            "jsonrpc": "2.0", "id": "scopegate-offers", "method": wanted.method(), "params": params,
        });
        let message = Bytes::from(message.to_string());
        let Ok(answer) = lists::ask_unread(gw, io, visitor, wanted, place, message).await else {
            return (found, false);
        };
        let result = match lists::part(&answer) {
            Ok(Some(result)) => result,
            // It has no such lists.
            Ok(None) => break,
            Err(_) => return (found, false),
        };
        let Ok(page) = raw::value(&result).and_then(Object::read) else {
            return (found, false);
        };
        let entries = page.get(list.member()).ok().flatten();
        for entry in entries.and_then(|entries| elements(entries).ok()).unwrap_or_default() {
            let name = Object::read(entry).and_then(|entry| entry.text(list.key()));
            found.extend(name.map(std::borrow::Cow::into_owned));
        }
        let next = page.text("nextCursor").ok().map(std::borrow::Cow::into_owned);
        if next.is_none() || next == cursor {
            break;
        }
        cursor = next;
    }
    (found, true)
}
