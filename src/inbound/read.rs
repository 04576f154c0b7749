//! Taking in a body: bounded in size and time.

use std::fmt::Display;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};

use crate::error::{Reason, Refusal};

/// Limits of a request body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    /// Largest body, in bytes.
    pub(crate) bytes: usize,
    /// Longest time for all of it to arrive.
    pub(crate) time: Duration,
}

/// Reads a whole body.
///
/// # Errors
/// [`Reason::PayloadTooLarge`], [`Reason::RequestTimeout`], or
/// [`Reason::InvalidRequest`] when it breaks off.
pub(crate) async fn read<S, E>(body: S, limits: BodyLimits) -> Result<Bytes, Refusal>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    let mut collecting = pin!(collect(body, limits.bytes));
    // Most bodies have arrived with their headers: no timer for those.
    if let Poll::Ready(result) = futures_util::poll!(&mut collecting) {
        return result;
    }
    tokio::time::timeout(limits.time, collecting)
        .await
        .map_err(|_| Refusal::new(Reason::RequestTimeout, "the body did not arrive in time"))?
}

/// Takes in and forgets a small body that nobody will read, so that the
/// connection can serve the next request: a proxy that passes bodies on as
/// they come has told its client so already. What is larger, or late, costs
/// the connection instead.
pub(crate) async fn discard<S, E>(mut body: S)
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    const MOST: usize = 64 * 1024;
    const LONGEST: Duration = Duration::from_secs(1);
    let reading = async {
        let mut taken = 0;
        while let Some(Ok(chunk)) = body.next().await {
            taken += chunk.len();
            if taken > MOST {
                break;
            }
        }
    };
    // Whether it came to its end is the connection's business.
    let _ = tokio::time::timeout(LONGEST, reading).await;
}

/// Joins the chunks of a body; a body of one chunk is not copied.
async fn collect<S, E>(mut body: S, limit: usize) -> Result<Bytes, Refusal>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| {
            Refusal::new(Reason::InvalidRequest, format!("the body broke off: {error}"))
        })?;
        if first.len() + joined.len() + chunk.len() > limit {
            return Err(Refusal::telling(
                Reason::PayloadTooLarge,
                format!("the body is larger than {limit} bytes"),
            ));
        }
        if first.is_empty() && joined.is_empty() {
            first = chunk;
            continue;
        }
        if !first.is_empty() {
            joined.extend_from_slice(&std::mem::take(&mut first));
        }
        joined.extend_from_slice(&chunk);
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}
