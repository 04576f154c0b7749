//! Which conversations of the oldest transport (HTTP+SSE, revision 2024-11-05)
//! this process holds the stream of.

use bytes::Bytes;
use dashmap::DashMap;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

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

    /// Hands a message over, and waits for nobody. `None`: the conversation is
    /// not held here. `Some(false)`: too many messages wait for it already.
    pub(crate) fn hand_over(&self, uid: Uid, message: Bytes) -> Option<bool> {
        match self.open.get(&uid)?.try_send(message) {
            Ok(()) => Some(true),
            Err(TrySendError::Full(_)) => Some(false),
            Err(TrySendError::Closed(_)) => None,
        }
    }

    /// Ends one.
    pub(crate) fn end(&self, uid: Uid) {
        self.open.remove(&uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reaches_its_conversation_until_that_is_over() {
        let conversations = Conversations::default();
        let [uid, other] = [(); 2].map(|()| Uid::random().unwrap());
        let mut inbox = conversations.begin(uid);
        let said = |uid, text| conversations.hand_over(uid, Bytes::from_static(text));
        assert_eq!(said(uid, b"1"), Some(true));
        assert_eq!(said(other, b"2"), None);
        assert_eq!(inbox.try_recv().unwrap(), "1");
        conversations.end(uid);
        assert_eq!(said(uid, b"3"), None);
        assert!(inbox.try_recv().is_err());
    }

    #[test]
    fn a_conversation_does_not_keep_more_than_it_can_hear() {
        let conversations = Conversations::default();
        let uid = Uid::random().unwrap();
        let inbox = conversations.begin(uid);
        let said = || conversations.hand_over(uid, Bytes::from_static(b"1"));
        assert!((0..MOST_WAITING).all(|_| said() == Some(true)));
        assert_eq!(said(), Some(false));
        drop(inbox);
        assert_eq!(said(), None, "nobody listens any more");
    }
}
