//! What can go wrong with the database, in words that hold no secret.

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, SqlxError};

/// Longest text taken over from a database's own message, in bytes.
const MESSAGE_LIMIT: usize = 200;

/// A database that did not do what it was asked. Never shows the URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    /// `database.url` is not one of ours.
    #[error("database.url: {0}")]
    Settings(String),
    /// There is no connection, or it broke. Trying again may help.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The database did not answer in time. Whether it did what it was asked
    /// is not known.
    #[error("the database did not answer in time")]
    Timeout,
    /// Somebody else was quicker. Look again before trying again.
    #[error("the database holds something newer: {0}")]
    Conflict(String),
    /// The data itself is refused, or cannot be read. Trying again does not
    /// help.
    #[error("the database refuses the data: {0}")]
    Rejected(String),
    /// The schema is not the one this program knows, or rights are missing.
    #[error("the database is not as expected: {0}")]
    Inconsistent(String),
    /// Migrations wait, and may not be applied by themselves.
    #[error("migrations are pending: {}; run `scopegate migrate up`, or set database.auto_migrate", .0.join(", "))]
    PendingMigrations(Vec<String>),
}

impl From<DbErr> for StoreError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that may grow")]
    fn from(error: DbErr) -> Self {
        match &error {
            DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => {
                Self::Unavailable("no connection in time".to_owned())
            }
            DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => {
                Self::Unavailable("the connections are closed".to_owned())
            }
            // Its text repeats the URL.
            DbErr::Conn(RuntimeErr::Internal(_)) => Self::Settings("cannot be read".to_owned()),
            DbErr::Conn(RuntimeErr::SqlxError(error))
            | DbErr::Exec(RuntimeErr::SqlxError(error))
            | DbErr::Query(RuntimeErr::SqlxError(error)) => classify(error),
            // Whatever else there is names rows and columns, not connections.
            _ => Self::Inconsistent(short(&error.to_string())),
        }
    }
}

impl From<SqlxError> for StoreError {
    fn from(error: SqlxError) -> Self {
        classify(&error)
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that may grow")]
fn classify(error: &SqlxError) -> StoreError {
    match error {
        SqlxError::Database(error) => {
            let code = error.code().unwrap_or_default();
            let message = short(&format!("{} ({code})", error.message()));
            if error.is_unique_violation() {
                return StoreError::Conflict(message);
            }
            // SQLSTATE classes of PostgreSQL have five letters, the result
            // codes of SQLite are numbers whose low byte is the family.
            match code.as_bytes() {
                [b'0', b'8', ..]
                | [b'5', b'3' | b'7' | b'8', ..]
                | [b'4', b'0', _, _, _]
                | [b'2', b'5', _, _, _] => StoreError::Unavailable(message),
                [b'2', b'2' | b'3', _, _, _] => StoreError::Rejected(message),
                _ => match code.parse::<u32>().map(|code| code & 0xff) {
                    // BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL,
                    // CANTOPEN.
                    Ok(5..=10 | 13 | 14) => StoreError::Unavailable(message),
                    // TOOBIG, CONSTRAINT, MISMATCH.
                    Ok(18..=20) => StoreError::Rejected(message),
                    Ok(_) | Err(_) => StoreError::Inconsistent(message),
                },
            }
        }
        SqlxError::Io(error) => StoreError::Unavailable(error.kind().to_string()),
        SqlxError::Tls(_) => StoreError::Unavailable("the TLS handshake failed".to_owned()),
        SqlxError::PoolTimedOut => StoreError::Unavailable("no connection in time".to_owned()),
        SqlxError::PoolClosed | SqlxError::WorkerCrashed => {
            StoreError::Unavailable("the connections are closed".to_owned())
        }
        SqlxError::Protocol(_) => {
            StoreError::Unavailable("the connection broke in the middle of an answer".to_owned())
        }
        // Its text may repeat the URL.
        SqlxError::Configuration(_) => StoreError::Settings("cannot be read".to_owned()),
        // The others speak of rows, columns and types. The enum may grow.
        _ => StoreError::Inconsistent(short(&error.to_string())),
    }
}

fn short(text: &str) -> String {
    let end = text.floor_char_boundary(MESSAGE_LIMIT.min(text.len()));
    text[..end].to_owned()
}
