//! Keys: made, configured, replaced; and what the journal does with time.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::audit::keys::KnownKey;
use crate::audit::signer::{NotAKey, Signer};
use crate::secret::Secret;
use crate::settings::Durability;

const CONFIGURED: &str = include_str!("../../../tests/fixtures/keys/ed25519_private.pem");

fn configured() -> AuditSettings {
    AuditSettings { signing_key: Some(Secret::new(CONFIGURED)), ..settings() }
}

fn signer(settings: &AuditSettings, folder: &Scratch) -> Result<Signer, KeyError> {
    Signer::open(settings, folder.path(), Clock::system().now())
}

fn ring(folder: &Scratch) -> KeyRing {
    public_keys(&settings(), folder.path(), Clock::system().now()).unwrap()
}

#[test]
fn a_key_is_made_once_and_for_its_owner_only() {
    let folder = Scratch::new("sg-keys");
    let first = signer(&settings(), &folder).unwrap();
    let again = signer(&settings(), &folder).unwrap();
    assert_eq!(first.key_id(), again.key_id());
    assert_eq!(ring(&folder).keys().len(), 1);
    let file = folder.path().join("audit_signing_key.pem");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----"));
    let inside = text.lines().nth(1).unwrap();
    assert!(
        !format!("{first:?}").contains(inside) && format!("{first:?}").contains(first.key_id())
    );
    // One that others could have read signs nothing.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let refused = signer(&settings(), &folder).unwrap_err();
    assert!(matches!(refused, KeyError::File { why: NotAKey::Open, .. }), "{refused}");
    // Nor does one that is damaged, and none is made in its place.
    std::fs::write(&file, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        .unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let refused = signer(&settings(), &folder).unwrap_err();
    assert!(matches!(refused, KeyError::File { why: NotAKey::Form, .. }), "{refused}");
}

#[test]
fn gateways_that_start_at_once_agree_on_a_key() {
    let folder = Scratch::new("sg-keys");
    let ids: Vec<String> = std::thread::scope(|scope| {
        let start = || signer(&settings(), &folder).unwrap().key_id().to_owned();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(ring(&folder).keys().len(), 1);
}

#[test]
fn a_new_key_has_the_word_of_the_one_before() {
    let folder = Scratch::new("sg-keys");
    let first = signer(&settings(), &folder).unwrap();
    let second = rotate(&settings(), folder.path(), Clock::system().now()).unwrap();
    let signing = signer(&settings(), &folder).unwrap();
    assert_eq!(signing.key_id(), second);
    assert_eq!(signing.endorsement().unwrap().endorsed_by, first.key_id());
    assert!(first.endorsement().is_none());
    // So has one that the settings bring.
    let third = signer(&configured(), &folder).unwrap();
    assert_eq!(third.endorsement().unwrap().endorsed_by, second);
    assert_eq!(ring(&folder).keys().len(), 3);
    let refused = rotate(&configured(), folder.path(), Clock::system().now()).unwrap_err();
    assert!(matches!(refused, KeyError::Configured));
    check_key(&configured()).unwrap();
    let nonsense = AuditSettings { signing_key: Some(Secret::new(text_of_rsa())), ..settings() };
    let refused = check_key(&nonsense).unwrap_err();
    assert!(matches!(refused, KeyError::Setting(NotAKey::Form)), "{refused}");
}

#[test]
fn a_private_key_that_is_gone_is_not_replaced_in_silence() {
    let folder = Scratch::new("sg-keys");
    signer(&settings(), &folder).unwrap();
    std::fs::remove_file(folder.path().join("audit_signing_key.pem")).unwrap();
    let refused = signer(&settings(), &folder).unwrap_err();
    assert!(matches!(refused, KeyError::Gone { .. }), "{refused}");
    assert!(refused.to_string().contains("audit keys rotate"), "{refused}");
    // With a key of one's own, or when somebody asks for a new one, it goes on.
    signer(&configured(), &folder).unwrap();
    let second = rotate(&settings(), folder.path(), Clock::system().now()).unwrap();
    assert_eq!(signer(&settings(), &folder).unwrap().key_id(), second);
}

fn text_of_rsa() -> &'static str {
    include_str!("../../../tests/fixtures/keys/rsa_private.pem")
}

#[test]
fn a_file_of_keys_is_read_in_both_forms_and_not_when_damaged() {
    let folder = Scratch::new("sg-keys");
    signer(&settings(), &folder).unwrap();
    rotate(&settings(), folder.path(), Clock::system().now()).unwrap();
    let ring = ring(&folder);
    assert_eq!(KeyRing::parse(&ring.to_text()).unwrap(), ring);
    let pem: String = ring.keys().iter().map(KnownKey::pem).collect();
    let read = KeyRing::parse(&pem).unwrap();
    let shown =
        |ring: &KeyRing| ring.keys().iter().map(|key| key.pem().to_owned()).collect::<Vec<_>>();
    assert_eq!(shown(&read), shown(&ring));
    // OpenSSL's own form of the public half.
    let openssl = include_str!("../../../tests/fixtures/keys/ed25519_public.pem");
    assert_eq!(KeyRing::parse(openssl).unwrap().keys().len(), 1);
    let text = ring.to_text();
    let at = text.find("\"public_key\": \"").unwrap() + 15;
    let digit = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
    let damaged = format!("{}{digit}{}", &text[..at], &text[at + 1..]);
    // The PEM beside it is what other programs are given.
    let other = KeyRing::parse(openssl).unwrap().keys()[0].pem().replace('\n', "\\n");
    let swapped = text.replacen(&ring.keys()[0].pem().replace('\n', "\\n"), &other, 1);
    assert_ne!(swapped, text);
    for damaged in [
        &*damaged,
        &*swapped,
        "",
        "{}",
        "[]",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ] {
        KeyRing::parse(damaged).unwrap_err();
    }
}

#[tokio::test]
async fn a_checkpoint_is_signed_in_time_and_an_old_segment_is_closed() {
    let db = TestDb::sqlite();
    let store = db.store().await;
    let start = chrono::DateTime::from_timestamp(1_763_700_000, 0).unwrap();
    let (clock, hand) = Clock::manual(start);
    let timed = AuditSettings { checkpoint_seconds: 10, segment_seconds: 60, ..unhurried() };
    let auditor = Auditor::open(&timed, db.scratch.path(), &store, clock).unwrap();
    call(&auditor, "r").await.unwrap();
    auditor.journal.keep();
    assert_eq!(auditor.journal.last_seq(), 4);
    hand.advance(Duration::from_secs(11));
    auditor.journal.keep();
    auditor.journal.keep();
    assert_eq!(auditor.journal.last_seq(), 5);
    let last = |auditor: &Auditor| {
        let segments = auditor.journal.segments();
        let line = segments.last().unwrap().last_line().unwrap().unwrap();
        serde_json::from_slice::<Value>(&line).unwrap()
    };
    auditor.journal.sync().unwrap();
    assert_eq!(
        (&last(&auditor)["kind"], &last(&auditor)["ended"]),
        (&"checkpoint".into(), &false.into())
    );
    // A quiet chain needs no more of them, and no new segment.
    hand.advance(Duration::from_secs(100));
    auditor.journal.keep();
    assert_eq!((auditor.journal.last_seq(), auditor.journal.segments().len()), (5, 1));
    call(&auditor, "r").await.unwrap();
    assert_eq!(auditor.journal.segments().len(), 2);
    call(&auditor, "r").await.unwrap();
    assert_eq!(auditor.journal.segments().len(), 2);
}

/// Has the disk take its time until it is let go. Whether it was, in time, is said
/// then: these tests have one thread, as a worker does, and whoever waits for the
/// disk there holds up who would let it go.
fn slow_disk(auditor: &Auditor) -> (std::sync::mpsc::Sender<()>, std::thread::JoinHandle<bool>) {
    let (held, holding) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let journal = Arc::clone(&auditor.journal);
    let slow = std::thread::spawn(move || {
        let disk = journal.hold();
        held.send(()).unwrap();
        let let_go = released.recv_timeout(Duration::from_secs(5)).is_ok();
        drop(disk);
        let_go
    });
    holding.recv().unwrap();
    (release, slow)
}

#[tokio::test]
async fn who_waits_for_the_disk_holds_up_nobody_else() {
    let db = TestDb::sqlite();
    let store = db.store().await;
    let durable = AuditSettings { durability: Durability::Disk, ..unhurried() };
    let auditor = open(&durable, &db.scratch, &store);
    let (release, slow) = slow_disk(&auditor);
    let waiting = call(&auditor, "slow");
    let other = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        release.send(()).unwrap();
    };
    let (made, ()) = tokio::join!(waiting, other);
    made.unwrap();
    assert!(slow.join().unwrap());
    // Nor does one that goes away unsealed.
    drop(entry(&auditor, "left"));
    flushed(&auditor).await;
    assert_dense(&store, auditor.journal.chain_id(), 3).await;
}

/// Nor do the counts of floods, nor what is done when the gateway leaves.
#[tokio::test]
async fn counts_of_floods_wait_for_the_disk_and_hold_up_nobody() {
    let db = TestDb::sqlite();
    let store = db.store().await;
    let durable =
        AuditSettings { durability: Durability::Disk, refusals_per_minute: 1, ..unhurried() };
    let auditor = open(&durable, &db.scratch, &store);
    let refuse = async || {
        let why = Refusal::new(Reason::InvalidToken, "no");
        auditor.begin(opening("r")).seal(&Outcome::refused(&why, 401)).await.unwrap();
    };
    refuse().await;
    for round in 1..=2 {
        let (release, slow) = slow_disk(&auditor);
        // Nothing is written for these.
        refuse().await;
        let other = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            release.send(()).unwrap();
        };
        let done = async {
            if round == 1 { auditor.flush(PATIENCE).await } else { auditor.finish(PATIENCE).await }
        };
        let (done, ()) = tokio::join!(done, other);
        assert!(done && slow.join().unwrap(), "round {round}");
    }
    assert_eq!(store.column::<i64>("SELECT folded_count FROM audit_folded").await, [1, 1]);
    assert_whole(&db, &store).await;
}

#[tokio::test]
async fn the_disk_has_what_is_told_to_be_durable() {
    let db = TestDb::sqlite();
    let store = db.store().await;
    let durable =
        AuditSettings { durability: Durability::Disk, segment_bytes: 2000, ..unhurried() };
    let auditor = open(&durable, &db.scratch, &store);
    for _ in 0..5 {
        call(&auditor, "r").await.unwrap();
        let synced: u64 = auditor.journal.segments().iter().map(|segment| segment.len).sum();
        let written = segments(db.scratch.path());
        let written: u64 = written.iter().map(|path| path.metadata().unwrap().len()).sum();
        assert_eq!(synced, written);
    }
    // A disk that does not take it refuses the call.
    let file = segments(db.scratch.path()).pop().unwrap();
    let read_only = std::fs::File::open(&file).unwrap();
    auditor.journal.replace_file(read_only);
    assert_eq!(call(&auditor, "no").await.unwrap_err().reason, Reason::AuditUnavailable);
    let again = std::fs::OpenOptions::new().read(true).append(true).open(&file).unwrap();
    auditor.journal.replace_file(again);
    call(&auditor, "yes").await.unwrap();
    flushed(&auditor).await;
    // That the refused call was given up may be on record, if the disk was back
    // by then.
    let refused = "SELECT count(*) FROM audit_events WHERE request_id = 'no'";
    let refused = store.number(refused).await;
    assert!(refused <= 1, "{refused}");
    assert_dense(&store, auditor.journal.chain_id(), 12 + refused).await;
}
