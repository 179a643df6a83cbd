//! The optional arguments of the tools that models may or may not take, each declared once: what it is called, what it is
//! on the wire of each API, and what becomes of it when an upstream refuses it. Listing, learning and the second try
//! without a field read it.

/// An optional argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument {
    /// As the tools call it.
    pub name: &'static str,
    pub of: Of,
    /// As the APIs call it: Responses, Chat Completions, Images. Empty for what never stands in a field of its own.
    pub fields: &'static [&'static str],
    pub refused: Refused,
}

/// The models that an argument is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Text,
    Pictures,
    Both,
}

/// What becomes of an argument that an upstream refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is left out of a second try, and of the calls that follow.
    Learnt,
    /// The call fails: without it the answer would be another one.
    Kept,
}

/// A field that no argument stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    pub name: &'static str,
    pub asked: Asked,
}

/// Who wants a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A setting of the user's: that it is left out is told each time.
    BySetting,
    /// Nobody: it only makes the answer come better.
    ByUs,
}

/// In the order in which they are listed.
pub const ARGUMENTS: [Argument; 18] = [
    learnt("temperature", Of::Text, &["temperature"]),
    learnt("max_tokens", Of::Text, &["max_output_tokens", "max_completion_tokens", "max_tokens"]),
    kept("instructions", Of::Text),
    kept("size", Of::Pictures),
    learnt("quality", Of::Pictures, &["quality"]),
    kept("n", Of::Pictures),
    learnt("background", Of::Pictures, &["background"]),
    learnt("output_format", Of::Pictures, &["output_format"]),
    learnt("output_compression", Of::Pictures, &["output_compression"]),
    learnt("moderation", Of::Pictures, &["moderation"]),
    kept("style", Of::Pictures),
    kept("name", Of::Pictures),
    kept("conversation", Of::Both),
    kept("attachments", Of::Text),
    learnt("reasoning_effort", Of::Text, &["reasoning.effort", "reasoning_effort"]),
    learnt("verbosity", Of::Text, &["text.verbosity", "verbosity"]),
    learnt("web_search", Of::Text, &["tools", "web_search_options"]),
    kept("schema", Of::Text),
];

/// Fields that may be left out and that no argument stands for. All are learnt.
pub const FIELDS: [Field; 6] = [
    Field { name: "service_tier", asked: Asked::BySetting },
    Field { name: "store", asked: Asked::BySetting },
    Field { name: "include", asked: Asked::ByUs },
    Field { name: "stream_options", asked: Asked::ByUs },
    Field { name: "partial_images", asked: Asked::ByUs },
    Field { name: "stream", asked: Asked::ByUs },
];

const fn learnt(name: &'static str, of: Of, fields: &'static [&'static str]) -> Argument {
    Argument { name, of, fields, refused: Refused::Learnt }
}

const fn kept(name: &'static str, of: Of) -> Argument {
    Argument { name, of, fields: &[], refused: Refused::Kept }
}

/// The argument of this name.
#[must_use]
pub fn named(name: &str) -> Option<Argument> {
    ARGUMENTS.into_iter().find(|argument| argument.name == name)
}

/// The field of this name that no argument stands for.
#[must_use]
pub fn field(name: &str) -> Option<Field> {
    FIELDS.into_iter().find(|field| field.name == name)
}

impl Of {
    #[must_use]
    pub fn text(self) -> bool {
        matches!(self, Self::Text | Self::Both)
    }

    #[must_use]
    pub fn pictures(self) -> bool {
        matches!(self, Self::Pictures | Self::Both)
    }
}
