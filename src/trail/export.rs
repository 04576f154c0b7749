//! A whole selection, a bounded piece at a time.
//!
//! Whoever takes the pieces sets the pace: the next page is read from the
//! database when it is asked for, and never more than one is held.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Filters, cef, csv};
use crate::store::{AuditQuery, CallPlace, Line, LineRange, Order, Paging, Store, StoreError};

/// Rows of a piece.
const ROWS: u16 = 500;

/// Length of the first slice of time, and of the longest.
const FIRST_SLICE: TimeDelta = TimeDelta::hours(1);
const LONGEST_SLICE: TimeDelta = TimeDelta::days(14);

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// The lines of the journal as they are.
    Jsonl,
    /// A line a call, for spreadsheets.
    Csv,
    /// A line a call, for a SIEM.
    Cef,
}

impl Format {
    /// All, for lists.
    pub(crate) const ALL: [Self; 3] = [Self::Jsonl, Self::Csv, Self::Cef];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Cef => "cef",
        }
    }

    /// The format of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Cef => "text/plain; charset=utf-8",
        }
    }
}

/// An export on its way.
pub(crate) struct Export {
    store: Arc<Store>,
    query: AuditQuery,
    format: Format,
    state: State,
    /// Whether the header is still to be written.
    header: bool,
}

enum State {
    Begin,
    /// Calls in the order of time, which begin with the oldest of all.
    BeginCalls,
    /// Calls of a slice of time, after one of them. Where few fit, a page would
    /// otherwise be looked for in the whole trail at once.
    Calls(Slice, Option<CallPlace>),
    /// Whole chains, one after the other.
    Chains(VecDeque<LineRange>),
    Done,
}

/// From when on, and for how long.
#[derive(Clone, Copy)]
struct Slice {
    start: DateTime<Utc>,
    length: TimeDelta,
}

impl Slice {
    fn end(self) -> DateTime<Utc> {
        self.start.checked_add_signed(self.length).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// The next: longer, where this one had few.
    fn next(self, had: usize) -> Self {
        let length = if had < usize::from(ROWS) / 4 { self.length * 2 } else { self.length };
        // Both ends of a slice belong to it.
        let start = self.end() + TimeDelta::microseconds(1);
        Self { start, length: length.min(LONGEST_SLICE) }
    }
}

/// A piece of an export.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    /// Lines in it that are no header.
    pub(crate) rows: u64,
}

impl Export {
    /// An export of what is on record until `now`, unless the filters end
    /// before that: otherwise a busy trail would never end.
    pub(crate) fn new(
        store: Arc<Store>,
        filters: &Filters,
        format: Format,
        now: DateTime<Utc>,
    ) -> Self {
        let mut query = filters.query.clone();
        query.paging = Paging::new(Some(ROWS.into()), None).unwrap_or_default();
        // The journal itself: every event, in chains that can be verified.
        let whole = format == Format::Jsonl && filters.are_only_times();
        if !whole {
            query.end_time = Some(query.end_time.map_or(now, |end| end.min(now)));
        }
        let state = if whole { State::Begin } else { State::BeginCalls };
        Self { store, query, format, state, header: format == Format::Csv }
    }

    /// How many rows there will be, about: events may still arrive. Of a
    /// filtered export in JSON lines, how many calls.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn expected(&self) -> Result<u64, StoreError> {
        match self.state {
            State::Begin => {
                let ranges = self.store.audit_ranges(self.query.start_time, self.query.end_time);
                let length = |range: LineRange| (range.last - range.first + 1).unsigned_abs();
                Ok(ranges.await?.into_iter().map(length).sum())
            }
            State::BeginCalls | State::Calls(..) | State::Chains(_) | State::Done => {
                self.store.count_audit_calls(self.query.clone()).await
            }
        }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// The database's failure. Asking again goes on where it failed.
    pub(crate) async fn next(&mut self) -> Result<Option<Piece>, StoreError> {
        loop {
            match &mut self.state {
                State::Begin => {
                    let ranges =
                        self.store.audit_ranges(self.query.start_time, self.query.end_time);
                    self.state = State::Chains(ranges.await?.into());
                }
                State::Chains(ranges) => {
                    let Some(range) = ranges.front_mut() else {
                        self.state = State::Done;
                        continue;
                    };
                    let lines = self.store.audit_lines(range, ROWS.into()).await?;
                    let Some(last) = lines.last() else {
                        ranges.pop_front();
                        continue;
                    };
                    range.first = last.seq.saturating_add(1);
                    let mut piece = Piece::default();
                    piece.lines(&lines);
                    return Ok(Some(piece));
                }
                State::BeginCalls => {
                    let oldest = self.store.oldest_audit_time().await?;
                    let start = self.query.start_time.max(oldest);
                    self.state = match start {
                        Some(start) => {
                            let slice = Slice { start, length: FIRST_SLICE };
                            State::Calls(slice, None)
                        }
                        None => State::Done,
                    };
                    if std::mem::take(&mut self.header) {
                        let mut piece = Piece::default();
                        csv::header(&mut piece.bytes);
                        return Ok(Some(piece));
                    }
                }
                State::Calls(slice, after) => {
                    let slice = *slice;
                    let mut query = self.query.clone();
                    let end = query.end_time.unwrap_or(DateTime::<Utc>::MAX_UTC);
                    if slice.start > end {
                        self.state = State::Done;
                        continue;
                    }
                    query.start_time = Some(slice.start);
                    query.end_time = Some(slice.end().min(end));
                    let calls =
                        self.store.audit_calls_after(query, after.clone(), Order::Oldest).await?;
                    let mut piece = Piece::default();
                    match self.format {
                        Format::Jsonl => {
                            let lines = self.store.audit_lines_of(&calls).await?;
                            piece.lines(&lines);
                            piece.rows = calls.len() as u64;
                        }
                        Format::Csv => calls.iter().for_each(|call| {
                            csv::row(call, &mut piece.bytes);
                            piece.rows += 1;
                        }),
                        Format::Cef => calls.iter().for_each(|call| {
                            cef::row(call, &mut piece.bytes);
                            piece.rows += 1;
                        }),
                    }
                    self.state = match calls.last() {
                        Some(last) if calls.len() >= usize::from(ROWS) => {
                            State::Calls(slice, Some(last.into()))
                        }
                        Some(_) | None => State::Calls(slice.next(calls.len()), None),
                    };
                    if !piece.bytes.is_empty() {
                        return Ok(Some(piece));
                    }
                }
                State::Done => return Ok(None),
            }
        }
    }
}

impl Piece {
    fn lines(&mut self, lines: &[Line]) {
        for line in lines {
            self.bytes.extend_from_slice(line.text.as_bytes());
            self.bytes.push(b'\n');
            self.rows += 1;
        }
    }
}
