//! Revisions: the few ways to name a commit.
//!
//! ```text
//! revision = base *( "~" [number] / "^" [number] )
//! base     = "HEAD" / "@" / 4 to 40 hexadecimal digits / name of a reference
//! ```
//!
//! Of git's own language nothing else is read: no reflogs, dates, searches,
//! ranges or paths, so that a revision can only walk from a reference or an id
//! to a commit behind it.

use super::Fault;

/// Longest revision, in bytes.
pub(crate) const LONGEST: usize = 255;
/// Most generations all steps go back together.
const FARTHEST: u32 = 100_000;

/// A revision that is well-formed; what it names may not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revision<'a> {
    pub(crate) base: Base<'a>,
    pub(crate) steps: Vec<Step>,
}

/// Where a revision begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base<'a> {
    /// What is checked out, or the default branch of a bare repository.
    Head,
    /// 40 hexadecimal digits: an id and nothing else.
    Id(&'a str),
    /// 4 to 39 hexadecimal digits: a reference of that name, else the only
    /// object whose id begins so.
    NameOrPrefix(&'a str),
    /// The name of a reference, whole or short.
    Name(&'a str),
}

/// How a revision goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `~n`: n times to the first parent.
    Back(u32),
    /// `^n`: to the n-th parent; `^0` is the commit itself.
    Parent(u32),
}

impl<'a> Revision<'a> {
    /// Reads a revision.
    ///
    /// # Errors
    /// [`Fault`] for everything outside of the grammar above.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Fault> {
        if text.len() > LONGEST {
            return Err(Fault("ref is longer than 255 bytes"));
        }
        let end = text.find(['~', '^']).unwrap_or(text.len());
        let (base, suffix) = text.split_at(end);
        Ok(Self { base: read_base(base)?, steps: read_steps(suffix)? })
    }
}

fn read_base(text: &str) -> Result<Base<'_>, Fault> {
    if matches!(text, "HEAD" | "@") {
        return Ok(Base::Head);
    }
    let hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hexadecimal && text.len() == 40 {
        return Ok(Base::Id(text));
    }
    check_name(text)?;
    if hexadecimal && (4..40).contains(&text.len()) {
        return Ok(Base::NameOrPrefix(text));
    }
    Ok(Base::Name(text))
}

fn read_steps(text: &str) -> Result<Vec<Step>, Fault> {
    let mut steps = Vec::new();
    let mut rest = text;
    let mut farthest = 0_u32;
    while let Some(sign) = rest.chars().next() {
        rest = &rest[sign.len_utf8()..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = match &rest[..digits] {
            "" => 1,
            number => number.parse().map_err(|_| Fault("ref goes back too far"))?,
        };
        rest = &rest[digits..];
        let step = match sign {
            '~' => Step::Back(number),
            '^' if !rest.starts_with('{') => Step::Parent(number),
            _ => return Err(Fault("ref may only go on with ~ or ^ and a number")),
        };
        farthest = farthest.saturating_add(if sign == '~' { number } else { 1 });
        if farthest > FARTHEST {
            return Err(Fault("ref goes back too far"));
        }
        steps.push(step);
    }
    Ok(steps)
}

/// Git's rules for names of references (`git check-ref-format`), and that a
/// name does not begin like an option.
///
/// # Errors
/// [`Fault`] with the rule that does not hold.
pub(crate) fn check_name(name: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return Err(Fault("ref must not be empty"));
    }
    if name.starts_with('-') {
        return Err(Fault("ref must not begin with a hyphen"));
    }
    let forbidden = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    if name.contains(forbidden) {
        return Err(Fault("ref has a character that names of references never have"));
    }
    if name.contains("..") || name.contains("@{") || name.ends_with('.') || name == "@" {
        return Err(Fault("ref must not contain .. or @{ nor end with a dot"));
    }
    let well_formed = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && !part.to_ascii_lowercase().ends_with(".lock")
    };
    if !name.split('/').all(well_formed) {
        return Err(Fault("no part of a ref may be empty, begin with a dot or end with .lock"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_commit_is_read() {
        let parse = |text| Revision::parse(text).unwrap();
        assert_eq!(parse("HEAD").base, Base::Head);
        assert_eq!(parse("@~3").steps, [Step::Back(3)]);
        assert_eq!(parse("main^^2~").steps, [Step::Parent(1), Step::Parent(2), Step::Back(1)]);
        assert_eq!(parse("v1.0").base, Base::Name("v1.0"));
        assert_eq!(parse("refs/heads/größe").base, Base::Name("refs/heads/größe"));
        assert_eq!(parse("abc").base, Base::Name("abc"));
        assert_eq!(parse("abcd").base, Base::NameOrPrefix("abcd"));
        let id = "0123456789abcdef0123456789ABCDEF01234567";
        assert_eq!(parse(id).base, Base::Id(id));
        assert_eq!(parse("a@b").base, Base::Name("a@b"));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "-",
            "--all",
            "-n1",
            "a..b",
            "a...b",
            "..",
            "../x",
            "/x",
            "x/",
            "a//b",
            "HEAD:file",
            ":/fix",
            ":0:x",
            "main@{1}",
            "@{-1}",
            "@{u}",
            "HEAD^{tree}",
            "HEAD^{/x}",
            "v1^{}",
            "a b",
            "a\tb",
            "a\0",
            "a*",
            "a?",
            "[a",
            "a\\b",
            ".a",
            "a/.b",
            "a.lock",
            "a.LOCK/b",
            "a.",
            "^a",
            "~1",
            "HEAD~100001",
            "HEAD~99999999999",
            "HEAD~1x",
            "HEAD~1ѣ",
            "HEAD^ѣ",
            "HEAD^-1",
        ] {
            assert!(Revision::parse(text).is_err(), "{text:?}");
        }
        assert!(Revision::parse(&"a".repeat(256)).is_err());
        assert!(Revision::parse(&format!("a{}", "~50001".repeat(2))).is_err());
    }
}
