//! Database URLs as Python programs write them.
//!
//! The reference systems use `SQLAlchemy`, which puts the driver into the
//! scheme, counts slashes of SQLite paths differently, and calls the TLS mode
//! `ssl`. Left as it is, `ssl=require` would be dropped silently.

use url::Url;

/// The same database, spelled for this program.
pub(super) fn database_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    match scheme {
        "postgresql+asyncpg" => with_sslmode(&format!("postgres://{rest}")),
        "postgresql" | "postgres+asyncpg" | "postgresql+psycopg" | "postgresql+psycopg2" => {
            format!("postgres://{rest}")
        }
        // There `sqlite:///x` is relative and `sqlite:////x` absolute.
        "sqlite+aiosqlite" | "sqlite+pysqlite" => match rest.strip_prefix('/') {
            Some("") | None => "sqlite::memory:".to_owned(),
            Some(path) => format!("sqlite://{path}"),
        },
        _ => url.to_owned(),
    }
}

/// asyncpg's parameter `ssl` by its name in libpq and sqlx.
fn with_sslmode(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else { return url.to_owned() };
    let pairs: Vec<(String, String)> =
        parsed.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    if !pairs.iter().any(|(name, _)| name == "ssl") {
        return url.to_owned();
    }
    let renamed = pairs.iter().map(|(name, value)| match (name.as_str(), value.as_str()) {
        ("ssl", "true" | "True" | "1") => ("sslmode", "require"),
        ("ssl", "false" | "False" | "0") => ("sslmode", "disable"),
        ("ssl", mode) => ("sslmode", mode),
        (name, value) => (name, value),
    });
    parsed.query_pairs_mut().clear().extend_pairs(renamed);
    parsed.into()
}

#[cfg(test)]
mod tests {
    use super::database_url;

    #[test]
    fn python_spellings_are_understood() {
        for (given, wanted) in [
            ("postgresql+asyncpg://u:p@h:5432/d", "postgres://u:p@h:5432/d"),
            ("postgresql://u:p@h/d?sslmode=require", "postgres://u:p@h/d?sslmode=require"),
            ("postgres://u:p%40x@h/d", "postgres://u:p%40x@h/d"),
            (
                "postgresql+asyncpg://u:p%40x@h/d?ssl=require",
                "postgres://u:p%40x@h/d?sslmode=require",
            ),
            ("postgresql+asyncpg://h/d?ssl=true&a=b", "postgres://h/d?sslmode=require&a=b"),
            ("sqlite+aiosqlite:///./gateway.db", "sqlite://./gateway.db"),
            ("sqlite+aiosqlite:////var/gateway.db", "sqlite:///var/gateway.db"),
            ("sqlite+aiosqlite://", "sqlite::memory:"),
            ("sqlite://relative.db", "sqlite://relative.db"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(database_url(given), wanted);
        }
    }
}
