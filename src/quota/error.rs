//! What can be wrong with the settings, and what a refused charge carries.

use super::standing::Standing;
use crate::error::Refusal;
use crate::redis_link::Unreadable;

/// Why a quota cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QuotaError {
    /// A rate that makes no sense.
    #[error("quota.{limit}: {problem}")]
    Rate {
        /// The setting's name in the `quota` section.
        limit: &'static str,
        /// What is wrong, as a sentence.
        problem: &'static str,
    },
    /// A key prefix that would move keys between slots, or is no plain name.
    #[error("redis.key_prefix: may hold letters, digits, `.`, `_`, `-`, `:`; at most 64 of them")]
    Prefix,
    /// The operating system gives no random bytes.
    #[error("quota: the operating system gives no random bytes")]
    Random,
    /// No connections, or no time to use them.
    #[error("redis.{0}: must be at least 1")]
    Zero(&'static str),
    /// Where Redis is, or whom to trust there, cannot be read.
    #[error(transparent)]
    Redis(#[from] Unreadable),
}

/// A charge that was refused.
#[derive(Debug, thiserror::Error)]
#[error("{refusal}")]
pub(crate) struct Denied {
    /// Why: [`RateLimited`](crate::error::Reason::RateLimited), with the time
    /// after which a call can pass,
    /// [`BudgetExceeded`](crate::error::Reason::BudgetExceeded), or
    /// [`QuotaUnavailable`](crate::error::Reason::QuotaUnavailable).
    pub(crate) refusal: Refusal,
    /// How the caller stands with the limit that refused; nothing when
    /// nothing could be counted.
    pub(crate) standing: Option<Box<Standing>>,
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        denied.refusal
    }
}
