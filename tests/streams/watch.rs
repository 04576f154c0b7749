//! What backends have seen of a user.

use serde_json::Value;
use support::backend::Backend;
use support::eventually::wait_until;
use support::process::PATIENCE;

/// The longest time until a backend sees what its client did, in
/// milliseconds.
pub(crate) const SOON: u64 = 1500;

/// A user's calls of a tool, once they are so many and all in this state.
pub(crate) fn calls(
    backend: &Backend,
    user: &str,
    tool: &str,
    count: usize,
    state: &str,
) -> Vec<Value> {
    let mut found = Vec::new();
    wait_until(PATIENCE, &format!("{count} calls of {tool} by {user}, {state}"), || {
        let observed = backend.observed();
        let all = observed["calls"].as_array().expect("calls").iter();
        let own = all.filter(|call| call["tool"] == tool && call["headers"]["x-user-id"] == user);
        found = own.cloned().collect();
        found.len() == count && found.iter().all(|call| call["state"] == state)
    });
    found
}

/// A user's exchanges that fit, once there are some.
pub(crate) fn exchanges(
    backend: &Backend,
    user: &str,
    mut fits: impl FnMut(&Value) -> bool,
) -> Vec<Value> {
    let mut found = Vec::new();
    wait_until(PATIENCE, &format!("an exchange of {user} that fits"), || {
        let observed = backend.observed();
        let all = observed["exchanges"].as_array().expect("exchanges").iter();
        let own = all.filter(|one| one["headers"]["x-user-id"] == user);
        found = own.filter(|one| fits(one)).cloned().collect();
        !found.is_empty()
    });
    found
}

/// What time it is at a backend, in milliseconds.
pub(crate) fn now(backend: &Backend) -> u64 {
    backend.observed()["now_ms"].as_u64().expect("a time")
}

/// When a call ended, in milliseconds.
pub(crate) fn ended(call: &Value) -> u64 {
    call["ended_ms"].as_u64().unwrap_or_else(|| panic!("it has not ended: {call}"))
}

/// A user's calls of a tool, once they are so many and none is running.
pub(crate) fn finished(backend: &Backend, user: &str, tool: &str, count: usize) -> Vec<Value> {
    let mut found = Vec::new();
    wait_until(PATIENCE, &format!("the end of {count} calls of {tool} by {user}"), || {
        let observed = backend.observed();
        let all = observed["calls"].as_array().expect("calls").iter();
        let own = all.filter(|call| call["tool"] == tool && call["headers"]["x-user-id"] == user);
        found = own.cloned().collect();
        found.len() == count && found.iter().all(|call| call["state"] != "running")
    });
    found
}

/// Time as it passes here.
pub(crate) struct Watch(std::time::Instant);

impl Watch {
    #[expect(clippy::disallowed_methods, reason = "what is tested is how long something takes")]
    pub(crate) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub(crate) fn millis(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap()
    }
}
