//! Whatever a policy file holds, reading it ends with rules or complaints, and
//! the rules decide without a panic and deny by default.

#![no_main]

use libfuzzer_sys::fuzz_target;
use scopegate_fuzz::policy;

const ROLES: &str = "roles: { r: { allowed_tools: ['*'] } }";

fuzz_target!(|text: &[u8]| {
    let Ok(text) = std::str::from_utf8(text) else { return };
    match text.strip_prefix("JSON") {
        Some(rules) => policy::read_and_ask(ROLES, Some(rules)),
        None => policy::read_and_ask(text, None),
    }
});
