//! Putting the gateway together: settings in, a running server out.

mod proof;
mod runner;
mod tools;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, anyhow};
use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tracing_actix_web::TracingLogger;

use crate::audit::Auditor;
use crate::authn::Authenticator;
use crate::cli::{self, LimitsOf, Migration};
use crate::clock::Clock;
use crate::error::Reason;
use crate::files::Shelf;
use crate::gateway::{Gateway, WorkerIo};
use crate::generation::InForce;
use crate::handshake::Handshake;
use crate::inbound::BodyLimits;
use crate::ingress::{self, AuthClass, Complaints, Edge, ROUTES, Site};
use crate::lifecycle;
use crate::pins::Seen;
use crate::policy::{Asked, Sources};
use crate::quota::{self, Quota};
use crate::registry::{self, Offers, Registry};
use crate::reload::{self, Configured, Origin, Reload, Status};
use crate::review::{self, Place};
use crate::secret::Secret;
use crate::session::{Conversations, Sessions};
use crate::settings::{Problem, Problems, Settings};
use crate::store::{Store, ToolRecord};
use crate::telemetry::{KnownLabels, Metrics, RequestSpan, ToolCounters};
use crate::trail::{self, Cursors};
use crate::upstream::Upstream;
use runner::Runner;

pub use proof::prove;
pub use tools::tools;

/// Longest wait for a request's head, and for an idle connection to be used
/// again.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Most pages of the audit trail that are read at the same time.
const MOST_PAGES: usize = 2;

/// Most exports of the audit trail that run at the same time.
const MOST_EXPORTS: usize = 4;

/// Longest time to end the sessions at backends.
const SESSIONS_TIMEOUT: Duration = Duration::from_secs(5);

/// What can be judged without touching anything: the files the settings name.
struct Files {
    quota: Quota,
    rules: Configured,
    authn: Authenticator,
}

/// A gateway that is serving.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Where `/metrics` listens.
    pub metrics_addr: SocketAddr,
    site: web::Data<Site>,
    handles: Vec<ServerHandle>,
    shutdown: Duration,
    finished: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// Reads and judges everything the settings name.
///
/// # Errors
/// Every complaint about every file at once.
fn read(settings: &Settings, clock: &Clock) -> Result<Files, Problems> {
    let mut problems = Problems::new();
    let rules = reload::rules(settings, None, clock, &mut problems);
    let authn = Authenticator::new(&settings.auth, clock.clone()).map_err(|found| {
        found.into_iter().map(Problem::from).for_each(|problem| problems.push(problem));
    });
    let quota = Quota::new(&settings.quota, &settings.redis, clock.clone())
        .map_err(|error| problems.push(reload::problem_of(&error)));
    if let Err(error) = crate::audit::check_key(&settings.audit) {
        let complaint = error.to_string();
        let (path, message) = complaint.split_once(": ").unwrap_or(("audit", &complaint));
        problems.push(Problem::new(path, message));
    }
    match (rules, authn, quota) {
        (Some(rules), Ok(authn), Ok(quota)) if problems.is_empty() => {
            Ok(Files { quota, rules, authn })
        }
        _ => Err(problems),
    }
}

/// What is wrong with the files and keys the settings name; reads, but
/// neither writes nor connects.
#[must_use]
pub fn check(settings: &Settings) -> Problems {
    read(settings, &Clock::system()).err().unwrap_or_default()
}

/// The limits in force for what a command line asks about, as text.
///
/// # Errors
/// Every complaint about the files the settings name, or about the question.
pub fn limits(settings: &Settings, asked: &LimitsOf) -> Result<String, Problems> {
    let Files { rules: Configured { registry, policy, .. }, .. } =
        read(settings, &Clock::system())?;
    let snapshot = registry.snapshot();
    let mut offering = asked.tool.iter().flat_map(|tool| snapshot.offered_by(tool));
    let scope = match (&asked.scope, offering.next(), offering.next()) {
        (Some(scope), ..) => scope.clone(),
        (None, Some(only), None) => only.name.to_string(),
        (None, None, _) => String::new(),
        (None, Some(_), Some(_)) => {
            let problem = Problem::new("--scope", "several scopes offer this tool: say which");
            return Err([problem].into_iter().collect());
        }
    };
    let active = policy.active();
    let question = Asked {
        roles: &asked.roles,
        tenant: asked.tenant.as_deref(),
        agent: asked.agent.as_deref(),
        scope: &scope,
        tool: asked.tool.as_deref(),
    };
    Ok(quota::describe(active.limits(), &question, &settings.quota))
}

/// Changes the database's schema, or writes its state.
///
/// # Errors
/// What the database says.
pub fn migrate(
    settings: &Settings,
    direction: Migration,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    actix_web::rt::System::new().block_on(async {
        let store = Store::connect(&settings.database, Clock::system()).await?;
        match direction {
            Migration::Up => store.migrate_up(None).await?,
            Migration::Down { steps } => store.migrate_down(Some(steps)).await?,
            Migration::Status => {}
        }
        for migration in store.migration_status().await? {
            let state = if migration.applied { "applied" } else { "pending" };
            writeln!(out, "{state}  {}", migration.name)?;
        }
        Ok(())
    })
}

/// Reads the audit trail.
///
/// # Errors
/// What the database says, or whoever reads our output.
pub fn audit(
    settings: &Settings,
    action: cli::Audit,
    output: &mut cli::Output<'_>,
) -> anyhow::Result<cli::AuditEnd> {
    actix_web::rt::System::new().block_on(async {
        let clock = Clock::system();
        let store = Store::connect_to_read(&settings.database, clock.clone()).await?;
        trail::run(&store, action, &clock, output).await
    })
}

/// Asks a policy.
///
/// # Errors
/// What the database says, or whoever reads our output.
pub fn policy(
    settings: &Settings,
    action: cli::Policy,
    output: &mut cli::Output<'_>,
) -> anyhow::Result<cli::PolicyEnd> {
    let place = Place {
        policy: Sources {
            file: &settings.policy.file,
            agent_rules: settings.policy.agent_rules.as_deref(),
            default_agent: settings.policy.default_agent.as_deref(),
            limits: quota::defaults(&settings.quota).ok(),
        },
        registry: &settings.registry.file,
        bounds: reload::bounds(settings),
        database: &settings.database,
    };
    review::run(&place, action, &Clock::system(), output)
}

/// A route as tests and tools see it.
#[derive(Clone, Copy, Debug)]
pub struct RouteInfo {
    /// Path pattern.
    pub path: &'static str,
    /// HTTP methods answered.
    pub methods: &'static str,
    /// Whether it answers without a token.
    pub public: bool,
}

/// Every route of the published listener.
pub fn routes() -> impl Iterator<Item = RouteInfo> {
    ROUTES.iter().map(|route| RouteInfo {
        path: route.path,
        methods: route.methods,
        public: route.auth == AuthClass::Public,
    })
}

/// Serves until the process is asked to stop.
///
/// # Errors
/// When the gateway cannot start, or could not leave in order.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    actix_web::rt::System::new().block_on(async move {
        // From the beginning: without a handler, the signal ends the process.
        let hangups = lifecycle::hangups()?;
        let running = start(settings, Clock::system()).await?;
        let gateway = Arc::clone(&running.site.gateway);
        let asked = hangups.each(move || gateway.reload.nudge(Origin::Signal));
        let signal = lifecycle::asked_to_stop().await?;
        asked.abort();
        tracing::info!(signal, "stopping");
        running.stop().await
    })
}

/// Starts a gateway. Must run on an actix system.
///
/// # Errors
/// When a file is wrong, a listener is taken, or the database cannot be
/// reached.
pub async fn start(settings: Settings, clock: Clock) -> anyhow::Result<Running> {
    let looks = reload::looks(&settings);
    let Files { quota, rules: Configured { registry, policy, lock, warnings }, authn } =
        read(&settings, &clock).map_err(|problems| anyhow!(problems.to_string()))?;
    let store = Store::connect(&settings.database, clock.clone()).await.context("database")?;
    store.migrate(settings.database.auto_migrate).await.context("database")?;
    let report = store.sync_tools(&records(&registry)).await.context("tools")?;
    tracing::info!(
        tools.inserted = report.inserted,
        tools.updated = report.updated,
        tools.deactivated = report.deactivated,
        tools.reactivated = report.reactivated,
        "registry synced"
    );
    for warning in &warnings {
        tracing::warn!("policy: {warning}");
    }
    let status = Status::new(&settings);
    status.started(clock.now(), warnings);
    let audit = Auditor::open(&settings.audit, &settings.server.state_dir, &store, clock.clone())
        .context("audit journal")?;
    let authn = Arc::new(authn);
    if let Some(fetcher) = authn.take_fetcher() {
        actix_web::rt::spawn(fetcher.run());
    }
    let handshake = Handshake::new(&settings.telemetry.app_name)?;
    let server_info = handshake.server_info().to_owned();
    let sessions = Arc::new(Sessions::new(
        &settings.sessions,
        &settings.upstream,
        &settings.redis,
        clock.clone(),
    )?);
    let gateway = Arc::new(Gateway {
        limits: BodyLimits {
            bytes: settings.server.max_body_bytes,
            time: Duration::from_millis(settings.server.body_timeout_ms),
        },
        admin_role: settings.auth.admin_role.as_str().into(),
        handshake,
        authn,
        in_force: Arc::new(InForce::new(registry, policy, lock)),
        reload: Reload::new(&settings, status, looks),
        shadow_differences: AtomicU64::new(0),
        shadow_told: AtomicU64::new(0),
        quota,
        audit,
        offers: Offers::default(),
        pins: Seen::default(),
        lists_incomplete: AtomicU64::new(0),
        conversations: Conversations::default(),
        upstream: Arc::new(Upstream::new(
            &settings.upstream,
            server_info,
            Arc::clone(&sessions),
            clock.clone(),
        )),
        sessions,
        store,
        files: settings.files.folder.as_ref().map(Shelf::new),
        clock,
    });
    let counters = Arc::clone(&gateway);
    actix_web::rt::spawn(async move { counters.quota.keep_tidy().await });
    let seats = Arc::clone(&gateway);
    actix_web::rt::spawn(async move { seats.look_after_sessions().await });
    let upstream = Arc::clone(&gateway.upstream);
    actix_web::rt::spawn(async move { upstream.keep_tidy().await });
    if let Some(background) = gateway.sessions.take_background() {
        actix_web::rt::spawn(background.run());
    }
    serve(&settings, gateway)
}

fn records(registry: &Registry) -> Vec<ToolRecord> {
    let record = |tool: &registry::Record| ToolRecord {
        scope: tool.scope.clone(),
        name: tool.name.clone(),
        description: tool.description.clone(),
        backend_url: tool.backend_url.clone(),
        risk_level: tool.risk_level.to_owned(),
        required_roles: tool.required_roles.clone(),
        categories: Vec::new(),
        input_schema: Some(tool.input_schema.clone()),
        is_active: tool.is_active,
    };
    registry.snapshot().records().iter().map(record).collect()
}

/// All metrics, with the codes and reasons that can be counted.
fn metrics() -> anyhow::Result<Metrics> {
    let mut codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    let failures: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| reason.is_authentication())
        .map(|reason| reason.name())
        .collect();
    Ok(Metrics::new(KnownLabels { refusals: &codes, auth_failures: &failures })?)
}

fn serve(settings: &Settings, gateway: Arc<Gateway>) -> anyhow::Result<Running> {
    let bind = |address: SocketAddr| {
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
    };
    let listener = bind(settings.server.listen)?;
    let metrics_listener = bind(settings.server.metrics_listen)?;
    let (addr, metrics_addr) = (listener.local_addr()?, metrics_listener.local_addr()?);
    let metrics = metrics()?;
    let tools = ArcSwap::from_pointee(counters(&metrics, &gateway));
    let site = web::Data::new(Site {
        metrics,
        tools,
        gateway,
        edge: Edge::new(&settings.server),
        app_name: settings.telemetry.app_name.as_str().into(),
        cursors: Cursors::new(cursor_secret(settings)?),
        exports: Arc::new(Semaphore::new(MOST_EXPORTS)),
        pages: Arc::new(Semaphore::new(MOST_PAGES)),
        complaints: Complaints::default(),
        stopping: AtomicBool::new(false),
    });
    let renewed = site.clone();
    let turn = Arc::new(tokio::sync::Mutex::new(()));
    let runner = Runner::new(Arc::clone(&site.gateway), move |gateway| {
        renewed.tools.store(Arc::new(counters(&renewed.metrics, gateway)));
        let (turn, site) = (Arc::clone(&turn), renewed.clone());
        drop(gateway.store.spawn(async move {
            // One after the other, each with what is in force by then.
            let _turn = turn.lock().await;
            let gateway = &site.gateway;
            if let Err(error) = gateway.store.sync_tools(&records(&gateway.now().registry)).await {
                tracing::warn!(%error, "the table of tools is not in step with the registry");
            }
        }));
    });
    actix_web::rt::spawn(runner.run());
    let shutdown = Duration::from_secs(settings.server.shutdown_timeout_seconds);
    let workers = match settings.server.workers {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        workers => workers,
    };
    let app_site = site.clone();
    let server = HttpServer::new(move || {
        // Connections live on the thread that opens them, so each worker
        // makes its own.
        let gateway = &app_site.gateway;
        let io = WorkerIo { http: gateway.upstream.client(), quota: gateway.quota.worker_io() };
        App::new()
            .wrap(ingress::cors(app_site.clone()))
            .wrap(TracingLogger::<RequestSpan>::new())
            .app_data(app_site.clone())
            .app_data(web::Data::new(io))
            .configure(ingress::configure)
    })
    .workers(workers)
    .tcp_nodelay(true)
    // Otherwise a client that leaves is not noticed until something is
    // written to it, and its call is never cancelled.
    .h1_allow_half_closed(false)
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(HEAD_TIMEOUT)
    .shutdown_timeout(shutdown.as_secs())
    .disable_signals()
    .listen(listener)?
    .run();
    let internal_site = site.clone();
    let internal = HttpServer::new(move || {
        App::new().app_data(internal_site.clone()).route("/metrics", web::get().to(exposition))
    })
    .workers(1)
    .disable_signals()
    .listen(metrics_listener)?
    .run();
    let handles = vec![server.handle(), internal.handle()];
    actix_web::rt::spawn(internal);
    let finished = actix_web::rt::spawn(server);
    tracing::info!(%addr, %metrics_addr, workers, "serving");
    Ok(Running { addr, metrics_addr, site, handles, shutdown, finished })
}

/// The counters of the tools that there are.
fn counters(metrics: &Metrics, gateway: &Gateway) -> ToolCounters {
    let now = gateway.now();
    let tools = now.registry.snapshot().scopes().flat_map(|scope| &scope.tools);
    metrics.tools(tools.map(|tool| (&*tool.scope, &*tool.name)))
}

/// What replicas have in common.
fn cursor_secret(settings: &Settings) -> anyhow::Result<&Secret> {
    let secret = settings.sessions.key.as_ref().or(settings.upstream.shared_secret.as_ref());
    secret.context("there is neither sessions.key nor upstream.shared_secret")
}

/// `GET /metrics` on the internal listener.
async fn exposition(site: web::Data<Site>) -> HttpResponse {
    let audit = site.gateway.audit.health();
    site.metrics.audit_backlog(audit.backlog_bytes);
    site.metrics.audit_appended(audit.events);
    let (up, leases) = site.gateway.quota.health();
    site.metrics.quota_store(up, leases);
    site.metrics.quota_decisions(&site.gateway.quota.tally());
    site.metrics.audit_folded(audit.folded);
    site.metrics.shadow_differences(site.gateway.shadow_differences.load(Ordering::Relaxed));
    let reload = &site.gateway.reload;
    site.metrics.reloads(reload.counts(), site.gateway.now().number, reload.error().is_some());
    site.metrics.lists_incomplete(site.gateway.lists_incomplete.load(Ordering::Relaxed));
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(site.metrics.render())
}

impl Running {
    /// Leaves in order.
    ///
    /// # Errors
    /// When audit events could not be brought into the database in time; they
    /// lie in the journal and are shipped at the next start.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.site.stopping.store(true, Ordering::Release);
        tokio::time::sleep(lifecycle::NOTICE).await;
        for handle in &self.handles {
            handle.stop(true).await;
        }
        self.finished.await??;
        let gateway = &self.site.gateway;
        // Backends that do not listen end them by themselves some day.
        let _ = tokio::time::timeout(
            SESSIONS_TIMEOUT,
            gateway.upstream.end_all(&gateway.upstream.client()),
        )
        .await;
        if !self.site.gateway.audit.finish(self.shutdown).await {
            tracing::warn!("audit events are left in the journal; the next start ships them");
        }
        tracing::info!("stopped");
        Ok(())
    }
}
