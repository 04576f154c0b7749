//! HTML inside of Markdown: what a few simple tags mean. No tag of the input is
//! ever written to an output, and attributes mean nothing.

use super::tree::Style;

/// What a tag does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// A line ends.
    Break,
    /// A style begins.
    Open(Effect),
    /// A style ends.
    Close(Effect),
    /// Nothing: it is left out.
    Other,
}

/// What a style does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Bold,
    Italic,
    Strike,
    Underline,
    Code,
    Mark,
    Raised,
    Lowered,
}

/// Reads one tag as Markdown hands it on, such as `<b>`, `</b>` or `<br/>`.
pub(super) fn read(tag: &str) -> Tag {
    let Some(inner) = tag.strip_prefix('<').and_then(|tag| tag.strip_suffix('>')) else {
        return Tag::Other;
    };
    let (closing, inner) = match inner.strip_prefix('/') {
        Some(inner) => (true, inner),
        None => (false, inner),
    };
    let name = inner.trim_end_matches('/').trim_end().to_ascii_lowercase();
    if name == "br" {
        return if closing { Tag::Other } else { Tag::Break };
    }
    let effect = match name.as_str() {
        "b" | "strong" => Effect::Bold,
        "i" | "em" => Effect::Italic,
        "s" | "del" | "strike" => Effect::Strike,
        "u" | "ins" => Effect::Underline,
        "code" | "kbd" | "samp" => Effect::Code,
        "mark" => Effect::Mark,
        "sup" => Effect::Raised,
        "sub" => Effect::Lowered,
        _ => return Tag::Other,
    };
    if closing { Tag::Close(effect) } else { Tag::Open(effect) }
}

impl Effect {
    pub(super) fn on(self, style: &mut Style) {
        match self {
            Self::Bold => style.bold = true,
            Self::Italic => style.italic = true,
            Self::Strike => style.strike = true,
            Self::Underline => style.underline = true,
            Self::Code => style.code = true,
            Self::Mark => style.mark = true,
            Self::Raised => (style.raised, style.lowered) = (true, false),
            Self::Lowered => (style.raised, style.lowered) = (false, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_tags_have_a_meaning_and_all_others_have_none() {
        assert_eq!(read("<br>"), Tag::Break);
        assert_eq!(read("<BR />"), Tag::Break);
        assert_eq!(read("<B>"), Tag::Open(Effect::Bold));
        assert_eq!(read("</sub>"), Tag::Close(Effect::Lowered));
        for other in [
            "<b onclick=x>",
            "<script>",
            "</script>",
            "<!-- b -->",
            "<img src=x>",
            "<a href=x>",
            "<b",
            "b>",
            "",
            "<>",
            "</br>",
            "<?php ?>",
            "<![CDATA[x]]>",
        ] {
            assert_eq!(read(other), Tag::Other, "{other}");
        }
    }
}
