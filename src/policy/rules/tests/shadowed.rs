//! Rules that never decide.

use super::*;

fn found_shadowed(rules: &str, respelled: bool) -> Vec<String> {
    let active = Active::read(&format!("rules: [{rules}]"), Beside::default()).unwrap();
    let found = active.rules.actions.as_ref().unwrap().shadowed(respelled);
    let told = found.iter().map(|it| {
        let but = if it.but_odd { ", but for odd spellings" } else { "" };
        format!("{} by {}{but}", it.rule, it.earlier)
    });
    told.collect()
}

#[test]
fn rules_that_an_earlier_one_covers_are_found_fast() {
    let shadowed = |rules: &str| found_shadowed(rules, false);
    for (rules, expected) in [
        (
            "{ tool: '*', action: deny }, { tool: 'create_*', action: allow }",
            Some("rules[1] by rules[0]"),
        ),
        (
            "{ tool: 'a*', action: deny }, { tool: 'a*', action: allow }",
            Some("rules[1] by rules[0]"),
        ),
        ("{ tool: 'a*', action: deny }, { tool: ab, action: allow }", Some("rules[1] by rules[0]")),
        (
            "{ resource: '*', action: deny }, { resource: 'x:a', action: allow }",
            Some("rules[1] by rules[0]"),
        ),
        (
            "{ tool: '*', server: s, action: deny }, { tool: a, server: s, action: allow }",
            Some("rules[1] by rules[0]"),
        ),
        ("{ tool: '*', server: s, action: deny }, { tool: a, server: t, action: allow }", None),
        ("{ tool: '*', server: s, action: deny }, { tool: 'a*', action: allow }", None),
        ("{ tool: 'a*', when: { a: 1 }, action: deny }, { tool: 'a*', action: allow }", None),
        ("{ tool: 'ab*', action: deny }, { tool: 'a*', action: allow }", None),
        ("{ tool: 'a*', action: allow }, { tool: '*', action: deny }", None),
    ] {
        let found = shadowed(rules);
        assert_eq!(found.first().map(String::as_str), expected, "{rules}: {found:?}");
    }
    // Quadratic, they would take minutes.
    let many = "{ tool: t, when: { a: 1 }, action: deny },".repeat(50_000);
    assert_eq!(shadowed(&many), Vec::<String>::new());
    let many = "{ resource: 'r:a/*', action: deny },".repeat(20_000);
    assert_eq!(shadowed(&many).len(), 19_999);
    let many = (0..20_000).fold(String::new(), |mut text, at| {
        let _ = write!(text, "{{ resource: 'r:a/{at}/*', action: deny }},");
        text
    });
    assert_eq!(shadowed(&many), Vec::<String>::new());
}

#[test]
fn resources_that_an_earlier_beginning_covers_are_found() {
    for (one, other, expected) in [
        ("'r:a/*', action: deny", "'r:a/b', action: allow", Some("")),
        ("'r:a/*', action: deny", "'r:a/b/*', action: allow", Some("")),
        ("'r:a/*', action: deny", "'r:a/*', action: deny", Some("")),
        ("'r:a', action: deny", "'r:a', action: allow", Some("")),
        ("'R:%61/*', action: allow", "'r:a/b', action: allow", Some("")),
        ("'file:///tmp/*', action: deny", "'file:///tmp//x', action: allow", Some("")),
        // What denies in either reading is more than what allows in both.
        ("'r:a/*', action: allow", "'r:a/b', action: deny", Some(", but for odd spellings")),
        ("'r:a/*', action: allow", "'r:a/b*', action: approval", Some(", but for odd spellings")),
        ("'*', action: allow", "'r:a/b', action: deny", Some("")),
        // What denies one URI denies it with anything behind it, too.
        ("'r:a', action: allow", "'r:a', action: deny", None),
        ("'r:a*', action: allow", "'r:a', action: deny", Some(", but for odd spellings")),
        ("'r:a/*', server: s, action: deny", "'r:a/b', server: s, action: allow", Some("")),
        ("'r:a/*', action: deny", "'r:a/b', server: s, action: allow", Some("")),
        ("'r:a/*', server: s, action: deny", "'r:a/b', action: allow", None),
        ("'r:a/*', when: { a: 1 }, action: deny", "'r:a/b', action: allow", None),
        ("'r:a/b*', action: deny", "'r:a/*', action: allow", None),
        ("'r:a/*', action: deny", "'r:b/a', action: allow", None),
        ("'r:a', action: deny", "'r:a/b', action: allow", None),
        ("'r:a', action: deny", "'r:a*', action: allow", None),
    ] {
        let rules = format!(
            "{{ resource: {one} }}, {{ resource: 'r:c*', action: deny }}, {{ resource: {other} }}"
        );
        let expected: Vec<String> =
            expected.iter().map(|but| format!("rules[2] by rules[0]{but}")).collect();
        let mut found = found_shadowed(&rules, false);
        found.retain(|it| it.starts_with("rules[2]"));
        assert_eq!(found, expected, "{rules}");
    }
    // Of several, the first that leaves nothing.
    for second in ["'r:a/*', action: deny", "'*', action: deny"] {
        let rules = format!(
            "{{ resource: 'r:a/*', action: allow }}, {{ resource: {second} }}, \
             {{ resource: 'r:a/b', action: deny }}"
        );
        assert!(
            found_shadowed(&rules, false).contains(&"rules[2] by rules[1]".to_owned()),
            "{rules}"
        );
    }
}

/// Where tools have other names at their backends, a rule may decide by those what
/// an earlier one leaves.
#[test]
fn a_rule_that_still_decides_by_the_backends_name_is_not_shadowed() {
    for (rules, expected) in [
        ("{ tool: 'dr*', action: allow }, { tool: drop, action: deny }", false),
        ("{ tool: drop, action: allow }, { tool: drop, action: deny }", false),
        ("{ tool: 'dr*', action: allow }, { tool: drop, server: s, action: allow }", false),
        ("{ tool: drop, action: redact, redact_fields: [a] }, { tool: drop, action: deny }", false),
        ("{ tool: 'dr*', action: allow }, { tool: drop, action: allow }", true),
        ("{ tool: 'dr*', action: deny }, { tool: drop, action: approval }", true),
        ("{ tool: '*', action: allow }, { tool: drop, action: deny }", true),
        ("{ tool: 's__*', action: allow }, { tool: s__drop, action: deny }", true),
        ("{ tool: drop, server: s, action: allow }, { tool: drop, server: s, action: deny }", true),
    ] {
        let found = found_shadowed(rules, true);
        assert_eq!(found, if expected { vec!["rules[1] by rules[0]"] } else { vec![] }, "{rules}");
        assert_eq!(found_shadowed(rules, false).len(), 1, "{rules}");
    }
}
