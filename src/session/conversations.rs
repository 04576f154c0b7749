//! Which conversations of the oldest transport (HTTP+SSE, revision 2024-11-05)
//! this process holds the stream of.

use bytes::Bytes;
use dashmap::DashMap;
use tokio::sync::mpsc;

use super::ids::Uid;

/// Most messages that wait for a conversation.
const MOST_WAITING: usize = 64;

/// The conversations of this process.
#[derive(Debug, Default)]
pub(crate) struct Conversations {
    open: DashMap<Uid, mpsc::Sender<Bytes>>,
}

impl Conversations {
    /// Begins one. What its client posts comes out of what is returned.
    pub(crate) fn begin(&self, uid: Uid) -> mpsc::Receiver<Bytes> {
        let (line, inbox) = mpsc::channel(MOST_WAITING);
        self.open.insert(uid, line);
        inbox
    }

    /// Hands a message over. `false`: the conversation is not held here.
    pub(crate) async fn deliver(&self, uid: Uid, message: Bytes) -> bool {
        let Some(line) = self.open.get(&uid).map(|line| line.clone()) else { return false };
        line.send(message).await.is_ok()
    }

    /// Ends one.
    pub(crate) fn end(&self, uid: Uid) {
        self.open.remove(&uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_reaches_its_conversation_until_that_is_over() {
        let conversations = Conversations::default();
        let [uid, other] = [(); 2].map(|()| Uid::random().unwrap());
        let mut inbox = conversations.begin(uid);
        assert!(conversations.deliver(uid, Bytes::from_static(b"1")).await);
        assert!(!conversations.deliver(other, Bytes::from_static(b"2")).await);
        assert_eq!(inbox.recv().await.unwrap(), "1");
        conversations.end(uid);
        assert!(!conversations.deliver(uid, Bytes::from_static(b"3")).await);
        assert_eq!(inbox.recv().await, None);
    }
}
