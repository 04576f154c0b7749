//! A repository with everything in it that makes histories hard: merges,
//! renames, binary files, links, submodules, names that are not UTF-8, files
//! without a last line's end, and several hundred edits.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, Weak};

use crate::process::Service;
use crate::repository::{Import, Repository};

/// Commits on the long branch.
pub(crate) const EDITS: usize = 250;

/// The sample, and a service for it.
pub(crate) type Sample = (Arc<Repository>, Service);

/// The sample, made once for all tests that run at a time, and a service for
/// each thread. The last one to leave removes it.
pub(crate) fn sample() -> Rc<Sample> {
    static REPOSITORY: Mutex<Weak<Repository>> = Mutex::new(Weak::new());
    thread_local! {
        static SAMPLE: Rc<Sample> = {
            let mut shared = REPOSITORY.lock().unwrap();
            let repository = shared.upgrade().unwrap_or_else(|| Arc::new(make()));
            *shared = Arc::downgrade(&repository);
            let service = Service::of(&[("sample", repository.path())]);
            Rc::new((repository, service))
        };
    }
    SAMPLE.with(Rc::clone)
}

/// Small numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % sides as u64).unwrap()
    }
}

fn text(lines: &[String]) -> Vec<u8> {
    (lines.join("\n") + "\n").into_bytes()
}

fn make() -> Repository {
    let repository = Repository::bare("sample");
    let mut import = Import::default();
    first(&mut import);
    long(&mut import);
    odd(&mut import);
    repository.import(import);
    repository.git(&["tag", "light", "main~3"]);
    repository.git(&["tag", "-a", "-m", "The first release\n\nWith notes.", "v1.0", "main~2"]);
    repository.git(&["tag", "-a", "-m", "A tag on a tag", "v1.0-again", "v1.0"]);
    repository.git(&["tag", "just-a-file", "main:readme.txt"]);
    repository.git(&["update-ref", "refs/remotes/origin/main", "main~5"]);
    repository.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    repository.git(&["pack-refs", "--all"]);
    repository.git(&["branch", "loose/branch", "odd~1"]);
    repository
}

/// The first commit, and two branches that merge.
fn first(import: &mut Import) {
    import.commit(
        "main",
        1_600_000_000,
        "First commit\nwith two lines\n\nAnd a body.\n\n  Indented.\n",
    );
    import.file("100644", b"readme.txt", b"Welcome\nto the sample\n");
    import.file("100755", b"bin/run.sh", b"#!/bin/sh\necho run\n");
    import.file("120000", b"link", b"readme.txt");
    import.file("120000", b"outside", b"../../../../etc/passwd");
    import.file("120000", b"absolute", b"/etc/passwd");
}

/// Random edits, renames, removals and merges.
fn long(import: &mut Import) {
    let mut dice = Dice(42);
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut time = 1_600_000_100;
    for number in 0..EDITS {
        // Some share a date.
        time += dice.roll(3) as u64 * 40;
        let author =
            ["Ada <ada@example.com>", "Bob <bob@example.com>", "Čapek <capek@example.com>"];
        let message = format!("Edit {number}\n\nTicket T-{}\n", dice.roll(30));
        let side = number % 25 > 17;
        let branch = if side { "side" } else { "main" };
        import.commit_by(branch, author[dice.roll(3)], time, message.as_bytes());
        match number % 25 {
            18 => import.line("from refs/heads/main"),
            0 if number > 0 => import.line("merge refs/heads/side"),
            _ => {}
        }
        if side {
            // Its own files, so that merges are clean.
            let lines: Vec<String> =
                (0..=number % 25).map(|n| format!("side {number} {n}")).collect();
            import.file("100644", format!("side/{}.txt", number / 25).as_bytes(), &text(&lines));
            continue;
        }
        if number % 25 == 0 && number > 0 {
            let lines: Vec<String> = (0..=24).map(|n| format!("side {} {n}", number - 1)).collect();
            import.file(
                "100644",
                format!("side/{}.txt", number / 25 - 1).as_bytes(),
                &text(&lines),
            );
        }
        for _ in 0..=dice.roll(3) {
            edit(import, &mut dice, &mut files, number);
        }
    }
}

fn edit(
    import: &mut Import,
    dice: &mut Dice,
    files: &mut BTreeMap<String, Vec<String>>,
    number: usize,
) {
    let folders = ["src", "src/deep/er", "docs", "a b"];
    let fresh = format!("{}/f{}-{number}.rs", folders[dice.roll(4)], dice.roll(40));
    let names: Vec<String> = files.keys().cloned().collect();
    if names.len() < 5 || (dice.roll(8) == 0 && names.len() < 30) {
        let lines = (0..10 + dice.roll(60))
            .map(|n| match n % 9 {
                0 => format!("fn f{number}_{n}() {{"),
                8 => "}".to_owned(),
                4 => String::new(),
                _ => format!("    step({number}, {});", dice.roll(12)),
            })
            .collect();
        files.insert(fresh.clone(), lines);
        import.file("100644", fresh.as_bytes(), &text(&files[&fresh]));
        return;
    }
    let name = names[dice.roll(names.len())].clone();
    match dice.roll(10) {
        // Moved, with or without an edit.
        kind @ 0..=1 => {
            let mut lines = files.remove(&name).unwrap();
            if kind == 1 {
                let at = dice.roll(lines.len());
                lines[at] = format!("moved in {number}");
            }
            import.remove(name.as_bytes());
            import.file("100644", fresh.as_bytes(), &text(&lines));
            files.insert(fresh, lines);
        }
        2 => {
            files.remove(&name);
            import.remove(name.as_bytes());
        }
        _ => {
            let lines = files.get_mut(&name).unwrap();
            for _ in 0..=dice.roll(4) {
                let at = dice.roll(lines.len());
                match dice.roll(3) {
                    0 => lines[at] = format!("    changed({number});"),
                    1 => lines.insert(at, format!("    step({number}, {});", dice.roll(12))),
                    _ if lines.len() > 3 => drop(lines.remove(at)),
                    _ => lines.push("}".to_owned()),
                }
            }
            import.file("100644", name.as_bytes(), &text(lines));
        }
    }
}

/// A branch with what is rare.
fn odd(import: &mut Import) {
    let binary: Vec<u8> = (0..=255).cycle().take(3000).collect();
    import.commit_by("odd", "Ed <ed@example.com>", 1_600_100_000, b"Rare things");
    import.line("from refs/heads/main");
    import.file("100644", b"binary.dat", &binary);
    import.file("100644", b"other.dat", &binary[..2500]);
    import.file("100644", b"caf\xe9.txt", b"latin\nname\n");
    import.file("100644", "größe/日本.txt".as_bytes(), "Größe\n日本語\n".as_bytes());
    import.file("100644", b"quo\"te\ttab\\.txt", b"one\n");
    import.file("100644", b"no-end.txt", b"first\nlast");
    import.file("100644", b"latin1.txt", b"caf\xe9\nplain\n");
    import.file("100644", b"crlf.txt", b"one\r\ntwo\r\nthree\r\n");
    import.file("100644", b"empty", b"");
    import.file("100644", b"becomes-link", b"some\ncontent\n");
    import.file("100644", b"becomes-folder", b"some\nother content\n");
    import.submodule(b"module", "1234567890123456789012345678901234567890");
    // The encoding follows the people.
    import.line("commit refs/heads/odd");
    import.bytes(b"author Andr\xe9 <andre@example.com> 1600100010 +0000\n");
    import.line("committer Keeper <keeper@example.com> 1600100011 +0000");
    import.line("encoding ISO-8859-1");
    import.line("data 14");
    import.bytes(b"Gr\xf6\xdfe in here\n");
    import.file("100755", b"no-end.txt", b"first\nlast");
    import.commit("odd", 1_600_100_020, "Rare changes");
    let mut changed = binary.clone();
    changed[10] = 77;
    import.file("100644", b"binary.dat", &changed);
    import.remove(b"other.dat");
    import.file("100644", b"moved.dat", &binary[..2499]);
    import.file("100644", b"caf\xe9.txt", b"latin\nother\n");
    import.file("100644", b"quo\"te\ttab\\.txt", b"two\n");
    import.file("100755", b"no-end.txt", b"first\nlast\n");
    import.file("100644", b"latin1.txt", b"caf\xe9\nother\n");
    import.file("100644", b"crlf.txt", b"one\r\n2\r\nthree\r\n");
    import.file("120000", b"becomes-link", b"no-end.txt");
    import.remove(b"becomes-folder");
    import.file("100644", b"becomes-folder/inner.txt", b"some\nother content\n");
    import.submodule(b"module", "abcdefabcdefabcdefabcdefabcdefabcdefabcd");
    import.commit("odd", 1_600_100_030, "Only an end");
    import.file("100644", b"empty", b"no longer\n");
    // A history of its own.
    import.commit("unrelated", 1_600_200_000, "");
    import.file("100644", b"alone.txt", b"alone\n");
}
