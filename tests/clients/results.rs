//! The table in `docs/clients.md`. A run with `CLIENTS_WRITE=1` writes it; any
//! other compares.

use std::path::{Path, PathBuf};

use crate::cell::{Fate, STEPS, fate};
use crate::client::{CLIENTS, Client};
use crate::stack::{BACKENDS, Kind};

/// Between these lines stands the table.
const BEGIN: &str = "<!-- results: written by tests/clients -->\n";
const END: &str = "<!-- end of results -->\n";

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients.md")
}

/// Compares what the test has found with the table, or puts it there. Called
/// when everything was as it has to be.
pub(crate) fn compare() {
    let text = std::fs::read_to_string(file()).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    let table = table();
    if std::env::var_os("CLIENTS_WRITE").is_some() {
        std::fs::write(file(), format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(found, table, "docs/clients.md is stale: run the tests with CLIENTS_WRITE=1");
}

fn table() -> String {
    let names: Vec<&str> = BACKENDS.iter().map(|kind| kind.name).collect();
    let head = format!("| client | {} |", names.join(" | "));
    let rule = format!("|---|{}", "---|".repeat(BACKENDS.len()));
    let rows = CLIENTS.iter().map(row);
    [head, rule].into_iter().chain(rows).flat_map(|line| [line, "\n".to_owned()]).collect()
}

fn row(client: &Client) -> String {
    let cells: Vec<String> = BACKENDS.iter().map(|kind| cell(*client, *kind)).collect();
    format!("| {} | {} |", client.name, cells.join(" | "))
}

fn cell(client: Client, kind: Kind) -> String {
    let of = |wanted: Fate| -> Vec<&str> {
        STEPS.into_iter().filter(|step| fate(client, kind, step) == wanted).collect()
    };
    let (declined, absent) = (of(Fate::Declined), of(Fate::Absent));
    let way = if kind.eras.contains(&client.era) { "passed" } else { "translated" };
    let mut parts = vec![way.to_owned()];
    if !absent.is_empty() {
        parts.push(format!("{} steps", STEPS.len() - absent.len()));
    }
    if !declined.is_empty() {
        parts.push(format!("declined: {}", declined.join(", ")));
    }
    parts.join(", ")
}
