//! The handle of the task that reloads: who wants a reload asks here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::status::{Page, Status};
use super::{Origin, Outcome};
use crate::error::{Reason, Refusal};
use crate::generation::Generation;
use crate::settings::{Problems, Settings};

/// Most reloads that wait.
const MOST_WAITING: usize = 64;

/// Somebody who waits for a reload.
pub(crate) struct Request {
    /// Who asks.
    pub(crate) origin: Origin,
    told: Option<oneshot::Sender<Outcome>>,
}

impl Request {
    /// Files have changed; nobody waits.
    pub(crate) fn of_files() -> Self {
        Self { origin: Origin::Files, told: None }
    }

    /// Tells who asked, if it is still there.
    pub(crate) fn answer(self, outcome: &Outcome) {
        if let Some(told) = self.told {
            let _ = told.send(outcome.clone());
        }
    }
}

/// The handle of the task.
pub(crate) struct Reload {
    requests: mpsc::Sender<Request>,
    waiting: Mutex<Option<mpsc::Receiver<Request>>>,
    settings: Arc<Settings>,
    status: Status,
    applied: AtomicU64,
    refused: AtomicU64,
}

impl Reload {
    /// A handle, whose task does not run yet.
    pub(crate) fn new(settings: &Settings, status: Status) -> Self {
        let (requests, waiting) = mpsc::channel(MOST_WAITING);
        Self {
            requests,
            waiting: Mutex::new(Some(waiting)),
            settings: Arc::new(settings.clone()),
            status,
            applied: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Reads everything anew, and waits for what comes of it.
    ///
    /// # Errors
    /// [`Reason::RateLimited`], when too many wait already; [`Reason::Internal`],
    /// when the gateway is stopping.
    pub(crate) async fn ask(&self, origin: Origin) -> Result<Outcome, Refusal> {
        let (told, outcome) = oneshot::channel();
        self.requests
            .try_send(Request { origin, told: Some(told) })
            .map_err(|_| Refusal::new(Reason::RateLimited, "too many reloads wait"))?;
        outcome.await.map_err(|_| Refusal::new(Reason::Internal, "the gateway is stopping"))
    }

    /// Reads everything anew, some time soon.
    pub(crate) fn nudge(&self, origin: Origin) {
        // Where many wait, one of them will read what is there now.
        let _ = self.requests.try_send(Request { origin, told: None });
    }

    /// What is wrong with the files, where they are not in force.
    pub(crate) fn error(&self) -> Option<String> {
        self.status.error()
    }

    /// How often a reload was put in force, and how often it was refused.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.applied.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }

    /// For `GET /admin/reload-status`.
    pub(crate) fn page(&self, now: &Generation) -> Page {
        self.status.page(now, &self.settings)
    }

    /// The settings that say which files there are.
    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Those who ask: for the one task that answers, once.
    pub(crate) async fn take_requests(&self) -> Option<mpsc::Receiver<Request>> {
        self.waiting.lock().await.take()
    }

    /// Notes that what was read is in force, new or not.
    pub(crate) fn succeeded(&self, at: DateTime<Utc>, origin: Origin, warnings: Vec<String>) {
        self.status.note(at, origin.name(), &Problems::new(), Some(warnings));
    }

    /// Counts a new generation.
    pub(crate) fn applied(&self) {
        self.applied.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that what was read is not fit.
    pub(crate) fn failed(&self, at: DateTime<Utc>, origin: Origin, problems: &Problems) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.status.note(at, origin.name(), problems, None);
    }
}
