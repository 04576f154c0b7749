//! The limits of the git tools.

use scopegate::toolkit::{Environment, Limits, Range, Ranges};

/// Bounds of what a call may make the service read or say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Most items on a page.
    pub(crate) page_items: usize,
    /// About the largest page, in bytes of its JSON; one item may go beyond.
    pub(crate) page_bytes: usize,
    /// Most commits looked at for a page, in addition to those of the pages
    /// before it.
    pub(crate) commits: usize,
    /// Most files, folders and changes looked at in a call.
    pub(crate) entries: usize,
    /// Largest file that is read, searched, compared or blamed, in bytes.
    pub(crate) blob_bytes: u64,
    /// Deepest folder.
    pub(crate) depth: usize,
}

/// Most bytes a commit, tree or tag may have.
pub(crate) const OBJECT_BYTES: u64 = 16 * 1024 * 1024;

/// How far the kit's limits can be set.
pub(crate) const RANGES: Ranges = Ranges {
    body_bytes: Range { default: 65_536, most: 1_048_576 },
    output_chars: Range { default: 8_388_608, most: 67_108_864 },
    concurrent_calls: Range { default: 4, most: 256 },
    timeout_ms: Range { default: 10_000, most: 300_000 },
};

/// Reads both kinds of limits from the environment.
pub(crate) fn read(env: &mut Environment) -> (Bounds, Limits) {
    let bounds = Bounds {
        page_items: env.number("GIT_MAX_PAGE_ITEMS", 200, &(1..=10_000)),
        page_bytes: env.number("GIT_MAX_PAGE_BYTES", 131_072, &(1024..=4_194_304)),
        commits: env.number("GIT_MAX_COMMITS", 100_000, &(1..=10_000_000)),
        entries: env.number("GIT_MAX_ENTRIES", 200_000, &(1..=10_000_000)),
        blob_bytes: env.number("GIT_MAX_FILE_BYTES", 4_194_304, &(1024..=67_108_864)),
        depth: env.number("GIT_MAX_DEPTH", 64, &(1..=512)),
    };
    (bounds, Limits::read(env, &RANGES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_every_bad_limit_is_told() {
        let mut env = Environment::new(|_| None);
        let (bounds, limits) = read(&mut env);
        assert!(env.problems().is_empty());
        assert!(bounds.page_bytes * 4 < limits.max_output_chars);
        let mut env = Environment::new(|name| name.starts_with("GIT_").then(|| "0".to_owned()));
        read(&mut env);
        assert_eq!(env.problems().len(), 6);
    }
}
