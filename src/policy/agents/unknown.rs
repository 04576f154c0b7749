//! Names and patterns of profiles that mean nothing where they stand.

use super::Agents;

/// What is odd about rules for tools: each with its path. `tools_of` says what a
/// server, or `*`, has, sorted, by the names it has for them; `None` where nobody
/// can say.
pub(in crate::policy) fn unknown<'t>(
    agents: &Agents,
    tools_of: impl Fn(&str) -> Option<&'t [String]>,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let sides = agents.by_id.values().flat_map(|agent| [&agent.allow, &agent.deny]);
    for (server, list) in sides.flat_map(|side| &side.rules.tools) {
        let Some(tools) = tools_of(server) else { continue };
        let whose = match &**server {
            super::EVERY_SERVER => "of any server".to_owned(),
            server => format!("of {server}"),
        };
        for name in list.names.named() {
            if tools.binary_search_by(|tool| (**tool).cmp(name)).is_err() {
                let odd = format!("`{name}` is no tool {whose} that the registry has");
                let rules = list.names.exactly(name).iter();
                found.extend(rules.map(|rule| (rule.to_string(), odd.clone())));
            }
        }
        for (rule, pattern) in list.names.idle(tools) {
            let odd = format!("`{pattern}` fits no tool {whose} that the registry has");
            found.push((rule.to_string(), odd));
        }
    }
    found.sort_unstable();
    found
}
