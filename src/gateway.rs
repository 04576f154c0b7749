//! One handle for each room, shared by all workers; no logic.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::audit::Auditor;
use crate::authn::Authenticator;
use crate::clock::Clock;
use crate::files::Shelf;
use crate::generation::{Generation, InForce};
use crate::handshake::Handshake;
use crate::inbound::BodyLimits;
use crate::pins::Seen;
use crate::quota::{Quota, QuotaIo};
use crate::registry::Offers;
use crate::reload::Reload;
use crate::session::{Conversations, Sessions};
use crate::store::Store;
use crate::upstream::Upstream;

/// The rooms of a running gateway.
pub(crate) struct Gateway {
    pub(crate) clock: Clock,
    pub(crate) limits: BodyLimits,
    pub(crate) admin_role: Box<str>,
    pub(crate) handshake: Handshake,
    pub(crate) authn: Arc<Authenticator>,
    pub(crate) in_force: Arc<InForce>,
    pub(crate) reload: Reload,
    /// How many calls the shadow policy would have decided otherwise.
    pub(crate) shadow_differences: AtomicU64,
    /// The second, counted from 1, in which the log was last told of one.
    pub(crate) shadow_told: AtomicU64,
    pub(crate) quota: Quota,
    pub(crate) audit: Arc<Auditor>,
    pub(crate) offers: Offers,
    /// What backends say of their tools, where tools are pinned.
    pub(crate) pins: Seen,
    /// Parts of lists that backends have not given, for metrics.
    pub(crate) lists_incomplete: AtomicU64,
    pub(crate) conversations: Conversations,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) store: Arc<Store>,
    /// Files made for users, where there are any.
    pub(crate) files: Option<Shelf>,
}

impl Gateway {
    /// Registry and policy of this moment, for as long as a request takes.
    pub(crate) fn now(&self) -> Arc<Generation> {
        self.in_force.now()
    }
}

/// What belongs to one worker: connections live on the thread that opened
/// them.
pub(crate) struct WorkerIo {
    pub(crate) http: awc::Client,
    pub(crate) quota: QuotaIo,
}
