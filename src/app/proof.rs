//! What `scopegate audit verify` and `audit keys` do.

use std::io::{IsTerminal as _, Read as _, Write};
use std::path::Path;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use crate::audit::{self, EarlierReport, Extent, KeyRing, Verification, Verifier};
use crate::cli::{Exit, KeysAction, Proof, VerifyArguments};
use crate::clock::Clock;
use crate::settings::Settings;
use crate::store::Store;

/// Largest file of keys, in bytes.
const MOST_KEYS: u64 = 1 << 20;

/// Largest report of an earlier verification, in bytes.
const MOST_REPORT: u64 = 64 << 20;

/// Looks at the audit trail, or at its keys. Damage is [`Exit::Failed`].
///
/// # Errors
/// When trail, keys or settings cannot be read, which says nothing of the trail.
pub fn prove(settings: &Settings, command: &Proof, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match command {
        Proof::Verify(arguments) => {
            let report = verify(settings, arguments)?;
            let written =
                if arguments.json { report.write_json(out) } else { report.write_text(out) };
            written?;
            anyhow::ensure!(
                !report.is_empty(),
                "there is no event at all, which proves nothing: is it the right place?"
            );
            Ok(if report.is_good() { Exit::Done } else { Exit::Failed })
        }
        Proof::Keys { action, pem } => {
            let (clock, state) = (Clock::system(), &settings.server.state_dir);
            match action {
                Some(KeysAction::Rotate) => {
                    let id = audit::rotate(&settings.audit, state, clock.now())?;
                    writeln!(out, "new key {id}; gateways sign with it from their next start on")?;
                }
                None => {
                    let ring = audit::public_keys(&settings.audit, state, clock.now())?;
                    anyhow::ensure!(
                        !ring.keys().is_empty(),
                        "there is no key in {} yet; the gateway's first start makes one",
                        state.display()
                    );
                    if *pem {
                        ring.keys().iter().try_for_each(|key| write!(out, "{}", key.pem()))?;
                    } else {
                        write!(out, "{}", ring.to_text())?;
                    }
                }
            }
            Ok(Exit::Done)
        }
    }
}

fn verify(settings: &Settings, arguments: &VerifyArguments) -> anyhow::Result<Verification> {
    let ring = read_keys(&arguments.keys)
        .with_context(|| format!("the keys in {}", arguments.keys.display()))?;
    // Of a journal, the database has taken what is not there any more.
    let extent = match (&arguments.journal, arguments.part) {
        (Some(_), _) => Extent::Journal,
        (None, true) => Extent::Part,
        (None, false) => Extent::Whole,
    };
    let mut verifier = Verifier::new(&ring, extent);
    if let Some(path) = &arguments.since_report {
        let earlier = read_report(path);
        verifier.expect(earlier.with_context(|| format!("the report in {}", path.display()))?);
    }
    let bar = bar(arguments.json);
    let mut progress = |done: u64, total: u64| {
        bar.set_length(total.max(done));
        bar.set_position(done);
    };
    match (&arguments.journal, &arguments.file) {
        (Some(folder), _) => audit::read_journal(folder, &mut verifier, &mut progress)?,
        (None, Some(file)) => audit::read_file(file, &mut verifier, &mut progress)?,
        (None, None) => actix_web::rt::System::new().block_on(async {
            let store = Store::connect_to_read(&settings.database, Clock::system()).await?;
            let read = audit::read_database(&store, &mut verifier, &mut progress).await;
            anyhow::Ok(read?)
        })?,
    }
    bar.finish_and_clear();
    Ok(verifier.finish())
}

fn read_report(path: &Path) -> anyhow::Result<EarlierReport> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MOST_REPORT).read_to_string(&mut text)?;
    serde_json::from_str(&text).context("it is not what `scopegate audit verify --json` prints")
}

fn read_keys(path: &Path) -> anyhow::Result<KeyRing> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MOST_KEYS).read_to_string(&mut text)?;
    Ok(KeyRing::parse(&text)?)
}

/// On a terminal, how far it is.
fn bar(silent: bool) -> ProgressBar {
    if silent || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {percent}% {eta}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
