//! Every client with every backend.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde_json::Value;

use crate::cell::{Fate, fate, faults};
use crate::client::{CLIENTS, Client, Driver};
use crate::results;
use crate::run::run;
use crate::stack::{BACKENDS, Kind, Stack};

/// Clients that run at the same time.
const AT_ONCE: usize = 3;

/// A client and a backend, and what came of them.
struct Cell {
    client: Client,
    kind: Kind,
    faults: Vec<String>,
}

#[test]
fn every_client_works_with_every_backend() {
    let stack = Stack::start();
    let cells = CLIENTS.iter().flat_map(|client| BACKENDS.iter().map(move |kind| (*client, *kind)));
    let waiting = Mutex::new(cells.enumerate().collect::<Vec<_>>().into_iter());
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((number, (client, kind))) = next(&waiting) {
                    let cell = judge(&stack, client, kind, number);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((number, cell));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(number, _)| *number);
    let faults = done.iter().fold(String::new(), |mut text, (_, cell)| {
        for fault in &cell.faults {
            let _ = writeln!(text, "{} × {}: {fault}", cell.client.name, cell.kind.name);
        }
        text
    });
    assert!(faults.is_empty(), "\n{faults}\nThe gateway says:\n{}", warnings(&stack.log()));
    results::compare();
}

fn next<T>(waiting: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).next()
}

fn judge(stack: &Stack, client: Client, kind: Kind, number: usize) -> Cell {
    let tag = format!("cell-{number}");
    let report = run(stack, client, kind, &tag);
    let mut faults = faults(client, kind, &report);
    let cancelled = client.driver != Driver::Inspector && !report["cancel"]["ok"].is_null();
    if fate(client, kind, "cancel") == Fate::Works && cancelled {
        faults.extend(uncancelled(stack, kind, &tag));
    }
    Cell { client, kind, faults }
}

/// Whether the backend has not noticed that the client took its call back.
fn uncancelled(stack: &Stack, kind: Kind, tag: &str) -> Option<String> {
    let mut last = Value::Null;
    let seen = support::eventually::within(support::process::PATIENCE, || {
        let calls = stack.backend(kind.scope).observed()["calls"].take();
        let call = calls.as_array()?.iter().find(|call| call["arguments"]["tag"] == tag)?.clone();
        last = call["state"].clone();
        (last == "aborted").then_some(())
    });
    seen.is_none().then(|| format!("cancel: for the backend, the call is {last}"))
}

/// The lines of the gateway's log that are more than informative.
fn warnings(log: &str) -> String {
    let lines = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR"));
    lines.flat_map(|line| [line, "\n"]).collect()
}
