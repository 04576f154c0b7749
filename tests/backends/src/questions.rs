//! Tools and prompts that ask the client before they answer: with requests of
//! the server in a session, and with results that require input in 2026-07-28.

use std::collections::BTreeMap;

use rmcp::model::{
    ClientCapabilities, ErrorData, InputRequest, InputRequiredResult, InputResponses, JsonObject,
    RequestStateCodec, ServerRequest,
};
use rmcp::service::{RequestContext, RoleServer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalogue::{CATALOGUE, Round, filled, typed};
use crate::everything::is_modern;

/// Signs the state. Nobody is kept from reading it: tests want to see whether
/// it arrives as it was sent.
const KEY: &[u8] = b"the key of a server that is only there for tests";

/// How far a client has come with the questions of a tool.
#[derive(Debug, Deserialize, Serialize)]
struct Progress {
    name: String,
    round: usize,
    answers: Answers,
}

/// Answers by the keys of the questions.
pub(crate) type Answers = BTreeMap<String, Value>;

/// What comes of asking.
pub(crate) enum Outcome {
    /// Everything is answered.
    Answered(Answers),
    /// The client is to ask on.
    Ask(InputRequiredResult),
}

/// What a request brings along when it is made again.
pub(crate) struct Retry {
    pub(crate) responses: Option<InputResponses>,
    pub(crate) state: Option<String>,
}

/// Asks what `name` asks, if anything.
pub(crate) async fn ask(
    name: &str,
    arguments: &JsonObject,
    retry: Retry,
    context: &RequestContext<RoleServer>,
) -> Result<Outcome, ErrorData> {
    let Some(rounds) = CATALOGUE.questions.get(name) else {
        return Ok(Outcome::Answered(Answers::new()));
    };
    let capabilities = context.client_capabilities().unwrap_or_default();
    let mut asked = Vec::new();
    for round in rounds {
        let questions = round.iter().map(|(key, value)| (key.clone(), filled(value, arguments)));
        let questions: Round =
            questions.filter(|(_, question)| is_declared(question, &capabilities)).collect();
        if questions.is_empty() {
            let needed = round.values().map(need).next().unwrap_or_default();
            return Err(ErrorData::missing_required_client_capability(needed));
        }
        asked.push(questions);
    }
    if is_modern(context) {
        by_result(name, &asked, retry)
    } else {
        by_requests(&asked, context).await.map(Outcome::Answered)
    }
}

/// One round trip of the client for each round of questions.
fn by_result(name: &str, rounds: &[Round], retry: Retry) -> Result<Outcome, ErrorData> {
    let codec = RequestStateCodec::try_new(KEY).expect("a key that is long enough");
    let has_state = CATALOGUE.with_state.iter().any(|known| known == name);
    let mut progress = Progress { name: name.to_owned(), round: 0, answers: Answers::new() };
    if let Some(state) = retry.state {
        let opened = codec.open_json::<Progress>(&state).ok().filter(|state| state.name == name);
        progress = opened.ok_or_else(|| {
            ErrorData::invalid_params("requestState is not what this server gave out", None)
        })?;
    }
    let mut responses = retry.responses.unwrap_or_default();
    while let Some(round) = rounds.get(progress.round) {
        let mut open = Round::new();
        for (key, question) in round {
            match responses.remove(key).filter(|answer| answers(question, answer)) {
                Some(answer) => drop(progress.answers.insert(key.clone(), answer)),
                None if progress.answers.contains_key(key) => {}
                None => drop(open.insert(key.clone(), question.clone())),
            }
        }
        if open.is_empty() {
            progress.round += 1;
            continue;
        }
        let requests = open.into_iter().map(|(key, value)| (key, typed(value))).collect();
        let state = has_state.then(|| codec.seal_json(&progress)).transpose();
        let state = state.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        return Ok(Outcome::Ask(InputRequiredResult::new(Some(requests), state)));
    }
    Ok(Outcome::Answered(progress.answers))
}

/// One request of this server for each question.
async fn by_requests(
    rounds: &[Round],
    context: &RequestContext<RoleServer>,
) -> Result<Answers, ErrorData> {
    let mut given = Answers::new();
    for (key, question) in rounds.iter().flatten() {
        let request = match typed(question.clone()) {
            InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
            InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
            InputRequest::ListRoots(request) => ServerRequest::ListRootsRequest(request),
            _ => return Err(ErrorData::internal_error("no such question", None)),
        };
        let answer = context.peer.send_request(request).await;
        let answer = answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        let answer = serde_json::to_value(answer);
        let answer = answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        given.insert(key.clone(), answer);
    }
    Ok(given)
}

/// What a client must be able to do to be asked this.
fn need(question: &Value) -> ClientCapabilities {
    let name = match question["method"].as_str() {
        Some("sampling/createMessage") => "sampling",
        Some("roots/list") => "roots",
        _ => "elicitation",
    };
    typed(serde_json::json!({ name: {} }))
}

fn is_declared(question: &Value, declared: &ClientCapabilities) -> bool {
    let needed = need(question);
    (needed.sampling.is_none() || declared.sampling.is_some())
        && (needed.roots.is_none() || declared.roots.is_some())
        && (needed.elicitation.is_none() || declared.elicitation.is_some())
}

/// Whether this is an answer to that question at all.
fn answers(question: &Value, answer: &Value) -> bool {
    match question["method"].as_str() {
        Some("sampling/createMessage") => answer["role"].is_string(),
        Some("roots/list") => answer["roots"].is_array(),
        _ if answer["action"] == "accept" => {
            let required = question["params"]["requestedSchema"]["required"].as_array();
            let mut required = required.into_iter().flatten().filter_map(Value::as_str);
            required.all(|name| !answer["content"][name].is_null())
        }
        _ => answer["action"].is_string(),
    }
}
