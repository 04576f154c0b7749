//! What an admin sees of limits, and does about them.

use serde_json::json;

use super::Answer;
use crate::authn::Caller;
use crate::error::{Reason, Refusal};
use crate::gateway::{Gateway, WorkerIo};
use crate::quota::{Tool, Whose};

/// Whose limits are looked at: what a token would say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Whom {
    pub(crate) user: String,
    /// Needed where several are configured.
    pub(crate) issuer: Option<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) agent: Option<String>,
    /// Whose budgets are meant, too.
    pub(crate) session: Option<String>,
    pub(crate) turn: Option<String>,
    pub(crate) job: Option<String>,
}

/// How somebody stands with every limit; with `forget`, after what it has used
/// of its own is forgotten.
///
/// # Errors
/// [`Reason::InvalidRequest`], [`Reason::QuotaUnavailable`].
pub(crate) async fn quotas(
    gw: &Gateway,
    io: &WorkerIo,
    whom: &Whom,
    forget: bool,
) -> Result<Answer, Refusal> {
    let issuer = issuer(gw, whom)?;
    let caller = Caller::key_of(&issuer, &whom.user);
    let now = gw.now();
    let active = now.policy.active();
    let whose = Whose {
        limits: active.limits(),
        caller: &caller,
        roles: &whom.roles,
        tenant: whom.tenant.as_deref(),
        agent: whom.agent.as_deref(),
        session: whom.session.as_deref(),
        turn: whom.turn.as_deref(),
        job: whom.job.as_deref(),
    };
    let snapshot = now.registry.snapshot();
    let tools = || {
        let all = snapshot.scopes().flat_map(|scope| &scope.tools);
        all.map(|tool| Tool { scope: &tool.scope, name: &tool.name, key: &tool.key })
    };
    if forget {
        gw.quota.reset(&io.quota, whose, tools()).await?;
    }
    let limits = gw.quota.show(&io.quota, whose, tools()).await?;
    let page = json!({ "user": whom.user, "issuer": issuer, "limits": limits });
    Ok(Answer::Page(page.to_string().into_bytes()))
}

fn issuer(gw: &Gateway, whom: &Whom) -> Result<String, Refusal> {
    let wrong = |text: &'static str| Err(Refusal::telling(Reason::InvalidRequest, text));
    if whom.user.is_empty() {
        return wrong("`user` is missing");
    }
    let mut known = gw.authn.issuers();
    match (&whom.issuer, known.next(), known.next()) {
        (Some(wanted), ..) if gw.authn.issuers().any(|issuer| issuer == wanted) => {
            Ok(wanted.clone())
        }
        (Some(_), ..) => wrong("`issuer` is none of the configured ones"),
        (None, Some(only), None) => Ok(only.to_owned()),
        (None, ..) => wrong("several issuers are configured: say which in `issuer`"),
    }
}
