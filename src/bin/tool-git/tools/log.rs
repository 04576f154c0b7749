//! `git_log`.

use chrono::{DateTime, NaiveDate};
use gix_hash::ObjectId;
use scopegate::toolkit::{Deadline, ToolError};
use serde::{Deserialize, Serialize};

use crate::arguments::{Place, Shelf};
use crate::commits::{Commit, LISTED_BODY};
use crate::page::{Page, Query};
use crate::reader::Reader;
use crate::text::hex;
use crate::walk::Walk;

/// Commits on a page that asks for no number.
pub(crate) const DEFAULT: usize = 30;

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Arguments {
    #[serde(flatten)]
    pub(crate) place: Place,
    pub(crate) author: Option<String>,
    pub(crate) since: Option<String>,
    pub(crate) until: Option<String>,
    #[serde(default)]
    pub(crate) first_parent: bool,
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    repo: String,
    #[serde(rename = "ref")]
    revision: String,
    commit: String,
    commits: Vec<Commit>,
    next_cursor: Option<String>,
}

/// Which commits are shown, beside those the walk leaves out.
pub(crate) trait Filter {
    /// Whether this one is, with this message.
    fn shows(&self, commit: &Commit, message: &str) -> bool;
}

struct Author(Option<String>);

impl Filter for Author {
    fn shows(&self, commit: &Commit, _: &str) -> bool {
        self.0.as_ref().is_none_or(|wanted| {
            let author = format!("{} <{}>", commit.author.name, commit.author.email);
            author.to_lowercase().contains(wanted)
        })
    }
}

pub(crate) fn run(
    shelf: &Shelf,
    arguments: &Arguments,
    query: &Query,
    deadline: &Deadline,
) -> Result<Outcome, ToolError> {
    let path = arguments.place.path()?;
    let (since, until) =
        (moment(arguments.since.as_deref(), false)?, moment(arguments.until.as_deref(), true)?);
    let reader = shelf.reader(arguments.place.repo.as_deref(), deadline)?;
    let from = query.commit(&reader, 0, arguments.place.revision())?;
    let walk = Walk::new(&reader, from, Some(&path), arguments.first_parent)?.between(since, until);
    let filter = Author(arguments.author.as_deref().map(str::to_lowercase));
    let page = Page::new(&shelf.bounds, arguments.limit, DEFAULT);
    let (commits, next_cursor) = collect(&reader, walk, &filter, page, query, from)?;
    Ok(Outcome {
        repo: reader.repository.name.clone(),
        revision: arguments.place.revision().to_owned(),
        commit: hex(&from),
        commits,
        next_cursor,
    })
}

/// Fills a page from a walk, behind the commits of the pages before it.
pub(crate) fn collect(
    reader: &Reader<'_>,
    mut walk: Walk<'_>,
    filter: &dyn Filter,
    mut page: Page,
    query: &Query,
    from: ObjectId,
) -> Result<(Vec<Commit>, Option<String>), ToolError> {
    let (start, _) = query.start();
    let most = start.saturating_add(reader.bounds.commits as u64);
    let mut commits = Vec::new();
    let mut visited = 0;
    while let Some(found) = walk.next()? {
        if visited >= start && found.counts {
            let (commit, message) = Commit::read_with_message(reader, &found.node.id, LISTED_BODY)?;
            if filter.shows(&commit, &message) {
                if !page.admit(commit.weight()) {
                    return Ok((commits, Some(query.next(&[from], (visited, 0)))));
                }
                commits.push(commit);
            }
        }
        visited += 1;
        if walk.is_over() {
            break;
        }
        if visited >= most || (visited > start && page.is_full()) {
            return Ok((commits, Some(query.next(&[from], (visited, 0)))));
        }
    }
    Ok((commits, None))
}

/// Seconds since 1970 of a date, at its end if it is the last one, or of a
/// moment in RFC 3339.
fn moment(text: Option<&str>, last: bool) -> Result<Option<i64>, ToolError> {
    let Some(text) = text else { return Ok(None) };
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(Some(moment.timestamp()));
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let time = if last {
        day.and_then(|day| day.and_hms_opt(23, 59, 59))
    } else {
        day.and_then(|day| day.and_hms_opt(0, 0, 0))
    };
    match time {
        Some(time) => Ok(Some(time.and_utc().timestamp())),
        None => Err(ToolError::refused(
            "since and until must be dates such as 2026-01-31, or moments in RFC 3339",
        )),
    }
}
