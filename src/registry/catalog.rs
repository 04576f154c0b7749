//! Lists of tools, put together from entries serialized at load.

use serde_json::value::RawValue;

use super::Tool;
use crate::protocol::revision::Era;

/// How long a client may keep a list, in milliseconds. Short, since a policy
/// reload must reach clients that only poll.
const TTL_MS: u32 = 60_000;

/// The result of `tools/list`: the entries of `tools`, in their order.
///
/// What a caller sees depends on its rights, so a modern list is `private`.
pub(crate) fn list<'t>(
    tools: impl Iterator<Item = &'t Tool>,
    era: Era,
    server_info: &RawValue,
) -> Vec<u8> {
    let mut json = Vec::with_capacity(1024);
    json.push(b'{');
    if era == Era::Modern {
        let head = format!(
            "\"resultType\":\"complete\",\"ttlMs\":{TTL_MS},\"cacheScope\":\"private\",\
             \"_meta\":{{\"io.modelcontextprotocol/serverInfo\":{}}},",
            server_info.get()
        );
        json.extend_from_slice(head.as_bytes());
    }
    json.extend_from_slice(b"\"tools\":[");
    for (index, tool) in tools.enumerate() {
        if index > 0 {
            json.push(b',');
        }
        json.extend_from_slice(tool.listing.get().as_bytes());
    }
    json.extend_from_slice(b"]}");
    json
}
