//! Which conversations of the oldest transport (HTTP+SSE, revision 2024-11-05)
//! this process holds the stream of.

use bytes::Bytes;
use dashmap::DashMap;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::ids::Uid;

/// Most messages that wait for a conversation.
const MOST_WAITING: usize = 64;

/// How messages for a conversation are marked on the bus.
const KEY: &str = "conversation";

/// What the client of a conversation has posted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Post {
    /// The message, unread.
    pub(crate) message: Bytes,
    /// What it came with.
    pub(crate) named: Named,
}

/// What headers of a post say, of which counting depends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    /// The request's id, where the client chose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<Box<str>>,
    /// The turn of an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) turn: Option<Box<str>>,
    /// The job of an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<Box<str>>,
}

impl Named {
    /// The mark of a post with these, on the bus.
    pub(crate) fn mark(&self) -> String {
        if *self == Self::default() {
            return KEY.to_owned();
        }
        // Never fails: these are texts.
        format!("{KEY}{}", serde_json::to_string(self).unwrap_or_default())
    }

    /// What a mark says; nothing where it is none of a conversation.
    pub(crate) fn marked(mark: &str) -> Option<Self> {
        match mark.strip_prefix(KEY)? {
            "" => Some(Self::default()),
            named => serde_json::from_str(named).ok(),
        }
    }
}

/// The conversations of this process.
#[derive(Debug, Default)]
pub(crate) struct Conversations {
    open: DashMap<Uid, mpsc::Sender<Post>>,
}

impl Conversations {
    /// Begins one. What its client posts comes out of what is returned.
    pub(crate) fn begin(&self, uid: Uid) -> mpsc::Receiver<Post> {
        let (line, inbox) = mpsc::channel(MOST_WAITING);
        self.open.insert(uid, line);
        inbox
    }

    /// Hands a post over, and waits for nobody. `None`: the conversation is
    /// not held here. `Some(false)`: too many messages wait for it already.
    pub(crate) fn hand_over(&self, uid: Uid, post: Post) -> Option<bool> {
        match self.open.get(&uid)?.try_send(post) {
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

    fn post(text: &'static [u8]) -> Post {
        Post { message: Bytes::from_static(text), ..Post::default() }
    }

    #[test]
    fn what_a_post_came_with_crosses_the_bus() {
        let turn = || Some("t\"1\n".into());
        for named in [
            Named::default(),
            Named { turn: turn(), ..Named::default() },
            Named { request_id: Some("".into()), turn: turn(), job: Some("conversation".into()) },
        ] {
            assert_eq!(Named::marked(&named.mark()), Some(named));
        }
        assert_eq!(Named::default().mark(), "conversation");
        for mark in ["", "b0:1", "conversations", "conversation{", "conversation{\"x\":\"y\"}"] {
            assert_eq!(Named::marked(mark), None, "{mark}");
        }
    }

    #[test]
    fn a_message_reaches_its_conversation_until_that_is_over() {
        let conversations = Conversations::default();
        let [uid, other] = [(); 2].map(|()| Uid::random().unwrap());
        let mut inbox = conversations.begin(uid);
        let said = |uid, text| conversations.hand_over(uid, post(text));
        assert_eq!(said(uid, b"1"), Some(true));
        assert_eq!(said(other, b"2"), None);
        assert_eq!(inbox.try_recv().unwrap(), post(b"1"));
        conversations.end(uid);
        assert_eq!(said(uid, b"3"), None);
        assert!(inbox.try_recv().is_err());
    }

    #[test]
    fn a_conversation_does_not_keep_more_than_it_can_hear() {
        let conversations = Conversations::default();
        let uid = Uid::random().unwrap();
        let inbox = conversations.begin(uid);
        let said = || conversations.hand_over(uid, post(b"1"));
        assert!((0..MOST_WAITING).all(|_| said() == Some(true)));
        assert_eq!(said(), Some(false));
        drop(inbox);
        assert_eq!(said(), None, "nobody listens any more");
    }
}
