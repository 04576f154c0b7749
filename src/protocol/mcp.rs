//! The MCP methods that the gateway knows, and the words of their metadata.

use std::borrow::Cow;

pub use super::params::{Meta, Params, Reference};

/// `_meta` members the specification reserves (revision 2026-07-28).
pub mod meta {
    /// The revision the request speaks; its presence makes a request modern.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// The turn of an agent.
    pub const TURN_ID: &str = "turnId";
    /// The job of an agent.
    pub const JOB_ID: &str = "jobId";
    /// What the client can do; required on modern requests.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// Name and version of the client.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// Name and version of the server, on results.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// The least severe log message the client wants, on requests.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// The id of the `subscriptions/listen` request a notification answers.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// What the names of all members of the protocol's own begin with.
    pub const PREFIX: &str = "io.modelcontextprotocol/";
}

/// The extension for tasks (revision 2026-07-28), under `extensions` of
/// capabilities.
pub const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// A method of the protocol that the gateway knows by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `initialize`, legacy era only.
    Initialize,
    /// `ping`, legacy era only.
    Ping,
    /// `server/discover`, modern era only.
    Discover,
    /// `tools/list`.
    ToolsList,
    /// `tools/call`.
    ToolsCall,
    /// `prompts/list`.
    PromptsList,
    /// `prompts/get`.
    PromptsGet,
    /// `resources/list`.
    ResourcesList,
    /// `resources/templates/list`.
    TemplatesList,
    /// `resources/read`.
    ResourcesRead,
    /// `resources/subscribe`, legacy era only.
    ResourcesSubscribe,
    /// `resources/unsubscribe`, legacy era only.
    ResourcesUnsubscribe,
    /// `completion/complete`.
    Complete,
    /// `logging/setLevel`, legacy era only.
    SetLevel,
    /// `subscriptions/listen`, modern era only.
    Listen,
    /// `tasks/get`, modern era only.
    TasksGet,
    /// `tasks/update`, modern era only.
    TasksUpdate,
    /// `tasks/cancel`, modern era only.
    TasksCancel,
    /// Any `notifications/…`.
    Notification,
    /// Everything else.
    Other,
}

impl Method {
    /// The methods that have a name of their own.
    const NAMED: [Self; 18] = [
        Self::Initialize,
        Self::Ping,
        Self::Discover,
        Self::ToolsList,
        Self::ToolsCall,
        Self::PromptsList,
        Self::PromptsGet,
        Self::ResourcesList,
        Self::TemplatesList,
        Self::ResourcesRead,
        Self::ResourcesSubscribe,
        Self::ResourcesUnsubscribe,
        Self::Complete,
        Self::SetLevel,
        Self::Listen,
        Self::TasksGet,
        Self::TasksUpdate,
        Self::TasksCancel,
    ];

    /// Recognises a method name; names are case-sensitive.
    #[must_use]
    pub fn of(name: &str) -> Self {
        if name.starts_with("notifications/") {
            return Self::Notification;
        }
        let known = Self::NAMED.into_iter().find(|method| method.name() == Some(name));
        known.unwrap_or(Self::Other)
    }

    /// The method's name, where it is one alone.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Initialize => Some("initialize"),
            Self::Ping => Some("ping"),
            Self::Discover => Some("server/discover"),
            Self::ToolsList => Some("tools/list"),
            Self::ToolsCall => Some("tools/call"),
            Self::PromptsList => Some("prompts/list"),
            Self::PromptsGet => Some("prompts/get"),
            Self::ResourcesList => Some("resources/list"),
            Self::TemplatesList => Some("resources/templates/list"),
            Self::ResourcesRead => Some("resources/read"),
            Self::ResourcesSubscribe => Some("resources/subscribe"),
            Self::ResourcesUnsubscribe => Some("resources/unsubscribe"),
            Self::Complete => Some("completion/complete"),
            Self::SetLevel => Some("logging/setLevel"),
            Self::Listen => Some("subscriptions/listen"),
            Self::TasksGet => Some("tasks/get"),
            Self::TasksUpdate => Some("tasks/update"),
            Self::TasksCancel => Some("tasks/cancel"),
            Self::Notification | Self::Other => None,
        }
    }
}

/// Name and version of a client, as it calls itself.
#[derive(Debug, Default, serde::Deserialize)]
pub struct ClientInfo<'a> {
    /// Programmatic name.
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
    /// Version, in any scheme.
    #[serde(borrow, default)]
    pub version: Cow<'a, str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_known_by_their_exact_names() {
        for method in Method::NAMED {
            let name = method.name().unwrap();
            assert_eq!(Method::of(name), method);
            assert_eq!(Method::of(&name.to_uppercase()), Method::Other);
        }
        assert_eq!(Method::of("notifications/cancelled"), Method::Notification);
        for name in ["tasks/result", "tools", "tools/", "prompts/get ", ""] {
            assert_eq!(Method::of(name), Method::Other, "{name:?}");
        }
    }
}
