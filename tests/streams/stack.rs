//! Two replicas of the gateway behind nginx, with PostgreSQL and Redis.

use serde_json::Value;
use support::eventually::wait_until;
use support::nginx::Nginx;
use support::postgres::{self, TestDatabase};
use support::process::{PATIENCE, Server};
use support::redis;
use support::scratch::Scratch;

use crate::http::Request;
use crate::product::{Files, Issuer, gateway, nginx};

/// Whoever is a tester may use everything; a reader may use little.
const POLICY: &str = "
default_action: deny
roles:
  admin: {}
  tester: { allowed_tools: ['*'], allowed_prompts: ['*'], allowed_resources: ['*'] }
  reader: { allowed_tools: [echo] }
";

/// Where a request goes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Where nginx gives requests out in turn to both replicas.
    Both,
    /// Where all go to the first replica.
    First,
    /// Where all go to the second.
    Second,
}

/// Everything between clients and backends.
pub(crate) struct Stack {
    doors: [Nginx; 3],
    gateways: [Server; 2],
    pub(crate) issuer: Issuer,
    _database: TestDatabase,
    _scratch: Scratch,
}

impl Stack {
    /// With these backends and scopes, and with settings other than the usual
    /// ones.
    pub(crate) fn start(tools: &str, settings: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new("sg-streams");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let database = runtime.block_on(postgres::database());
        let (redis, prefix) = (redis::shared_url(), redis::unique_prefix());
        let issuer = Issuer::start(scratch.path());
        let files = Files { folder: scratch.path(), tools, policy: POLICY };
        let common = [
            ("DATABASE_URL", database.url()),
            ("SCOPEGATE__REDIS__URL", &redis),
            ("SCOPEGATE__REDIS__KEY_PREFIX", &prefix),
            // Nothing here is about a slow Redis, and machines may be slow.
            ("SCOPEGATE__REDIS__TIMEOUT_MS", "20000"),
            ("SCOPEGATE__AUDIT__SHIP_INTERVAL_MS", "50"),
        ];
        let all = [&common, settings].concat();
        let (first, one) = gateway(&issuer, &files, "first", &all);
        let (second, two) = gateway(&issuer, &files, "second", &all);
        Self {
            doors: [nginx(&[one, two]), nginx(&[one]), nginx(&[two])],
            gateways: [first, second],
            issuer,
            _database: database,
            _scratch: scratch,
        }
    }

    /// The port of a door.
    pub(crate) fn port(&self, door: Door) -> u16 {
        self.doors[door as usize].port()
    }

    /// What the gateways have printed.
    pub(crate) fn log(&self) -> String {
        self.gateways.iter().map(Server::log).collect()
    }

    /// Memory that both gateways hold, in bytes.
    pub(crate) fn resident(&self) -> usize {
        let pages = self.gateways.iter().map(|gateway| {
            let text = std::fs::read_to_string(format!("/proc/{}/statm", gateway.pid())).unwrap();
            text.split(' ').nth(1).unwrap().parse::<usize>().unwrap()
        });
        pages.sum::<usize>() * 4096
    }

    /// A user's rows of the audit trail, newest first, once there are `count`
    /// and none of them waits for its end.
    pub(crate) fn audited(&self, user: &str, count: usize) -> Vec<Value> {
        let token = format!("Bearer {}", self.issuer.token("auditor", "admin"));
        let request = Request::new(format!("GET /admin/audit-logs?user_id={user}"));
        let request = request.header("Authorization", token);
        let mut rows = Vec::new();
        wait_until(PATIENCE, &format!("{count} rows of the audit trail for {user}"), || {
            let page = request.answer(self.port(Door::First)).json();
            rows.clone_from(page["items"].as_array().expect("items"));
            rows.len() >= count && rows.iter().all(|row| row["status"] != "pending")
        });
        assert_eq!(rows.len(), count, "{user}: {rows:?}");
        rows
    }
}
