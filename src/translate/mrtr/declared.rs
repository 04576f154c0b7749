//! Kinds of questions, and which of them a client can answer.

use serde_json::value::RawValue;

use crate::protocol::raw::{Object, Unfit, text};

/// What a question asks of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Data of the user, by a form.
    Form,
    /// A visit of the user to an address.
    Url,
    /// A completion of the client's model.
    Sampling,
    /// The folders the client works on.
    Roots,
}

/// Which questions a client said it can answer.
#[expect(clippy::struct_excessive_bools, reason = "one for each kind of question")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) form: bool,
    pub(crate) url: bool,
    pub(crate) sampling: bool,
    pub(crate) roots: bool,
}

impl Declared {
    /// Reads a client's capabilities. An `elicitation` that names no mode
    /// means forms.
    ///
    /// # Errors
    /// [`Unfit`] when they are no object, or ambiguous.
    pub(crate) fn read(capabilities: &RawValue) -> Result<Self, Unfit> {
        let capabilities = Object::read(capabilities)?;
        let has = |object: &Object<'_>, name: &str| -> Result<bool, Unfit> {
            Ok(object.get(name)?.is_some_and(|value| value.get().starts_with('{')))
        };
        let mut declared = Self {
            sampling: has(&capabilities, "sampling")?,
            roots: has(&capabilities, "roots")?,
            ..Self::default()
        };
        if has(&capabilities, "elicitation")?
            && let Some(elicitation) = capabilities.get("elicitation")?
        {
            let modes = Object::read(elicitation)?;
            declared.url = has(&modes, "url")?;
            declared.form = has(&modes, "form")? || !declared.url;
        }
        Ok(declared)
    }

    /// Whether a question can be put.
    pub(crate) fn allows(self, kind: Kind) -> bool {
        match kind {
            Kind::Form => self.form,
            Kind::Url => self.url,
            Kind::Sampling => self.sampling,
            Kind::Roots => self.roots,
        }
    }
}

/// What a request of this method asks; `None` for one nobody has to know.
pub(super) fn kind(method: &str, params: Option<&RawValue>) -> Result<Option<Kind>, Unfit> {
    Ok(match method {
        "elicitation/create" => {
            let mode = match params {
                Some(params) => Object::read(params)?.get("mode")?.and_then(text),
                None => None,
            };
            match mode.as_deref() {
                None | Some("form") => Some(Kind::Form),
                Some("url") => Some(Kind::Url),
                Some(_) => None,
            }
        }
        "sampling/createMessage" => Some(Kind::Sampling),
        "roots/list" => Some(Kind::Roots),
        _ => None,
    })
}
