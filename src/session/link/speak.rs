//! Telling other replicas.

use redis::Pipeline;
use tokio::sync::mpsc;

use super::patience::Pauses;
use super::{LinkError, Remote, within};
use crate::redis_link::Wire;
use crate::session::Sessions;
use crate::session::bus::Outgoing;
use crate::session::memory::MOST_ENDED;
use crate::session::notice::FRESH;
use crate::session::tracker::SHARE_EVERY;

/// Most things told in one round trip.
const TOLD_AT_ONCE: usize = 128;

/// How often a Redis that is there may refuse the same things.
const MOST_REFUSALS: u32 = 3;

/// Tells what waits, for ever.
pub(super) async fn speak(
    sessions: &Sessions,
    remote: &Remote,
    mut waiting: mpsc::Receiver<Outgoing>,
) {
    let mut pauses = Pauses::new();
    let mut connection = None;
    let mut some = Vec::new();
    let mut refusals = 0;
    loop {
        if some.is_empty() && waiting.recv_many(&mut some, TOLD_AT_ONCE).await == 0 {
            return;
        }
        match remote.speaking.note(tell(sessions, remote, &mut connection, &some).await) {
            Ok(()) => {
                some.clear();
                refusals = 0;
                pauses.reset();
            }
            Err(error) => {
                connection = None;
                refusals += u32::from(is_refusal(&error));
                if refusals >= MOST_REFUSALS {
                    some.clear();
                    refusals = 0;
                }
                pauses.pause().await;
                let now = sessions.wall_millis();
                some.retain(|it| is_worth_telling(it, now));
            }
        }
    }
}

/// Tells all of it, in one round trip.
async fn tell(
    sessions: &Sessions,
    remote: &Remote,
    connection: &mut Option<Wire>,
    some: &[Outgoing],
) -> Result<(), LinkError> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(remote.connect().await?),
    };
    let words = words(sessions, remote, some);
    within(words.exec_async(connection)).await
}

fn words(sessions: &Sessions, remote: &Remote, some: &[Outgoing]) -> Pipeline {
    let mut pipe = redis::pipe();
    let now = sessions.wall_millis() / 1000;
    let idle = sessions.idle_for();
    let life = idle + idle.min(SHARE_EVERY);
    let max_age = sessions.max_age_seconds();
    let mut ends = false;
    for it in some {
        match it {
            Outgoing::Used(uid) => {
                // Others may learn up to a minute late that it is in use.
                let life = life.as_secs();
                pipe.cmd("SET").arg(remote.use_key(*uid)).arg(1).arg("EX").arg(life);
            }
            Outgoing::Notice { frame, is_end, .. } => {
                if *is_end {
                    ends = true;
                    pipe.cmd("ZADD").arg(&remote.ended).arg(now).arg(frame);
                }
                pipe.cmd("PUBLISH").arg(&remote.channel).arg(frame);
            }
        }
    }
    if ends {
        let (set, oldest) = (&remote.ended, now - max_age);
        pipe.cmd("ZREMRANGEBYSCORE").arg(set).arg("-inf").arg(oldest);
        pipe.cmd("ZREMRANGEBYRANK").arg(set).arg(0).arg(format!("-{}", MOST_ENDED + 1));
        pipe.cmd("EXPIRE").arg(set).arg(max_age);
    }
    pipe
}

/// Whether Redis answered, and said no.
fn is_refusal(error: &LinkError) -> bool {
    match error {
        LinkError::Redis(error) => !error.is_io_error() && !error.is_unrecoverable_error(),
        LinkError::Slow | LinkError::Closed => false,
    }
}

/// What could not be told is told later, unless nobody would believe it then,
/// or the next use tells the same.
fn is_worth_telling(it: &Outgoing, now: i64) -> bool {
    match it {
        Outgoing::Used(_) => false,
        Outgoing::Notice { is_end, sent_at, .. } => {
            *is_end || u128::from(now.abs_diff(*sent_at)) <= FRESH.as_millis()
        }
    }
}
