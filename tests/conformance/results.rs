//! The table in `docs/conformance.md`. A run with `CONFORMANCE_WRITE=1` writes
//! its row; any other compares.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::expected::Expected;
use crate::suite::Report;

/// Between these lines stand the rows, sorted.
const BEGIN: &str = "<!-- results: written by tests/conformance -->\n";
const END: &str = "<!-- end of results -->\n";

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md")
}

/// Compares a run with the table, or puts it there. `how` is how the suite came
/// to the backend.
pub(crate) fn record(expected: &Expected, how: &str, report: &Report) {
    let key = format!("| {} | {how} | {} |", expected.revision, expected.name);
    let row = format!(
        "{key} {} of {} | {} | {} |\n",
        report.scored(),
        expected.scored,
        report.scored_checks(),
        report.other_checks()
    );
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let text = std::fs::read_to_string(file()).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    let mut lines = table.split_inclusive('\n');
    let head: String = lines.by_ref().take(2).collect();
    let mut rows: Vec<&str> = lines.collect();
    if std::env::var_os("CONFORMANCE_WRITE").is_none() {
        assert!(
            rows.contains(&row.as_str()),
            "docs/conformance.md is stale: it lacks {row}Run the tests with CONFORMANCE_WRITE=1."
        );
        return;
    }
    rows.retain(|known| !known.starts_with(&key));
    rows.push(&row);
    rows.sort_unstable();
    let table = head + &rows.concat();
    std::fs::write(file(), format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
}
