//! The backends behind the stacks that tests share, a scope for each. Tests
//! keep apart by their users.

use std::sync::{LazyLock, Mutex};

use support::backend::{Backend, Sdk};

use crate::product::SECRET;
use crate::scripted::Scripted;
use crate::stack::Stack;

/// The stack of most tests.
pub(crate) static WORLD: LazyLock<World> = LazyLock::new(World::start);

/// A stack that waits for little and allows little.
pub(crate) static STRICT: LazyLock<Strict> = LazyLock::new(Strict::start);

/// A stack with its backends.
pub(crate) struct World {
    pub(crate) stack: Stack,
    /// Scope `rust`.
    pub(crate) rust: Backend,
    /// Scope `typescript`.
    pub(crate) typescript: Backend,
    /// Scope `typescript1`.
    pub(crate) typescript1: Backend,
    /// Scopes `plain`, `sessions`, `refusing` and `both`.
    pub(crate) scripted: Scripted,
    /// Scope `frail`; for one test, which starts it again.
    pub(crate) frail: Mutex<Backend>,
    /// Scope `forgetful`; the same, and declared to be stateless.
    pub(crate) forgetful: Mutex<Backend>,
}

impl World {
    fn start() -> Self {
        let started = |sdk| Backend::start(sdk, &[], Some(SECRET));
        let [rust, frail, forgetful] = [(); 3].map(|()| started(Sdk::Rust));
        let (typescript, typescript1) = (started(Sdk::TypeScript), started(Sdk::TypeScript1));
        let scripted = Scripted::start();
        let tools = format!(
            "backends:
  rust: {{ url: '{}' }}
  typescript: {{ url: '{}' }}
  typescript1: {{ url: '{}' }}
  frail: {{ url: '{}' }}
  forgetful: {{ url: '{}', stateless: true }}
  plain: {{ url: '{}' }}
  sessions: {{ url: '{}' }}
  refusing: {{ url: '{}' }}
  left: {{ url: '{}' }}
  right: {{ url: '{}' }}
  dead: {{ url: 'http://127.0.0.1:1/mcp' }}
scopes:
  rust: {{ backends: [rust] }}
  other: {{ backends: [rust] }}
  typescript: {{ backends: [typescript] }}
  typescript1: {{ backends: [typescript1] }}
  frail: {{ backends: [frail] }}
  forgetful: {{ backends: [forgetful] }}
  plain: {{ backends: [plain] }}
  sessions: {{ backends: [sessions] }}
  refusing: {{ backends: [refusing] }}
  half: {{ backends: [rust, dead] }}
  named: {{ backends: [rust, typescript], namespace: connection }}
  both: {{ backends: [left, right], namespace: connection }}
",
            rust.url(),
            typescript.url(),
            typescript1.url(),
            frail.url(),
            forgetful.url(),
            scripted.url("plain"),
            scripted.url("sessions"),
            scripted.url("refusing"),
            scripted.url("tasks/left"),
            scripted.url("tasks/right"),
        );
        let stack = Stack::start(&tools, &[]);
        let (frail, forgetful) = (Mutex::new(frail), Mutex::new(forgetful));
        Self { stack, rust, typescript, typescript1, scripted, frail, forgetful }
    }

    /// The backend of a scope.
    pub(crate) fn backend(&self, scope: &str) -> &Backend {
        match scope {
            "rust" | "other" => &self.rust,
            "typescript" => &self.typescript,
            "typescript1" => &self.typescript1,
            other => panic!("no such backend: {other}"),
        }
    }
}

/// A stack with strict settings: its audit trail waits for the disk, too.
pub(crate) struct Strict {
    pub(crate) stack: Stack,
    /// Scope `rust`.
    pub(crate) rust: Backend,
    /// Scope `plain`.
    pub(crate) scripted: Scripted,
}

impl Strict {
    /// Longest answer, in bytes.
    pub(crate) const LONGEST: usize = 65_536;

    fn start() -> Self {
        let rust = Backend::start(Sdk::Rust, &[], Some(SECRET));
        let scripted = Scripted::start();
        let tools = format!(
            "backends:
  rust: {{ url: '{}' }}
  plain: {{ url: '{}' }}
scopes:
  rust: {{ backends: [rust] }}
  plain: {{ backends: [plain] }}
",
            rust.url(),
            scripted.url("plain"),
        );
        let settings = [
            ("SCOPEGATE__SESSIONS__IDLE_SECONDS", "4"),
            ("SCOPEGATE__SESSIONS__MAX_PER_CALLER", "2"),
            ("SCOPEGATE__UPSTREAM__MAX_REPLY_BYTES", &Self::LONGEST.to_string()),
            ("SCOPEGATE__AUDIT__DURABILITY", "disk"),
        ];
        Self { stack: Stack::start(&tools, &settings), rust, scripted }
    }
}
