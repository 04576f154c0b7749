//! A modern client's request at a legacy backend: in a session of the
//! caller's, which declares nothing, so that the backend asks nothing.

use std::sync::Arc;

use super::down::{Down, Wishes};
use super::exchange::{Ask, Reply, Setback, raw, unfit};
use super::in_session::Door;
use super::peer::Legacy;
use super::pool::Held;
use super::recall::Recall;
use super::turn::Turn;
use super::wire::Letter;
use super::{Upstream, nonce};
use crate::error::{Reason, Refusal};
use crate::protocol::splice::Edits;
use crate::protocol::{ids, raw as json_text};
use crate::translate::request;

impl Upstream {
    /// Translated, in a session of the caller's. `logs` says whether the
    /// backend logs.
    pub(super) async fn descend(
        self: &Arc<Self>,
        client: &awc::Client,
        ask: &Ask<'_>,
        legacy: Legacy,
        logs: bool,
        last: bool,
    ) -> Result<Reply, Setback> {
        let mut again = true;
        loop {
            let (held, owner) = match legacy {
                Legacy::Sessions => self.held(client, ask, false).await?,
                Legacy::Stateless => (Held::NONE, None),
            };
            let id = raw(&ids::outgoing(&nonce::fresh()?, ask.id))?;
            let whole = json_text::value(&ask.message).map_err(unfit)?;
            let wishes = Wishes::read(whole);
            if let Some(owner) = owner.as_ref().filter(|_| logs && wishes.logs()) {
                self.hear_all(client, ask, owner, &held).await;
            }
            let edits = Edits::new(&ask.message).replace(ask.id, id.get().as_bytes().to_vec());
            let message = request::strip(edits, whole).and_then(Edits::finish).map_err(unfit)?;
            let user = ask.caller.user_id();
            let letter = Letter {
                to: ask.backend,
                user,
                trail: ask.trail,
                revision: Some(held.revision),
                session: held.id.as_deref(),
                mirrored: Vec::new(),
            };
            let mut recall = Recall::of(self, client, ask.backend, user, &held, &id);
            let posted = self.post(client, letter, message).await;
            let mut response = posted.inspect_err(|refusal| {
                if refusal.reason == Reason::BackendUnavailable {
                    recall.disarm();
                }
            })?;
            let door = response.refused(&held, self.max_reply_bytes).await?;
            if door.is_some() {
                recall.disarm();
            }
            match door {
                Some(Door::OtherEra) if !last && self.doubt(ask.backend) => {
                    return Err(Setback::Contradicted(None));
                }
                Some(Door::OtherEra) | None => {}
                Some(Door::Lost) => {
                    // The session was the gateway's own: nothing of the
                    // client's is lost with it.
                    if let Some(owner) = owner {
                        self.forget(&owner);
                        if std::mem::take(&mut again) {
                            continue;
                        }
                    }
                    return Err(Refusal::new(
                        Reason::BackendError,
                        format!("the backend keeps no session: HTTP {}", response.status),
                    )
                    .into());
                }
            }
            let down = Down::new(ask.method, self.server_info.clone(), wishes, recall);
            let turn = Turn::down(ask, id, &held, down);
            return Ok(self.read(client, ask, response, turn).await?);
        }
    }
}
