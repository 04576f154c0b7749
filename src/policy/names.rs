//! Names, and patterns of names.
//!
//! `*` stands for any characters, also none and also `/`; `?` for one; `[ab]`,
//! `[!ab]` and `{a,b}` for some (the `globset` crate). A name without any of
//! them is compared exactly, byte for byte.

use std::collections::HashMap;

use globset::{Candidate, Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// Longest pattern, in bytes.
const MOST_PATTERN: usize = 256;

/// Whether a text stands for more than itself.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', ']', '{', '}'])
}

/// A pattern, compiled.
///
/// # Errors
/// What is wrong with it.
pub(super) fn compiled(pattern: &str) -> Result<Glob, String> {
    if pattern.len() > MOST_PATTERN {
        return Err(format!("a pattern is at most {MOST_PATTERN} bytes long"));
    }
    GlobBuilder::new(pattern)
        .literal_separator(false)
        .backslash_escape(false)
        .empty_alternates(true)
        .build()
        .map_err(|error| format!("is no pattern: {}", error.kind()))
}

/// Names and patterns, each with what it leads to.
#[derive(Debug)]
pub(super) struct Names<T> {
    exact: HashMap<Box<str>, Vec<T>>,
    patterns: GlobSet,
    /// By the number of the pattern.
    led_to: Vec<T>,
    everything: Vec<T>,
    /// The patterns as they are written, by their number.
    written: Vec<Box<str>>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self {
            exact: HashMap::new(),
            patterns: GlobSet::empty(),
            led_to: Vec::new(),
            everything: Vec::new(),
            written: Vec::new(),
        }
    }
}

/// Collects names and patterns.
pub(super) struct Builder<T> {
    names: Names<T>,
    globs: GlobSetBuilder,
}

impl<T> Default for Builder<T> {
    fn default() -> Self {
        Self { names: Names::default(), globs: GlobSetBuilder::new() }
    }
}

impl<T> Builder<T> {
    /// Adds a name or a pattern.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub(super) fn add(&mut self, text: &str, leads_to: T) -> Result<(), String> {
        if text == "*" {
            self.names.everything.push(leads_to);
        } else if is_pattern(text) {
            self.pattern(text, leads_to)?;
        } else {
            self.exact(text, leads_to);
        }
        Ok(())
    }

    /// Adds a name in which nothing but `*` stands for anything else.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub(super) fn add_simple(&mut self, text: &str, leads_to: T) -> Result<(), String> {
        match text.split_once('*') {
            Some(("", "")) => self.names.everything.push(leads_to),
            Some((front, back)) => {
                let escaped = format!("{}*{}", globset::escape(front), globset::escape(back));
                self.pattern(&escaped, leads_to)?;
            }
            None => self.exact(text, leads_to),
        }
        Ok(())
    }

    fn exact(&mut self, text: &str, leads_to: T) {
        self.names.exact.entry(text.into()).or_default().push(leads_to);
    }

    fn pattern(&mut self, text: &str, leads_to: T) -> Result<(), String> {
        self.globs.add(compiled(text)?);
        self.names.led_to.push(leads_to);
        self.names.written.push(text.into());
        Ok(())
    }

    /// All of them.
    ///
    /// # Errors
    /// When they are too large together.
    pub(super) fn build(self) -> Result<Names<T>, String> {
        let patterns = self.globs.build().map_err(|error| error.to_string())?;
        Ok(Names { patterns, ..self.names })
    }
}

impl<T> Names<T> {
    /// What `*` leads to.
    pub(super) fn everything(&self) -> &[T] {
        &self.everything
    }

    /// What exactly this name leads to.
    pub(super) fn exactly(&self, name: &str) -> &[T] {
        if self.exact.is_empty() {
            return &[];
        }
        self.exact.get(name).map_or(&[], Vec::as_slice)
    }

    /// What a pattern that fits this name leads to, the first added first.
    /// `*` is none of them.
    pub(super) fn fitting(&self, name: &str) -> impl Iterator<Item = &T> {
        let found = if self.patterns.is_empty() {
            Vec::new()
        } else {
            self.patterns.matches_candidate(&Candidate::new(name))
        };
        found.into_iter().filter_map(|index| self.led_to.get(index))
    }

    /// Everything that something leads to.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.exact.values().flatten().chain(&self.led_to).chain(&self.everything)
    }

    /// Every name that stands here in full.
    pub(super) fn named(&self) -> impl Iterator<Item = &str> {
        self.exact.keys().map(|name| &**name)
    }

    /// Every pattern as it is written, but for `*`.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &str> {
        self.written.iter().map(|pattern| &**pattern)
    }

    /// Every pattern but `*`, each with what it leads to.
    pub(super) fn patterned(&self) -> impl Iterator<Item = (&str, &T)> {
        self.patterns().zip(&self.led_to)
    }

    /// Patterns that fit none of these names, each with what it leads to.
    pub(super) fn idle(&self, names: &[String]) -> Vec<(&T, &str)> {
        let mut used = vec![false; self.led_to.len()];
        for name in names {
            for index in self.patterns.matches(name) {
                if let Some(used) = used.get_mut(index) {
                    *used = true;
                }
            }
        }
        let patterns = self.led_to.iter().zip(&self.written).zip(used);
        patterns.filter(|(_, used)| !used).map(|((led, text), _)| (led, &**text)).collect()
    }

    /// Whether nothing was added.
    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.led_to.is_empty() && self.everything.is_empty()
    }
}

/// A list of names and patterns.
pub(crate) struct Globs(Names<()>);

impl Globs {
    /// Reads a list.
    ///
    /// # Errors
    /// The first entry that is no pattern, and what is wrong with it.
    pub(crate) fn read(list: &[String]) -> Result<Self, String> {
        let mut builder = Builder::default();
        for entry in list {
            builder.add(entry, ()).map_err(|fault| format!("`{entry}` {fault}"))?;
        }
        builder.build().map(Self)
    }

    /// Whether one of them fits a name.
    pub(crate) fn fit(&self, name: &str) -> bool {
        let Self(names) = self;
        let found = names.exactly(name).first().or(names.everything().first());
        found.or_else(|| names.fitting(name).next()).is_some()
    }
}
