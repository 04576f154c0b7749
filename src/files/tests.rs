use std::fs;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use support::scratch::Scratch;

use super::*;
use crate::clock::{Clock, ManualClock};

const ROOM: Room =
    Room { files: 3, bytes: 100, total_bytes: 150, keep_for: Duration::from_mins(1) };

fn store(scratch: &Scratch, room: Room) -> (Store, Arc<ManualClock>) {
    let (clock, hand) = Clock::manual(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    (Store::open(Shelf::new(scratch.path()), room, clock).unwrap(), hand)
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn files_in(folder: &std::path::Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn ids_of_users_that_could_lead_elsewhere_are_none() {
    let longest = "a".repeat(128);
    for good in ["a", "7", "ann@example.org", "A.b_c-d", "a..b", &longest] {
        assert!(good.parse::<UserId>().is_ok(), "{good}");
    }
    let too_long = "a".repeat(129);
    for bad in ["", ".", "..", ".a", "-a", "_a", "@a", "a/b", "a\\b", "a b", "a\0", "ä", "auth0|1"]
    {
        assert_eq!(bad.parse::<UserId>(), Err(BadName::User), "{bad:?}");
    }
    assert_eq!(too_long.parse::<UserId>(), Err(BadName::User));
}

#[test]
fn only_names_that_were_made_are_names() {
    let made = FileName::new(FileKind::Docx);
    assert_eq!(made.to_string().parse(), Ok(made));
    assert_ne!(FileName::new(FileKind::Pdf), FileName::new(FileKind::Pdf));
    for (bad, why) in [
        ("../x", BadName::Unsafe),
        ("a..pdf", BadName::Unsafe),
        ("a/b.pdf", BadName::Unsafe),
        ("a\\b.pdf", BadName::Unsafe),
        ("x", BadName::Unknown),
        ("x.pdf", BadName::Unknown),
        (".unfinished-2f1e2a54-8c0f-4a52-9c0d-5b0c1c3a7d11", BadName::Unknown),
        ("2f1e2a54-8c0f-4a52-9c0d-5b0c1c3a7d11", BadName::Unknown),
        ("2f1e2a54-8c0f-4a52-9c0d-5b0c1c3a7d11.exe", BadName::Unknown),
        ("2f1e2a54-8c0f-4a52-9c0d-5b0c1c3a7d11.pdf.html", BadName::Unknown),
        ("2F1E2A54-8c0f-4a52-9c0d-5b0c1c3a7d11.pdf", BadName::Unknown),
        ("2f1e2a548c0f4a529c0d5b0c1c3a7d11.pdf", BadName::Unknown),
        ("{2f1e2a54-8c0f-4a52-9c0d-5b0c1c3a7d11}.pdf", BadName::Unknown),
    ] {
        assert_eq!(bad.parse::<FileName>(), Err(why), "{bad}");
    }
}

#[test]
fn a_file_is_its_owners_until_it_expires() {
    let scratch = Scratch::new("sg-files");
    let (store, hand) = store(&scratch, ROOM);
    let kept = store.keep(&user("ann"), FileKind::Pdf, b"bytes").unwrap();
    let open = |of: &str| store.shelf().open(&user(of), kept.name, store.clock().now()).unwrap();
    assert_eq!(open("ann").unwrap().entry.size, 5);
    assert!(open("bob").is_none());
    let listed = |of: &str| store.shelf().list(&user(of), store.clock().now()).unwrap();
    assert_eq!(listed("ann").len(), 1);
    assert_eq!(listed("ann")[0].name, kept.name);
    assert!(listed("bob").is_empty());

    hand.advance(Duration::from_secs(59));
    assert!(open("ann").is_some());
    hand.advance(Duration::from_secs(1));
    assert!(open("ann").is_none());
    assert!(listed("ann").is_empty());
    // It is still there, until somebody tidies up.
    assert_eq!(files_in(&scratch.path().join("ann")), 1);
    store.sweep().unwrap();
    assert_eq!(files_in(&scratch.path().join("ann")), 0);
}

#[test]
fn nobody_keeps_more_than_may_be() {
    let scratch = Scratch::new("sg-files");
    let (store, hand) = store(&scratch, ROOM);
    let keep = |of: &str, size: usize| store.keep(&user(of), FileKind::Html, &vec![b'x'; size]);
    assert!(matches!(keep("ann", 101), Err(KeepError::TooLarge(100, _))));
    keep("ann", 60).unwrap();
    assert!(matches!(keep("ann", 41), Err(KeepError::TooLarge(100, _))));
    keep("ann", 40).unwrap();
    // Nothing is left of what was refused.
    assert_eq!(files_in(&scratch.path().join("ann")), 2);
    // All together.
    assert!(matches!(keep("bob", 51), Err(KeepError::Full)));
    keep("bob", 48).unwrap();
    keep("bob", 1).unwrap();
    keep("bob", 1).unwrap();
    let refused = keep("bob", 0).unwrap_err();
    assert!(matches!(refused, KeepError::TooMany(3, _)), "{refused}");
    assert!(refused.to_string().ends_with("expires at 2027-01-15T08:01:00Z"), "{refused}");
    // What has expired makes room, without a sweep.
    hand.advance(Duration::from_mins(1));
    keep("bob", 100).unwrap();
    assert_eq!(files_in(&scratch.path().join("bob")), 1);
    // And what lies there is counted again after a start.
    let (again, _) = self::store(&scratch, Room { total_bytes: 101, ..ROOM });
    assert!(matches!(again.keep(&user("eve"), FileKind::Pdf, &[0; 2]), Err(KeepError::Full)));
    again.keep(&user("eve"), FileKind::Pdf, &[0; 1]).unwrap();
}

#[test]
fn calls_at_the_same_time_do_not_share_the_last_place() {
    let scratch = Scratch::new("sg-files");
    let (store, _) = store(&scratch, Room { total_bytes: 10_000, bytes: 10_000, ..ROOM });
    let kept = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| store.keep(&user("ann"), FileKind::Pdf, b"x").is_ok()))
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).filter(|kept| *kept).count()
    });
    assert_eq!(kept, ROOM.files);
    assert_eq!(files_in(&scratch.path().join("ann")), ROOM.files);
}

/// Many users at once, while somebody tidies up: together they keep as much as may
/// be, and what is known of it is what lies there.
#[test]
fn all_users_together_do_not_share_the_last_bytes() {
    let scratch = Scratch::new("sg-files");
    let (store, _) = store(&scratch, Room { total_bytes: 70, ..ROOM });
    let kept = std::thread::scope(|scope| {
        let store = &store;
        let calls: Vec<_> = (0..16)
            .map(|number| {
                let user = user(&format!("user{number}"));
                scope.spawn(move || {
                    if number % 4 == 0 {
                        store.sweep().unwrap();
                    }
                    store.keep(&user, FileKind::Pdf, &[b'x'; 10]).is_ok()
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).filter(|kept| *kept).count()
    });
    assert_eq!(kept, 7);
    assert!(matches!(store.keep(&user("eve"), FileKind::Pdf, b"x"), Err(KeepError::Full)));
}

#[test]
fn what_a_crash_left_is_removed_and_what_is_strange_is_left_alone() {
    let scratch = Scratch::new("sg-files");
    let (store, _) = store(&scratch, ROOM);
    let folder = scratch.path().join("ann");
    fs::create_dir(&folder).unwrap();
    let put = |name: &str, written: DateTime<Utc>| {
        let file = fs::File::create(folder.join(name)).unwrap();
        file.set_modified(written.into()).unwrap();
    };
    let now = store.clock().now();
    put(".unfinished-old", now - Duration::from_secs(3601));
    put(".unfinished-new", now - Duration::from_secs(3599));
    put("notes.txt", now - Duration::from_secs(100_000));
    store.sweep().unwrap();
    let mut left: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|found| found.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, [".unfinished-new", "notes.txt"]);
    assert!(store.shelf().list(&user("ann"), now).unwrap().is_empty());
}

#[test]
fn links_and_folders_are_no_files() {
    let scratch = Scratch::new("sg-files");
    let (store, _) = store(&scratch, ROOM);
    let (ann, now) = (user("ann"), store.clock().now());
    let secret = scratch.path().join("secret");
    let there = fs::File::create(&secret).unwrap();
    there.set_modified((now + Duration::from_mins(1)).into()).unwrap();
    fs::create_dir(scratch.path().join("ann")).unwrap();
    let link = FileName::new(FileKind::Pdf);
    std::os::unix::fs::symlink(&secret, scratch.path().join("ann").join(link.to_string())).unwrap();
    store.shelf().open(&ann, link, now).unwrap_err();
    let folder = FileName::new(FileKind::Pdf);
    fs::create_dir(scratch.path().join("ann").join(folder.to_string())).unwrap();
    store.shelf().open(&ann, folder, now).unwrap_err();
    assert!(store.shelf().list(&ann, now).unwrap().is_empty());
    // The same for the folder of a user.
    let kept = store.keep(&ann, FileKind::Pdf, b"x").unwrap();
    std::os::unix::fs::symlink(scratch.path().join("ann"), scratch.path().join("bob")).unwrap();
    store.shelf().open(&user("bob"), kept.name, now).unwrap_err();
    store.shelf().list(&user("bob"), now).unwrap_err();
    store.keep(&user("bob"), FileKind::Pdf, b"x").unwrap_err();
}

#[test]
fn a_disk_that_fails_leaves_nothing() {
    let scratch = Scratch::new("sg-files");
    let (store, _) = store(&scratch, ROOM);
    // The folder of the user cannot be made.
    fs::write(scratch.path().join("ann"), "in the way").unwrap();
    let refused = store.keep(&user("ann"), FileKind::Pdf, b"x").unwrap_err();
    assert!(matches!(refused, KeepError::Disk(_)));
    // Where it lies is nobody's business.
    assert_eq!(refused.to_string(), "the file cannot be stored");
}
