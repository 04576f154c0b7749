//! Where the two orders of precedence differ.

use super::{Agents, List};
use crate::policy::model::RulePath;
use crate::registry::SubjectKind;

/// Each pair of rules for which `documented` allows and `deny_first` denies:
/// an explicit allow, and a wildcard deny that fits the same name (T-5).
pub(in crate::policy) fn differences(agents: &Agents) -> Vec<(RulePath, RulePath)> {
    let mut found = Vec::new();
    for agent in agents.by_id.values() {
        for kind in [SubjectKind::Tool, SubjectKind::Prompt] {
            let (allow, deny) = (agent.allow.rules.of_kind(kind), agent.deny.rules.of_kind(kind));
            for (server, allowed) in allow {
                for (other, denied) in deny {
                    let same = server == other || &**server == "*" || &**other == "*";
                    if same {
                        pairs(allowed, denied, &mut found);
                    }
                }
            }
        }
    }
    found.sort_unstable();
    found
}

fn pairs(allowed: &List, denied: &List, found: &mut Vec<(RulePath, RulePath)>) {
    for name in allowed.names.named() {
        if !denied.names.exactly(name).is_empty() {
            continue;
        }
        for rule in allowed.names.exactly(name) {
            for denial in denied.names.fitting(name).chain(denied.names.everything()) {
                found.push((rule.clone(), denial.clone()));
            }
        }
    }
}
