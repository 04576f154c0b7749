use super::*;
use crate::translate::{raw, text};

const ROUND: &str = r#"{"resultType":"input_required","inputRequests":{
    "login":{"method":"elicitation/create","params":{"message":"m","n":9223372036854775808}},
    "pay":{"method":"elicitation/create","params":{"mode":"url","url":"https://x","message":"p"}},
    "capital":{"method":"sampling/createMessage","params":{"messages":[]}},
    "folders":{"method":"roots/list"}},
    "requestState":"\u0061 \"opaque\""}"#;

#[test]
fn types_of_results() {
    for (result, expected) in [
        ("{}", ResultType::Complete),
        (r#"{"resultType":"complete"}"#, ResultType::Complete),
        (ROUND, ResultType::InputRequired),
        (r#"{"resultType":"task"}"#, ResultType::Other("task".into())),
    ] {
        assert_eq!(result_type(raw(result)).unwrap(), expected);
    }
    assert!(result_type(raw(r#"{"resultType":7}"#)).is_err());
    assert!(result_type(raw(r#"{"resultType":"complete","resultType":"task"}"#)).is_err());
}

#[test]
fn a_round_is_read() {
    let round = Round::read(raw(ROUND)).unwrap();
    let found: Vec<_> =
        round.questions.iter().map(|question| (&*question.key, question.kind)).collect();
    assert_eq!(
        found,
        [
            ("login", Some(Kind::Form)),
            ("pay", Some(Kind::Url)),
            ("capital", Some(Kind::Sampling)),
            ("folders", Some(Kind::Roots)),
        ]
    );
    assert_eq!(round.state.unwrap().get(), r#""\u0061 \"opaque\"""#);
    assert!(Round::read(raw(r#"{"requestState":"s"}"#)).unwrap().questions.is_empty());
    for broken in [
        "{}",
        r#"{"inputRequests":[]}"#,
        r#"{"inputRequests":{"a":{}}}"#,
        r#"{"inputRequests":{"a":{"method":"roots/list"},"a":{"method":"roots/list"}}}"#,
    ] {
        assert!(Round::read(raw(broken)).is_err(), "{broken}");
    }
}

#[test]
fn only_what_was_declared_is_asked() {
    let round = Round::read(raw(ROUND)).unwrap();
    for (capabilities, first) in [
        ("{}", Some("login")),
        (r#"{"elicitation":{}}"#, Some("pay")),
        (r#"{"elicitation":{"url":{}}}"#, Some("login")),
        (r#"{"elicitation":{"form":{},"url":{}}}"#, Some("capital")),
        (r#"{"elicitation":{"form":{},"url":{}},"sampling":{"tools":{}}}"#, Some("folders")),
        (
            r#"{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{"listChanged":true}}"#,
            None,
        ),
        (r#"{"elicitation":true,"sampling":null}"#, Some("login")),
    ] {
        let declared = Declared::read(raw(capabilities)).unwrap();
        let found = round.undeclared(declared).map(|question| &*question.key);
        assert_eq!(found, first, "{capabilities}");
    }
    let unknown = Round::read(raw(r#"{"inputRequests":{"a":{"method":"x/y"}}}"#)).unwrap();
    let all = Declared { form: true, url: true, sampling: true, roots: true };
    assert!(unknown.undeclared(all).is_some());
}

#[test]
fn questions_become_requests() {
    let round = Round::read(raw(ROUND)).unwrap();
    let asked = |index: usize, id: &str| text(round.questions[index].request(id));
    assert_eq!(
        asked(0, "1"),
        r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"m","n":9223372036854775808}}"#
    );
    assert_eq!(
        asked(1, "\"g1\""),
        r#"{"jsonrpc":"2.0","id":"g1","method":"elicitation/create","params":{"elicitationId":"g1","mode":"url","url":"https://x","message":"p"}}"#
    );
    assert!(asked(1, "7").contains(r#""elicitationId":"7""#));
    assert_eq!(asked(3, "1"), r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#);
}

#[test]
fn answers_are_told_as_they_came() {
    let accepted = raw(r#"{"action":"accept","content":{"n":1e-400}}"#);
    assert_eq!(answer(Kind::Form, Some(accepted), None), Ok(Some(accepted.get())));
    let refused = raw(r#"{"code":-1,"message":"no"}"#);
    let failed = raw(r#"{"code":-32603,"message":"broken"}"#);
    for (kind, error, expected) in [
        (Kind::Form, refused, Some(r#"{"action":"decline"}"#)),
        (Kind::Url, failed, Some(r#"{"action":"cancel"}"#)),
        (Kind::Sampling, refused, None),
        (Kind::Roots, failed, None),
    ] {
        assert_eq!(answer(kind, None, Some(error)), Ok(expected));
    }
}

#[test]
fn the_retry_carries_answers_and_the_state_byte_for_byte() {
    let round = Round::read(raw(ROUND)).unwrap();
    let message = r#"{"id":1,"params":{"name":"a","arguments":{"x":1e-400},"requestState":"old","inputResponses":{"o":1}}}"#;
    let again = |answers: &[(&str, &str)], state| {
        let edits = retry(Edits::new(message.as_bytes()), raw(message), answers, state);
        text(edits.unwrap().finish())
    };
    assert_eq!(
        again(&[("login", r#"{"action":"accept"}"#), ("a\"b", "{}")], round.state),
        r#"{"id":1,"params":{"name":"a","arguments":{"x":1e-400},"requestState":"\u0061 \"opaque\"","inputResponses":{"login":{"action":"accept"},"a\"b":{}}}}"#
    );
    assert_eq!(again(&[], None), r#"{"id":1,"params":{"name":"a","arguments":{"x":1e-400}}}"#);
    assert!(retry(Edits::new(b"{}"), raw("{}"), &[], None).is_err());
}
