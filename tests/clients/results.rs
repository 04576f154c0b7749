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
    let names: String = BACKENDS.iter().map(|kind| format!(" {} |", kind.name)).collect();
    let rule = "---|".repeat(BACKENDS.len());
    let rows: String = CLIENTS.iter().map(row).collect();
    format!("| client |{names}\n|---|{rule}\n{rows}")
}

fn row(client: &Client) -> String {
    let cells: String =
        BACKENDS.iter().map(|kind| format!(" {} |", cell(*client, *kind))).collect();
    format!("| {} |{cells}\n", client.name)
}

fn cell(client: Client, kind: Kind) -> String {
    let of = |wanted: Fate| -> Vec<&str> {
        STEPS.into_iter().filter(|step| fate(client, kind, step) == wanted).collect()
    };
    let (declined, absent) = (of(Fate::Declined), of(Fate::Absent));
    let way = if kind.eras.contains(&client.era) { "passed" } else { "translated" };
    let mut text = way.to_owned();
    if !absent.is_empty() {
        text += &format!(", {} steps", STEPS.len() - absent.len());
    }
    if !declined.is_empty() {
        text += &format!(", declined: {}", declined.join(", "));
    }
    text
}
