//! One handle for each room, shared by all workers; no logic.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::audit::Auditor;
use crate::authn::Authenticator;
use crate::clock::Clock;
use crate::files::Shelf;
use crate::handshake::Handshake;
use crate::inbound::BodyLimits;
use crate::policy::Policy;
use crate::quota::{Quota, QuotaIo};
use crate::registry::{Offers, Registry};
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
    pub(crate) registry: Registry,
    pub(crate) policy: Arc<Policy>,
    pub(crate) quota: Quota,
    pub(crate) audit: Arc<Auditor>,
    pub(crate) offers: Offers,
    /// Parts of lists that backends have not given, for metrics.
    pub(crate) lists_incomplete: AtomicU64,
    pub(crate) conversations: Conversations,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) store: Arc<Store>,
    /// Files made for users, where there are any.
    pub(crate) files: Option<Shelf>,
}

/// What belongs to one worker: connections live on the thread that opened
/// them.
pub(crate) struct WorkerIo {
    pub(crate) http: awc::Client,
    pub(crate) quota: QuotaIo,
}
