//! Files made for users: their owner may read them, and admins.

use super::{Inbound, authenticate, open, turn_away};
use crate::audit::{Entry, Recorded};
use crate::error::{Reason, Refusal};
use crate::files::{BadName, FileName, Opened, Shelf, UserId};
use crate::gateway::Gateway;

/// A request on `/files/{user}/{name}`: the file, if the caller may have it.
pub(crate) async fn file(
    gw: &Gateway,
    inbound: Inbound<'_>,
    user: &str,
    name: &str,
) -> (Entry, Result<Opened, Refusal>) {
    let (_, mut entry) = open(gw, &inbound);
    let result = match find(gw, &inbound, &mut entry, user, name).await {
        Ok(opened) => Ok(opened),
        Err(refusal) => turn_away(inbound, refusal).await,
    };
    (entry, result)
}

async fn find(
    gw: &Gateway,
    inbound: &Inbound<'_>,
    entry: &mut Entry,
    user: &str,
    name: &str,
) -> Result<Opened, Refusal> {
    let caller = authenticate(gw, inbound, entry).await?;
    entry.method("files/read");
    // On record it is a call, named by its path.
    entry.asked(inbound.endpoint);
    gw.quota.bars(caller.key())?;
    // Whose it would be is settled before anybody looks whether it is there.
    if caller.user_id() != user && !caller.has_role(&gw.admin_role) {
        gw.quota.denied(caller.key());
        let sentence = "A file can be read by its owner and by admins only.";
        return Err(Refusal::telling(Reason::AdminRequired, sentence));
    }
    let wrong = |bad: BadName| Refusal::telling(Reason::InvalidRequest, bad.to_string());
    let user: UserId = user.parse().map_err(wrong)?;
    let name: FileName = match name.parse() {
        Ok(name) => name,
        Err(BadName::Unknown) => return Err(no_such_file()),
        Err(bad) => return Err(wrong(bad)),
    };
    let shelf = gw.files.clone().ok_or_else(no_such_file)?;
    let opened = read(shelf, user, name, gw).await?;
    entry.intent(opened).await.map(Recorded::into_inner)
}

async fn read(shelf: Shelf, user: UserId, name: FileName, gw: &Gateway) -> Result<Opened, Refusal> {
    let now = gw.clock.now();
    let failed = |error: &dyn std::error::Error| {
        tracing::error!(%error, "a file cannot be read");
        Refusal::new(Reason::Internal, "the file cannot be read")
    };
    match actix_web::web::block(move || shelf.open(&user, name, now)).await {
        Ok(Ok(Some(opened))) => Ok(opened),
        Ok(Ok(None)) => Err(no_such_file()),
        Ok(Err(error)) => Err(failed(&error)),
        Err(error) => Err(failed(&error)),
    }
}

/// The same, whatever is missing.
fn no_such_file() -> Refusal {
    Refusal::telling(Reason::NotFound, "There is no such file, or it has expired.")
}
