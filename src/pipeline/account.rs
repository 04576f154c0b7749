//! What becomes of a call's charge after it was made.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::Reason;
use crate::protocol::call::state_text;
use crate::quota::{Account, Credit};
use crate::translate::mrtr::{self, ResultType, Round};

/// What an answer that asks something holds somewhere.
const ASKS: &[u8] = b"input_required";

/// A call that was not answered by its backend: of one that the backend did
/// not get, nothing may count.
pub(super) fn unsent(account: &mut Account, reason: Reason) {
    if reason == Reason::BackendUnavailable {
        account.unreached();
    } else if matches!(reason, Reason::HeaderMismatch | Reason::TooManyStreams) {
        // The gateway's own refusals, before anything was sent.
        account.refuse();
    }
}

/// Notes what an answer asks, before the client learns of it: its answer is
/// the same call.
pub(crate) async fn remember(credit: &Credit, message: &[u8]) {
    #[derive(Deserialize)]
    struct Response<'a> {
        #[serde(borrow, default)]
        result: Option<&'a RawValue>,
    }
    // Nearly no answer asks anything, and looking for a word is cheap.
    if memchr::memmem::find(message, ASKS).is_none() {
        return;
    }
    let response = serde_json::from_slice::<Response<'_>>(message).ok();
    let Some(result) = response.and_then(|response| response.result) else { return };
    if !matches!(mrtr::result_type(result), Ok(ResultType::InputRequired)) {
        return;
    }
    let state = Round::read(result).ok().and_then(|round| round.state.map(state_text));
    credit.grant(state.as_deref()).await;
}
