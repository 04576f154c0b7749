//! Hearing what other replicas tell.

use std::time::Duration;

use futures_util::StreamExt;

use super::patience::Pauses;
use super::{LinkError, Remote, within};
use crate::session::Sessions;
use crate::session::memory::MOST_ENDED;

/// Between two looks whether Redis is still there: a connection whose other
/// end has vanished is silent.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Listens for ever.
pub(super) async fn listen(sessions: &Sessions, remote: &Remote) {
    let mut pauses = Pauses::new();
    loop {
        let ended = hear(sessions, remote, &mut pauses).await;
        let _logged = remote.listening.note(Err::<(), _>(ended));
        pauses.pause().await;
    }
}

/// Listens until something is wrong, and says what.
async fn hear(sessions: &Sessions, remote: &Remote, pauses: &mut Pauses) -> LinkError {
    let heard = async {
        let (mut sink, mut notices) = within(Box::pin(remote.place.listen())).await?.split();
        within(sink.subscribe(&remote.channel)).await?;
        catch_up(sessions, remote).await?;
        let _logged = remote.listening.note(Ok::<(), LinkError>(()));
        pauses.reset();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                notice = notices.next() => match notice {
                    Some(notice) => sessions.hear(notice.get_payload_bytes()),
                    None => return Err::<(), _>(LinkError::Closed),
                },
                _ = looks.tick() => {
                    within(sink.ping::<redis::Value>()).await?;
                }
            }
        }
    };
    heard.await.err().unwrap_or(LinkError::Closed)
}

/// Learns of the sessions that ended while this replica did not listen, or
/// was not there. What is heard twice makes no difference.
async fn catch_up(sessions: &Sessions, remote: &Remote) -> Result<(), LinkError> {
    let mut connection = remote.connect().await?;
    let mut newest = redis::cmd("ZREVRANGE");
    newest.arg(&remote.ended).arg(0).arg(MOST_ENDED - 1);
    let frames: Vec<Vec<u8>> = within(newest.query_async(&mut connection)).await?;
    for frame in frames {
        sessions.hear(&frame);
    }
    Ok(())
}
