//! HTTP: the route table, and the handlers behind it. With `app` and
//! `toolkit` the only rooms that know the web framework.

mod admin;
mod administer;
mod cors;
mod docs;
mod edge;
mod facade;
mod files;
mod health;
mod mcp;
mod policy;
mod quotas;
mod reload;
mod render;
mod respond;
mod rest;
mod routes;
mod stream;
mod table;
mod wellknown;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{HttpRequest, web};
use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

pub(crate) use cors::cors;
pub(crate) use edge::Edge;
pub(crate) use health::Complaints;
pub(crate) use routes::{AuthClass, ROUTES, configure};

use crate::audit::Surface;
use crate::gateway::{Gateway, WorkerIo};
use crate::inbound::Head;
use crate::pipeline::Inbound;
use crate::telemetry::{self, Metrics, ToolCounters};
use crate::trail::Cursors;
use respond::Surroundings;

/// What every handler has at hand.
pub(crate) struct Site {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) edge: Edge,
    pub(crate) app_name: Box<str>,
    pub(crate) metrics: Metrics,
    /// Made anew with each generation.
    pub(crate) tools: ArcSwap<ToolCounters>,
    /// Where pages of the audit trail go on.
    pub(crate) cursors: Cursors,
    /// Places of exports of the audit trail.
    pub(crate) exports: Arc<Semaphore>,
    /// Places of pages of the audit trail.
    pub(crate) pages: Arc<Semaphore>,
    /// What `/ready` has complained of.
    pub(crate) complaints: Complaints,
    /// Set when the process has begun to stop.
    pub(crate) stopping: AtomicBool,
}

impl Site {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// One request with what belongs to it, for the life of its handler.
struct Visit<'a> {
    site: &'a web::Data<Site>,
    request: &'a HttpRequest,
    surface: Surface,
    scope: &'a str,
    request_id: String,
    allow: &'static str,
}

impl<'a> Visit<'a> {
    /// Greets a request.
    fn new(
        site: &'a web::Data<Site>,
        request: &'a HttpRequest,
        surface: Surface,
        allow: &'static str,
    ) -> Self {
        let scope = request.match_info().get("scope").unwrap_or_default();
        Self { site, request, surface, scope, request_id: telemetry::request_id(request), allow }
    }

    /// What a reply needs to know.
    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            surface: self.surface,
            endpoint: self.request.path(),
            scope: self.scope,
            site: self.site,
            allow: self.allow,
        }
    }

    /// Takes the request to the door of the walk.
    fn inbound(&self, body: web::Payload) -> Inbound<'_> {
        let client_addr = self.site.edge.client_addr(self.request);
        if let Some(address) = client_addr {
            telemetry::client_ip(address);
        }
        Inbound {
            edge: self.site.edge.admit(self.request),
            surface: self.surface,
            endpoint: self.request.path(),
            query: self.request.query_string(),
            scope: self.scope,
            head: Head::new(self.request.headers()),
            body,
            request_id: &self.request_id,
            client_addr,
        }
    }
}

/// A worker's own connections.
type Io = web::Data<WorkerIo>;
