//! `scopegate audit …`.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::explain::{self, Event};
use super::tail::Tail;
use super::text::{shown, shown_json};
use super::{Export, Filters, Format};
use crate::cli::{Audit, AuditEnd, Output, Selection};
use crate::clock::{Clock, rfc3339};
use crate::store::{AuditCall, Order, Paging, Store};

/// Pause between two looks for new events.
const LOOK: Duration = Duration::from_millis(300);

/// Longest pause while the database does not answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Runs a command.
///
/// # Errors
/// What the database says, or whoever takes our output. One who has heard
/// enough (`| head`) is no error.
pub(crate) async fn run(
    store: &Arc<Store>,
    action: Audit,
    clock: &Clock,
    output: &mut Output<'_>,
) -> anyhow::Result<AuditEnd> {
    let ran = match action {
        Audit::Export { format, selection } => {
            export(store, named(format), &selection, clock, output).await
        }
        Audit::Query { selection, limit, json } => {
            query(store, &selection, (limit, json), clock, output).await
        }
        Audit::Tail { follow, lines, filter, json } => {
            tail(store, &filter, (follow, lines, json), clock, output).await
        }
        Audit::Explain { id } => {
            if let Some(told) = explain::story(store, &id, clock).await? {
                write(output, told.as_bytes()).map(|()| AuditEnd::Done)
            } else {
                let text = format!("nothing on record has the id {}\n", shown(&id));
                let _ = output.err.write_all(text.as_bytes());
                Ok(AuditEnd::Nothing)
            }
        }
    };
    let closed = |error: &anyhow::Error| {
        let error = error.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    match ran {
        Err(error) if closed(&error) => Ok(AuditEnd::Done),
        ran => ran,
    }
}

fn named(format: crate::cli::Format) -> Format {
    match format {
        crate::cli::Format::Jsonl => Format::Jsonl,
        crate::cli::Format::Csv => Format::Csv,
        crate::cli::Format::Cef => Format::Cef,
    }
}

fn filters(selection: &Selection, clock: &Clock) -> Result<Filters, String> {
    let mut filters = Filters::default();
    for (name, value) in [("start_time", &selection.since), ("end_time", &selection.until)] {
        if let Some(value) = value {
            filters.add(name, value, clock.now()).map_err(|error| error.to_string())?;
        }
    }
    for pair in &selection.filter {
        let (name, value) = pair.split_once('=').ok_or("--filter takes NAME=VALUE")?;
        filters.add(name, value, clock.now()).map_err(|error| error.to_string())?;
    }
    Ok(filters)
}

fn write(output: &mut Output<'_>, bytes: &[u8]) -> anyhow::Result<()> {
    output.out.write_all(bytes)?;
    Ok(output.out.flush()?)
}

async fn export(
    store: &Arc<Store>,
    format: Format,
    selection: &Selection,
    clock: &Clock,
    output: &mut Output<'_>,
) -> anyhow::Result<AuditEnd> {
    let filters = match filters(selection, clock) {
        Ok(filters) => filters,
        Err(why) => return Ok(AuditEnd::Wrong(why)),
    };
    let mut export = Export::new(Arc::clone(store), &filters, format, clock.now());
    let watched = io::stderr().is_terminal();
    // A large trail may take too long to count: then nobody knows the end.
    let expected = if watched { export.expected().await.unwrap_or(0) } else { 0 };
    let mut rows = 0;
    while let Some(piece) = export.next().await.context("the export broke off")? {
        output.out.write_all(&piece.bytes)?;
        rows += piece.rows;
        if watched {
            let share = (rows * 100)
                .checked_div(expected)
                .map(|percent| format!(" of about {expected} ({} %)", percent.min(100)));
            let _ = write!(output.err, "\r{rows}{}", share.unwrap_or_default());
            let _ = output.err.flush();
        }
    }
    output.out.flush()?;
    if watched {
        let _ = writeln!(output.err, "\r{rows} exported{:24}", "");
    }
    Ok(AuditEnd::Done)
}

async fn query(
    store: &Arc<Store>,
    selection: &Selection,
    (limit, json): (u32, bool),
    clock: &Clock,
    output: &mut Output<'_>,
) -> anyhow::Result<AuditEnd> {
    let mut query = match filters(selection, clock) {
        Ok(filters) => filters.query,
        Err(why) => return Ok(AuditEnd::Wrong(why)),
    };
    query.paging = Paging::new(Some(limit.into()), None)?;
    for call in store.audit_calls_after(query, None, Order::Newest).await? {
        let line = if json {
            shown_json(&serde_json::to_string(&call)?).into_owned()
        } else {
            in_words(&call)
        };
        write(output, format!("{line}\n").as_bytes())?;
    }
    Ok(AuditEnd::Done)
}

/// A call in one line.
fn in_words(call: &AuditCall) -> String {
    let word = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let took = call.duration_ms.map_or("-".to_owned(), |took| format!("{took:.1}ms"));
    let line = [
        rfc3339(call.timestamp).as_str().to_owned(),
        format!("{:<12}", call.status),
        word(call.user_id.as_deref()),
        format!("{}/{}", word(call.scope.as_deref()), word(call.tool_name.as_deref())),
        took,
        word(call.reason.as_deref().or((call.kind != "decision").then_some(&call.kind))),
        word(call.call_id.as_deref().or(call.request_id.as_deref())),
    ];
    shown(&line.join("  ")).into_owned()
}

async fn tail(
    store: &Arc<Store>,
    filter: &[String],
    (follow, lines, json): (bool, u32, bool),
    clock: &Clock,
    output: &mut Output<'_>,
) -> anyhow::Result<AuditEnd> {
    let selection = Selection { filter: filter.to_vec(), ..Selection::default() };
    let filters = match filters(&selection, clock) {
        Ok(filters) => filters,
        Err(why) => return Ok(AuditEnd::Wrong(why)),
    };
    let unfit = |name: &str| matches!(name, "status" | "start_time" | "end_time");
    if let Some((name, _)) = filters.given.iter().find(|(name, _)| unfit(name)) {
        return Ok(AuditEnd::Wrong(format!(
            "tail shows events as they come: `{name}` is not one of its filters"
        )));
    }
    // The end first: what arrives meanwhile is not missed.
    let mut tail = Tail::at_the_end(store, filters).await?;
    for event in tail.newest(store, lines as usize).await? {
        write(output, told(&event, json).as_bytes())?;
    }
    if !follow {
        return Ok(AuditEnd::Done);
    }
    let mut pause = LOOK;
    loop {
        tokio::time::sleep(pause).await;
        match tail.further(store).await {
            Ok(events) => {
                if pause > LOOK {
                    let _ = writeln!(output.err, "the database answers again");
                }
                pause = LOOK;
                for event in events {
                    write(output, told(&event, json).as_bytes())?;
                }
            }
            // A watch does not end because of a restart.
            Err(error) => {
                if pause == LOOK {
                    let _ = writeln!(output.err, "the database does not answer: {error}; waiting");
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// An event in one line.
fn told(event: &Event, json: bool) -> String {
    if json {
        return format!("{}\n", shown_json(&event.line().text));
    }
    let word = |name: &str| event.text(name).unwrap_or("-");
    let line = [
        word("time"),
        &format!("{:<14}", word("kind")),
        &format!("{:<12}", word("decision")),
        word("user_id"),
        &format!("{}/{}", word("scope"), word("tool")),
        word("reason"),
        event.text("call_id").or(event.text("request_id")).unwrap_or("-"),
    ]
    .join("  ");
    format!("{}\n", shown(&line))
}
