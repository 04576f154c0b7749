//! The task that reloads.

use std::sync::Arc;

use crate::audit::Reloaded;
use crate::authn::FreshKeys;
use crate::gateway::Gateway;
use crate::pins::Lock;
use crate::reload::{self, Configured, Origin, Outcome, Request, Watch};
use crate::settings::{Problem, Problems};

/// How often files are read again that were swapped while they were read.
const MOST_READINGS: usize = 5;

/// Does reloads, one after the other.
pub(super) struct Runner {
    gateway: Arc<Gateway>,
    /// Called with each new generation, after it is in force.
    after: Box<dyn Fn(&Gateway)>,
}

/// Everything that was read, and is fit.
struct Fresh {
    rules: Configured,
    keys: FreshKeys,
}

impl Runner {
    /// For a gateway that runs. `after` is told of each new generation.
    pub(super) fn new(gateway: Arc<Gateway>, after: impl Fn(&Gateway) + 'static) -> Self {
        Self { gateway, after: Box::new(after) }
    }

    /// Runs as long as the gateway does.
    pub(super) async fn run(self) {
        let reload = &self.gateway.reload;
        let Some(mut waiting) = reload.take_requests().await else { return };
        let watched = reload.settings().reload.watch;
        let files = if watched { reload::all(reload.settings()) } else { Vec::new() };
        let mut watch = Watch::new(files);
        loop {
            let first = tokio::select! {
                request = waiting.recv() => match request {
                    Some(request) => request,
                    None => return,
                },
                () = watch.changed(), if watched => Request::of_files(),
            };
            // Whoever has asked meanwhile is answered by the same reading.
            let mut asking = vec![first];
            while let Ok(request) = waiting.try_recv() {
                asking.push(request);
            }
            watch.note();
            let outcome = self.reload(asking[0].origin).await;
            for request in asking {
                request.answer(&outcome);
            }
        }
    }

    async fn reload(&self, origin: Origin) -> Outcome {
        let gateway = &self.gateway;
        let (read, mut problems) = self.read().await;
        let outcome = match read {
            Some(fresh) if problems.is_empty() => self.apply(origin, fresh).await,
            Some(_) | None => Err(None),
        };
        let now = gateway.clock.now();
        match outcome {
            Ok((outcome, warnings)) => {
                gateway.reload.succeeded(now, origin, warnings);
                outcome
            }
            Err(why) => {
                problems.extend(why.into_iter().collect());
                let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
                tracing::error!(
                    origin = origin.name(),
                    "reload refused, the generation before stays in force: {problems}"
                );
                gateway.reload.failed(now, origin, &problems);
                // That nothing has changed is on record where it can be.
                let _ = gateway.audit.reloaded(&self.event(origin, None, &told)).await;
                Outcome::Refused(told)
            }
        }
    }

    /// Reads and judges, on a thread that may take its time.
    async fn read(&self) -> (Option<Fresh>, Problems) {
        let gateway = Arc::clone(&self.gateway);
        let reading = actix_web::web::block(move || {
            let settings = gateway.reload.settings();
            let mut looks = reload::looks(settings);
            for _ in 0..MOST_READINGS {
                let found = read(&gateway);
                // Files that were swapped meanwhile may be of two editions.
                let now = reload::looks(settings);
                if now == looks {
                    return found;
                }
                looks = now;
            }
            let problem = Problem::new("", "the files change while they are read");
            (None, [problem].into_iter().collect())
        });
        reading.await.unwrap_or_else(|error| {
            let problem = Problem::new("", format!("the files could not be read: {error}"));
            (None, [problem].into_iter().collect())
        })
    }

    /// Puts it in force, once it is on record.
    async fn apply(
        &self,
        origin: Origin,
        fresh: Fresh,
    ) -> Result<(Outcome, Vec<String>), Option<Problem>> {
        let gateway = &self.gateway;
        let before = gateway.now();
        let Fresh { rules: Configured { registry, policy, lock, warnings }, keys } = fresh;
        let same = registry.digest() == before.registry.digest()
            && policy.is_same(&before.policy)
            && is_same(lock.as_ref(), before.lock.as_ref())
            && !keys.differ();
        if same {
            tracing::info!(origin = origin.name(), "reload: nothing has changed");
            return Ok((Outcome::Unchanged(before.number), warnings));
        }
        let next = Next {
            generation: before.number + 1,
            policy_digest: Arc::clone(policy.active().digest()),
            registry_digest: registry.digest().into(),
            keys_changed: keys.differ(),
        };
        let number = next.generation;
        gateway.audit.reloaded(&self.event(origin, Some(next), &[])).await.map_err(|refusal| {
            let told = format!("the audit trail cannot be written: {}", refusal.detail);
            Some(Problem::new("audit", told))
        })?;
        gateway.authn.adopt(keys);
        let now = gateway.in_force.replace(registry, policy, lock);
        gateway.reload.applied();
        for backend in before.registry.snapshot().backends() {
            let backends = now.registry.snapshot().backends();
            if !backends.iter().any(|known| known.id == backend.id) {
                gateway.upstream.retire(backend);
                gateway.pins.forget(backend.id);
            }
        }
        (self.after)(gateway);
        for warning in &warnings {
            tracing::warn!("policy: {warning}");
        }
        tracing::info!(
            origin = origin.name(),
            generation = number,
            policy = &**now.policy.active().digest(),
            registry = now.registry.digest(),
            "reloaded"
        );
        Ok((Outcome::Applied(number), warnings))
    }

    /// What the audit trail says of a reload.
    fn event(&self, origin: Origin, next: Option<Next>, problems: &[String]) -> Reloaded {
        let now = self.gateway.now();
        let next = next.unwrap_or_else(|| Next {
            generation: now.number,
            policy_digest: Arc::clone(now.policy.active().digest()),
            registry_digest: now.registry.digest().into(),
            keys_changed: false,
        });
        Reloaded {
            origin: origin.name(),
            generation: next.generation,
            policy_digest: next.policy_digest,
            registry_digest: next.registry_digest,
            keys_changed: next.keys_changed,
            problems: problems.join("\n"),
        }
    }
}

fn is_same(one: Option<&Lock>, other: Option<&Lock>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.is_same(other),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Reads and judges everything.
fn read(gateway: &Gateway) -> (Option<Fresh>, Problems) {
    let mut problems = Problems::new();
    let settings = gateway.reload.settings();
    let rules = reload::rules(settings, Some(&gateway.now()), &gateway.clock, &mut problems);
    let keys = gateway.authn.read_again(&settings.auth).map_err(|found| {
        for problem in found {
            problems.push(problem.into());
        }
    });
    let read = rules.zip(keys.ok()).map(|(rules, keys)| Fresh { rules, keys });
    (read, problems)
}

/// What is about to be in force.
struct Next {
    generation: u64,
    policy_digest: Arc<str>,
    registry_digest: Box<str>,
    keys_changed: bool,
}
