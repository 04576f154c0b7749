//! Which backend of a scope offers a name, as the backends' own lists said it
//! last.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;

use super::SubjectKind;

/// How long lists are believed. A name that is not in them is looked for at
/// once, but not more often than this.
const KEEP: Duration = Duration::from_mins(1);
const KEEP_MISSING: Duration = Duration::from_secs(2);

/// A scope, and what kind of names.
type Key = (Box<str>, SubjectKind);

/// Names, and the places of the backends that offer them.
#[derive(Debug, Default)]
pub(crate) struct Offered {
    pub(crate) names: HashMap<Box<str>, usize>,
    /// Beginnings of addresses that templates make.
    pub(crate) prefixes: Vec<(Box<str>, usize)>,
    /// A backend has not said what it offers, so that a name could be its.
    pub(crate) is_partial: bool,
}

/// What backends offer, by scope and kind.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    known: DashMap<Key, (Duration, Arc<Offered>)>,
}

impl Offered {
    /// The place of the backend that offers a name.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        let templated = || {
            let mut fitting =
                self.prefixes.iter().filter(|(prefix, _)| name.starts_with(&**prefix));
            fitting.next().map(|(_, place)| *place)
        };
        self.names.get(name).copied().or_else(templated)
    }
}

impl Offers {
    /// What the backends said, where that is still good for this name; else
    /// they have to be asked. `now` is of the monotonic clock.
    pub(crate) fn known(
        &self,
        scope: &str,
        kind: SubjectKind,
        name: &str,
        now: Duration,
    ) -> Option<Arc<Offered>> {
        let (at, offered) = self.known.get(&key(scope, kind)).map(|known| known.clone())?;
        let age = now.saturating_sub(at);
        let is_sure = offered.place(name).is_some() && !offered.is_partial;
        let keep = if is_sure { KEEP } else { KEEP_MISSING };
        (age < keep).then_some(offered)
    }

    /// Keeps what the backends said.
    pub(crate) fn keep(&self, scope: &str, kind: SubjectKind, offered: Offered, now: Duration) {
        self.known.insert(key(scope, kind), (now, Arc::new(offered)));
    }
}

fn key(scope: &str, kind: SubjectKind) -> Key {
    (scope.into(), kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_believed_for_a_while_and_what_is_not_for_less() {
        let offers = Offers::default();
        let at = |seconds| Duration::from_secs(seconds);
        let known = |name, now| {
            let known = offers.known("desk", SubjectKind::Resource, name, now);
            known.map(|offered| offered.place(name))
        };
        assert_eq!(known("a", at(0)), None);
        let offered = Offered {
            names: HashMap::from([("a".into(), 1)]),
            prefixes: vec![("note://".into(), 2)],
            is_partial: false,
        };
        offers.keep("desk", SubjectKind::Resource, offered, at(0));
        assert_eq!(known("a", at(59)), Some(Some(1)));
        assert_eq!(known("note://7", at(59)), Some(Some(2)));
        assert_eq!(known("a", at(60)), None);
        assert_eq!(known("b", at(1)), Some(None));
        assert_eq!(known("b", at(2)), None);
        assert!(offers.known("desk", SubjectKind::Tool, "a", at(1)).is_none());
        let names = HashMap::from([("c".into(), 1)]);
        let partial = Offered { names, is_partial: true, ..Offered::default() };
        offers.keep("desk", SubjectKind::Resource, partial, at(10));
        assert_eq!(known("c", at(11)), Some(Some(1)));
        assert_eq!(known("c", at(12)), None, "another backend may be back");
    }
}
