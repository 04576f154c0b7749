//! Changes that are told to whoever wants to know: in sessions on their own
//! stream, and on streams of subscriptions.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{ErrorData, ResourceUpdatedNotificationParam};
use rmcp::service::{Peer, RoleServer, SubscriptionContext};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

/// What has changed.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The list of resources.
    Resources,
    /// A resource.
    Resource(String),
    /// All subscriptions are to end in order.
    End,
}

/// Where changes are told, and heard of.
#[derive(Debug)]
pub(crate) struct News(Sender<Change>);

/// URIs that a session has subscribed to.
pub(crate) type Subscribed = Arc<Mutex<BTreeSet<String>>>;

impl News {
    pub(crate) fn new() -> Self {
        Self(channel(1024).0)
    }

    /// Tells everybody, if there is anybody.
    pub(crate) fn tell(&self, change: Change) {
        let _ = self.0.send(change);
    }

    /// Passes changes on to a session until it ends.
    pub(crate) fn follow(&self, peer: Peer<RoleServer>, subscribed: Subscribed) {
        let mut changes = self.0.subscribe();
        tokio::spawn(async move {
            while let Some(change) = next(&mut changes).await {
                let told = match change {
                    Change::Tools => peer.notify_tool_list_changed().await,
                    Change::Prompts => peer.notify_prompt_list_changed().await,
                    Change::Resources => peer.notify_resource_list_changed().await,
                    Change::Resource(uri) if has(&subscribed, &uri) => {
                        let update = ResourceUpdatedNotificationParam::new(uri);
                        peer.notify_resource_updated(update).await
                    }
                    Change::Resource(_) | Change::End => Ok(()),
                };
                if told.is_err() {
                    return;
                }
            }
        });
    }

    /// Passes changes on to a subscription until either side ends it.
    pub(crate) async fn serve(&self, subscription: &SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.0.subscribe();
        let sink = subscription.sink();
        loop {
            let change = tokio::select! {
                change = next(&mut changes) => change,
                () = subscription.cancelled() => None,
            };
            // What was not asked for, the SDK does not let through.
            let _ = match change {
                Some(Change::Tools) => sink.notify_tool_list_changed().await,
                Some(Change::Prompts) => sink.notify_prompt_list_changed().await,
                Some(Change::Resources) => sink.notify_resource_list_changed().await,
                Some(Change::Resource(uri)) => sink.notify_resource_updated(uri).await,
                Some(Change::End) | None => return Ok(()),
            };
        }
    }
}

async fn next(changes: &mut Receiver<Change>) -> Option<Change> {
    loop {
        match changes.recv().await {
            Ok(change) => return Some(change),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

fn has(subscribed: &Subscribed, uri: &str) -> bool {
    subscribed.lock().unwrap_or_else(PoisonError::into_inner).contains(uri)
}
