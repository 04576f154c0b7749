//! A legacy client's request in its own session at a legacy backend.

use std::sync::Arc;

use super::exchange::{Ask, REFUSED_AT_THE_DOOR, Reply, Setback, UNSUPPORTED_VERSION, lost, raw};
use super::flight::unless_called_back;
use super::peer::Presented;
use super::pool::{Held, Owner};
use super::turn::Turn;
use super::wire::{AtTheDoor, Letter, Response};
use super::{Upstream, nonce};
use crate::error::{Reason, Refusal};
use crate::protocol::{ids, splice};

impl Upstream {
    /// In the client's own session at the backend.
    pub(super) async fn in_session(
        self: &Arc<Self>,
        client: &awc::Client,
        ask: &Ask<'_>,
        last: bool,
    ) -> Result<Reply, Setback> {
        let mut again = true;
        let mut is_lost = false;
        loop {
            let (held, owner) = self.held(client, ask, is_lost).await?;
            let nonce = if ask.streams { nonce::fresh()? } else { nonce::for_whole()? };
            let id = raw(&ids::outgoing(&nonce, ask.id))?;
            let message = splice::with_id(&ask.message, ask.id, id.get())
                .map_err(|fault| Refusal::new(Reason::Internal, fault.to_string()))?;
            let flight = ask.seat.map(|seat| self.take_off(seat.uid(), ask, Some((&held, &id))));
            let letter = Letter {
                to: ask.backend,
                user: ask.caller.user_id(),
                trail: ask.trail,
                revision: Some(held.revision),
                session: held.id.as_deref(),
                mirrored: Vec::new(),
            };
            let posting = self.post(client, letter, message);
            let mut response = unless_called_back(flight.as_ref(), posting).await?;
            match response.refused(&held, self.max_reply_bytes).await? {
                Some(Door::OtherEra) if !last && self.doubt(ask.backend) => {
                    return Err(Setback::Contradicted(None));
                }
                Some(Door::OtherEra) | None => {}
                Some(Door::Lost) => {
                    // The backend has lost the session, and with it whatever
                    // the client had there, which is nothing if it is
                    // stateless.
                    match owner {
                        Some(owner) => self.forget(&owner),
                        None if ask.backend.stateless => is_lost = true,
                        None => return Err(lost().into()),
                    }
                    let nothing_lost = ask.backend.stateless || ask.seat.is_none();
                    if std::mem::take(&mut again) && nothing_lost {
                        continue;
                    }
                    return Err(lost().into());
                }
            }
            let turn = Turn::in_session(ask, id, &held, flight);
            return Ok(self.read(client, ask, response, turn).await?);
        }
    }

    /// The session a request goes in at a legacy backend: that of the client's
    /// own session, or one of the pool, also where the former is known to be
    /// lost.
    pub(super) async fn held(
        &self,
        client: &awc::Client,
        ask: &Ask<'_>,
        is_lost: bool,
    ) -> Result<(Held, Option<Owner>), Refusal> {
        let owner = Owner {
            backend: ask.backend.id,
            caller: ask.caller.key().into(),
            seat: ask.seat.map(|seat| seat.uid()),
        };
        let is_replaced = is_lost || (ask.backend.stateless && self.has(&owner));
        if !is_replaced && let Some(held) = ask.seat.and_then(|seat| Held::sealed(seat, ask.place))
        {
            return Ok((held, None));
        }
        let presented = ask.seat.map(|seat| Presented::of(seat.as_ref()));
        let user = ask.caller.user_id();
        let held = self.session(client, ask.backend, &owner, user, ask.trail, presented).await?;
        Ok((held, Some(owner)))
    }
}

/// Why a legacy backend does not let a request in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// It does not know the session any more.
    Lost,
    /// It speaks the other era.
    OtherEra,
}

impl Response {
    /// Whether the backend refuses a request as such, and why.
    pub(super) async fn refused(
        &mut self,
        held: &Held,
        limit: usize,
    ) -> Result<Option<Door>, Refusal> {
        if self.status == 404 {
            return Ok(Some(Door::Lost));
        }
        let refusal = self.refusal(limit).await?;
        Ok(refusal.and_then(|refusal| door(refusal, held.id.is_some())))
    }
}

/// What a code of HTTP status 400 says. That a session is not known is said by
/// 404; the examples of the official SDKs, which many have taken over, say it
/// so, without an id.
fn door(refusal: AtTheDoor, in_session: bool) -> Option<Door> {
    match refusal {
        AtTheDoor { code: UNSUPPORTED_VERSION, .. } => Some(Door::OtherEra),
        AtTheDoor { code: REFUSED_AT_THE_DOOR, unread: true } if in_session => Some(Door::Lost),
        AtTheDoor { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_says_why_it_is_closed() {
        let refused = |code, unread, in_session| door(AtTheDoor { code, unread }, in_session);
        for unread in [true, false] {
            assert_eq!(refused(-32602, unread, true), None);
            assert_eq!(refused(-32000, unread, false), None);
            for in_session in [true, false] {
                assert_eq!(refused(-32022, unread, in_session), Some(Door::OtherEra));
            }
        }
        assert_eq!(refused(-32000, true, true), Some(Door::Lost));
        assert_eq!(refused(-32000, false, true), None, "a tool can answer so");
    }
}
