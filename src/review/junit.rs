//! Results as CI systems read them: `JUnit` XML.

use std::fmt::Write as _;

use super::cases::Ran;

/// Suites, one a file, as XML.
pub(super) fn written(suites: &[(String, Ran)]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for (file, ran) in suites {
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\">",
            escaped(file),
            ran.outcomes.len(),
            ran.failed()
        );
        for outcome in &ran.outcomes {
            let name = escaped(&outcome.name);
            let _ = match &outcome.failure {
                None => writeln!(text, "    <testcase classname=\"policy\" name=\"{name}\"/>"),
                Some(failure) => {
                    let first = escaped(failure.lines().next().unwrap_or_default());
                    let all = escaped(failure);
                    writeln!(
                        text,
                        "    <testcase classname=\"policy\" name=\"{name}\">\n      <failure \
                         message=\"{first}\">{all}</failure>\n    </testcase>"
                    )
                }
            };
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

/// Text for an attribute or an element; what XML 1.0 cannot hold is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}
