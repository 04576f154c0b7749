//! `git_log`.

use chrono::{DateTime, NaiveDate};
use gix_hash::ObjectId;
use gix_object::CommitRef;
use scopegate::toolkit::ToolError;
use serde::{Deserialize, Serialize};

use crate::arguments::{Call, Place, Source};
use crate::commits::{Commit, LISTED_BODY};
use crate::page::Page;
use crate::reader::parse_commit;
use crate::text::Person;
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
    #[serde(flatten)]
    source: Source,
    commits: Vec<Commit>,
    next_cursor: Option<String>,
}

/// Which commits are shown, beside those the walk leaves out.
pub(crate) trait Filter {
    /// Whether this one is.
    fn shows(&self, commit: &CommitRef<'_>) -> bool;
}

struct Author(Option<String>);

impl Filter for Author {
    fn shows(&self, commit: &CommitRef<'_>) -> bool {
        self.0.as_ref().is_none_or(|wanted| {
            let author = Person::author_of(commit);
            let author = format!("{} <{}>", author.name, author.email);
            author.to_lowercase().contains(wanted)
        })
    }
}

pub(crate) fn run(call: &Call<'_>, arguments: &Arguments) -> Result<Outcome, ToolError> {
    let path = arguments.place.path()?;
    let (since, until) =
        (moment(arguments.since.as_deref(), false)?, moment(arguments.until.as_deref(), true)?);
    let (reader, from) = call.open(&arguments.place)?;
    let walk = Walk::new(&reader, from, Some(&path), arguments.first_parent)?.between(since, until);
    let filter = Author(arguments.author.as_deref().map(str::to_lowercase));
    let page = call.page(arguments.limit, DEFAULT);
    let (commits, next_cursor) = collect(call, walk, &filter, page, from)?;
    Ok(Outcome { source: arguments.place.source(&reader, from), commits, next_cursor })
}

/// Fills a page from a walk, behind the commits of the pages before it.
pub(crate) fn collect(
    call: &Call<'_>,
    mut walk: Walk<'_>,
    filter: &dyn Filter,
    mut page: Page,
    from: ObjectId,
) -> Result<(Vec<Commit>, Option<String>), ToolError> {
    let (start, _) = call.query.start();
    let most = start.saturating_add(call.shelf.bounds.commits as u64);
    let next = |visited| Some(call.query.next(&[from], (visited, 0)));
    let mut commits = Vec::new();
    let mut visited = 0;
    while let Some(found) = walk.next()? {
        if visited >= start && found.counts {
            let id = &found.node.id;
            let data = walk.data(found.node.id, found.data)?;
            let commit = parse_commit(id, &data)?;
            if filter.shows(&commit) {
                let commit = Commit::of(id, &commit, LISTED_BODY);
                if !page.admit(commit.weight()) {
                    return Ok((commits, next(visited)));
                }
                commits.push(commit);
            }
        }
        visited += 1;
        if walk.is_over() {
            break;
        }
        if visited >= most || (visited > start && page.is_full()) {
            return Ok((commits, next(visited)));
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
