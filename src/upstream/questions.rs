//! Questions the gateway asks clients on behalf of modern backends.

use bytes::Bytes;
use dashmap::DashMap;
use tokio::sync::oneshot;

use super::Upstream;
use crate::session::Uid;

/// The client's session, and the id of the question in it.
type Key = (Uid, Box<str>);

/// Questions that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Questions {
    waiting: DashMap<Key, oneshot::Sender<Bytes>>,
}

impl Questions {
    /// Notes a question. The answer comes out of what is returned.
    pub(super) fn ask(&self, seat: Uid, id: &str) -> oneshot::Receiver<Bytes> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.insert((seat, id.into()), sender);
        receiver
    }

    /// Forgets a question whose answer nobody wants any more.
    pub(super) fn withdraw(&self, seat: Uid, id: &str) {
        self.waiting.remove(&(seat, id.into()));
    }
}

impl Upstream {
    /// Takes a client's answer to a question of the gateway's. `false` when
    /// this process has asked no such question.
    pub(crate) fn answered(&self, seat: Uid, id: &str, message: &Bytes) -> bool {
        match self.questions.waiting.remove(&(seat, id.into())) {
            Some((_, waiting)) => waiting.send(message.clone()).is_ok(),
            None => false,
        }
    }
}
