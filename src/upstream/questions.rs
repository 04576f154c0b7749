//! Questions the gateway asks clients on behalf of modern backends.

use std::sync::Arc;

use bytes::Bytes;
use dashmap::DashMap;
use tokio::sync::oneshot;

use super::Upstream;
use crate::error::{Reason, Refusal};
use crate::session::Uid;

/// The client's session, and the id of the question in it.
type Key = (Uid, Box<str>);

/// Questions that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Questions {
    waiting: DashMap<Key, oneshot::Sender<Bytes>>,
}

/// A question that was asked. Dropped, it is forgotten.
#[derive(Debug)]
pub(super) struct Asking {
    upstream: Arc<Upstream>,
    key: Key,
    answer: oneshot::Receiver<Bytes>,
}

impl Asking {
    /// The client's answer, as it was sent.
    ///
    /// # Errors
    /// [`Reason::Cancelled`] when the same question has been asked again.
    pub(super) async fn wait(mut self) -> Result<Bytes, Refusal> {
        (&mut self.answer)
            .await
            .map_err(|_| Refusal::new(Reason::Cancelled, "a question was withdrawn"))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.upstream.questions.waiting.remove(&self.key);
    }
}

impl Upstream {
    /// Notes a question that is about to go to a client.
    pub(super) fn ask_client(self: &Arc<Self>, seat: Uid, id: &str) -> Asking {
        let (sender, answer) = oneshot::channel();
        let key: Key = (seat, id.into());
        self.questions.waiting.insert(key.clone(), sender);
        Asking { upstream: Arc::clone(self), key, answer }
    }

    /// Takes a client's answer to a question of the gateway's. `false` when
    /// this process has asked no such question.
    pub(crate) fn answered(&self, seat: Uid, id: &str, message: &Bytes) -> bool {
        match self.questions.waiting.remove(&(seat, id.into())) {
            Some((_, waiting)) => waiting.send(message.clone()).is_ok(),
            None => false,
        }
    }
}
