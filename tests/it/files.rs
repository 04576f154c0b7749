//! `/files/{user}/{file}`: own files, in whole and in part, and nobody else's.

use std::path::Path;
use std::time::Duration;

use scopegate::clock::Clock;
use scopegate::files::{FileKind, Room, Shelf, Store};
use support::scratch::Scratch;

use crate::harness::{Gateway, Token, http};

const ROOM: Room =
    Room { files: 100, bytes: 1 << 20, total_bytes: 1 << 20, keep_for: Duration::from_mins(1) };

/// A gateway, and the folder that it hands files out of.
fn started() -> (Gateway, Store, Scratch) {
    let folder = Scratch::new("sg-files");
    let path = folder.path().display().to_string();
    let gateway = Gateway::builder().set("SCOPEGATE__FILES__FOLDER", &path).start();
    (gateway, store(folder.path()), folder)
}

fn store(folder: &Path) -> Store {
    Store::open(Shelf::new(folder), ROOM, Clock::system()).unwrap()
}

fn keep(store: &Store, user: &str, kind: FileKind, bytes: &[u8]) -> String {
    let kept = store.keep(&user.parse().unwrap(), kind, bytes).unwrap();
    format!("/files/{user}/{}", kept.name)
}

fn get(gateway: &Gateway, path: &str, user: &str, further: &[(&str, &str)]) -> http::Reply {
    send(gateway, "GET", path, user, further)
}

fn send(
    gateway: &Gateway,
    method: &str,
    path: &str,
    user: &str,
    further: &[(&str, &str)],
) -> http::Reply {
    let roles: &[&str] = if user == "root" { &["admin"] } else { &["developer"] };
    let bearer = Token::of(user, roles).bearer();
    let headers = [&[("Authorization", bearer.as_str())], further].concat();
    http::send(gateway.addr, method, path, &headers, b"")
}

#[test]
fn owners_and_admins_get_the_file_and_others_do_not() {
    let (gateway, store, _folder) = started();
    let path = keep(&store, "ann", FileKind::Pdf, b"%PDF-1.7 of ann's");
    for user in ["ann", "root"] {
        let reply = get(&gateway, &path, user, &[]);
        assert_eq!((reply.status, reply.body.as_slice()), (200, &b"%PDF-1.7 of ann's"[..]));
    }
    // V-102, and whoever is only nearly ann.
    for user in ["bob", "Ann", "ann.", "anna"] {
        get(&gateway, &path, user, &[]).assert_refused(403, "admin_required");
    }
    // Whether it is there is not for others to know.
    get(&gateway, "/files/ann/x.pdf", "bob", &[]).assert_refused(403, "admin_required");
    http::send(gateway.addr, "GET", &path, &[], b"").assert_refused(401, "AuthenticationError");
    send(&gateway, "DELETE", &path, "ann", &[]).assert_refused(405, "method_not_allowed");
}

#[test]
fn every_kind_says_what_it_is_and_is_never_shown_in_place() {
    let (gateway, store, _folder) = started();
    for (kind, media) in [
        (FileKind::Pdf, "application/pdf"),
        (FileKind::Docx, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (FileKind::Html, "text/html; charset=utf-8"),
    ] {
        let path = keep(&store, "ann", kind, b"<script>alert(1)</script>");
        let reply = get(&gateway, &path, "ann", &[]);
        let name = path.rsplit('/').next().unwrap();
        assert_eq!(reply.header("Content-Type"), Some(media));
        let disposition = format!("attachment; filename=\"{name}\"");
        assert_eq!(reply.header("Content-Disposition"), Some(disposition.as_str()));
        assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(reply.header("Cache-Control"), Some("private, no-store"));
        assert_eq!(reply.header("Cross-Origin-Resource-Policy"), Some("same-origin"));
        let policy = reply.header("Content-Security-Policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
        assert_eq!(reply.header("Accept-Ranges"), Some("bytes"));
        // Its time on the disk is that of its end.
        assert_eq!(reply.header("Last-Modified"), None);
    }
}

#[test]
fn parts_and_conditions_are_answered() {
    let (gateway, store, _folder) = started();
    let path = keep(&store, "ann", FileKind::Html, b"0123456789");
    let part = |range: &str| {
        let reply = get(&gateway, &path, "ann", &[("Range", range)]);
        let text = reply.text();
        (reply.status, reply.header("Content-Range").map(str::to_owned), text)
    };
    let range = |text: &str| Some(format!("bytes {text}"));
    assert_eq!(part("bytes=2-4"), (206, range("2-4/10"), "234".to_owned()));
    assert_eq!(part("bytes=7-"), (206, range("7-9/10"), "789".to_owned()));
    assert_eq!(part("bytes=-3"), (206, range("7-9/10"), "789".to_owned()));
    assert_eq!(part("bytes=8-100"), (206, range("8-9/10"), "89".to_owned()));
    let (status, said, _) = part("bytes=10-");
    assert_eq!((status, said), (416, range("*/10")));
    assert_eq!(part("lines=1-2").0, 200);

    let head = send(&gateway, "HEAD", &path, "ann", &[]);
    assert_eq!((head.status, head.header("Content-Length")), (200, Some("10")));

    let whole = get(&gateway, &path, "ann", &[]);
    let tag = whole.header("ETag").unwrap();
    let unchanged = get(&gateway, &path, "ann", &[("If-None-Match", tag)]);
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    let resumed = get(&gateway, &path, "ann", &[("Range", "bytes=5-"), ("If-Range", tag)]);
    assert_eq!((resumed.status, resumed.text().as_str()), (206, "56789"));
    let other = get(&gateway, &path, "ann", &[("Range", "bytes=5-"), ("If-Range", "\"other\"")]);
    assert_eq!((other.status, other.text().as_str()), (200, "0123456789"));
}

#[test]
fn no_name_leads_anywhere_else() {
    let (gateway, store, folder) = started();
    let path = keep(&store, "ann", FileKind::Pdf, b"x");
    let name = path.rsplit('/').next().unwrap();
    std::fs::write(folder.path().join("ann/notes.txt"), "secret").unwrap();
    std::fs::write(folder.path().join("secret.pdf"), "secret").unwrap();
    for (path, status) in [
        // V-102: 400 or 404.
        ("/files/ann/..%2fsecret.pdf".to_owned(), 400),
        ("/files/ann/..%5csecret.pdf".to_owned(), 400),
        ("/files/ann/%2e%2e".to_owned(), 400),
        ("/files/ann/..".to_owned(), 400),
        ("/files/ann/../secret.pdf".to_owned(), 404),
        ("/files/ann/./".to_owned() + name, 404),
        ("/files/ann//".to_owned() + name, 404),
        ("/files//".to_owned() + name, 404),
        (format!("/files/ann/{}", name.to_uppercase()), 404),
        (format!("/files/ann/{name}/"), 404),
        (format!("/files/ann/{name}%00"), 400),
        ("/files/ann/notes.txt".to_owned(), 404),
        ("/files/ann/".to_owned(), 404),
        ("/files/ann".to_owned(), 404),
    ] {
        let reply = get(&gateway, &path, "ann", &[]);
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
        assert!(!reply.text().contains("secret"), "{path}");
    }
    // An admin may look at anybody's, but at nothing that is no user's.
    for user in ["..", "%2e%2e", ".", "-ann", "a%2fb", "auth0%7c1"] {
        let reply = get(&gateway, &format!("/files/{user}/{name}"), "root", &[]);
        assert!(matches!(reply.status, 400 | 404), "{user}: {}", reply.status);
    }
    // An address with `@`, in both spellings.
    let path = keep(&store, "ann@example.org", FileKind::Pdf, b"mail");
    for path in [path.clone(), path.replace('@', "%40")] {
        assert_eq!(get(&gateway, &path, "ann@example.org", &[]).text(), "mail");
    }
}

#[test]
fn what_has_expired_is_not_found() {
    let (gateway, store, folder) = started();
    let path = keep(&store, "ann", FileKind::Pdf, b"x");
    assert_eq!(get(&gateway, &path, "ann", &[]).status, 200);
    let file = folder.path().join(path.strip_prefix("/files/").unwrap());
    let file = std::fs::File::options().write(true).open(file).unwrap();
    file.set_modified(Clock::system().now().into()).unwrap();
    let gone = get(&gateway, &path, "ann", &[]);
    gone.assert_refused(404, "not_found");
    // Like one that never was.
    let never = "/files/ann/2f1e2a54-8c0f-4a52-9c0d-5b0c1c3a7d11.pdf";
    assert_eq!(get(&gateway, never, "ann", &[]).text(), gone.text());
}

#[test]
fn without_a_folder_nothing_is_found() {
    let gateway = Gateway::start();
    let path = "/files/ann/2f1e2a54-8c0f-4a52-9c0d-5b0c1c3a7d11.pdf";
    get(&gateway, path, "ann", &[]).assert_refused(404, "not_found");
}

#[test]
fn a_disk_that_fails_is_an_error_without_its_name() {
    let (gateway, store, folder) = started();
    let path = keep(&store, "ann", FileKind::Pdf, b"x");
    std::fs::rename(folder.path().join("ann"), folder.path().join("away")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("away"), folder.path().join("ann")).unwrap();
    let reply = get(&gateway, &path, "ann", &[]);
    reply.assert_refused(500, "internal_error");
    assert!(!reply.text().contains("sg-files"));
}

#[test]
fn reading_is_on_record_and_denials_count_as_attempts() {
    let folder = Scratch::new("sg-files");
    let place = folder.path().display().to_string();
    let gateway = Gateway::builder()
        .set("SCOPEGATE__FILES__FOLDER", &place)
        .set("SCOPEGATE__QUOTA__ABUSE__PER_MINUTE", "1")
        .set("SCOPEGATE__QUOTA__ABUSE__BURST", "3")
        .start();
    let path = keep(&store(folder.path()), "ann", FileKind::Pdf, b"0123456789");
    get(&gateway, &path, "ann", &[("Range", "bytes=0-3")]);
    for _ in 0..3 {
        get(&gateway, &path, "bob", &[]).assert_refused(403, "admin_required");
    }
    get(&gateway, &path, "bob", &[]).assert_refused(429, "ABUSE_LIMIT_EXCEEDED");
    let rows = gateway.audit_rows("user_id=ann", 1);
    assert_eq!(rows[0]["method"], "files/read");
    assert_eq!(rows[0]["decision"], "allow");
    assert_eq!((&rows[0]["kind"], &rows[0]["status"]), (&"decision".into(), &"success".into()));
    assert_eq!(
        (&rows[0]["tool_name"], &rows[0]["endpoint_path"]),
        (&path.clone().into(), &path.clone().into())
    );
    assert_eq!((&rows[0]["http_status"], &rows[0]["result_bytes"]), (&206.into(), &4.into()));
    let rows = gateway.audit_rows("user_id=bob&status=denied", 3);
    assert_eq!(rows[0]["reason"], "admin_required");
}

#[test]
fn what_cannot_be_put_on_record_is_not_given() {
    let folder = Scratch::new("sg-files");
    let place = folder.path().display().to_string();
    // No room for any event at all.
    let gateway = Gateway::builder()
        .set("SCOPEGATE__FILES__FOLDER", &place)
        .set("SCOPEGATE__AUDIT__MAX_BACKLOG_BYTES", "4096")
        .set("SCOPEGATE__AUDIT__SEGMENT_BYTES", "4096")
        .set("SCOPEGATE__AUDIT__SHIP_INTERVAL_MS", "60000")
        .start();
    let path = keep(&store(folder.path()), "ann", FileKind::Pdf, b"bytes");
    let mut statuses = Vec::new();
    for _ in 0..200 {
        let reply = get(&gateway, &path, "ann", &[]);
        statuses.push(reply.status);
        if reply.status == 503 {
            reply.assert_refused(503, "audit_unavailable");
            return;
        }
        assert_eq!(reply.text(), "bytes");
    }
    panic!("every answer was on record: {statuses:?}");
}
