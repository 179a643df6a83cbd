//! The arguments of the tools that go to a model, each declared once: its name, its values, its names on the wire of
//! each API, and the consequence when an upstream refuses it. Schemas, checks, listing, learning and the second
//! attempt without a field read it.

/// An argument that goes to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument {
    /// As the tools call it.
    pub name: &'static str,
    /// The models that take it.
    pub of: AppliesTo,
    /// Checked before anything is sent.
    pub values: Values,
    /// As the APIs call it: Responses, Chat Completions, Images. Empty for what never stands in a field of its own.
    pub fields: &'static [&'static str],
    /// [`WhenRefused::Kept`] where an answer without it would be another one.
    pub refused: WhenRefused,
}

/// The models that an argument is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppliesTo {
    /// Models that answer in words.
    Text,
    /// Models that make pictures.
    Pictures,
    /// Both kinds.
    Both,
}

/// The values that an argument takes before any model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// One of these words.
    Words(&'static [&'static str]),
    /// A whole number in this range, both ends included.
    Range(u32, u32),
    /// A number in this range, both ends included.
    Decimal(u32, u32),
    /// `true` or `false`.
    Switch,
    /// A text of at most this many characters.
    Text(usize),
    /// Values that their own type checks.
    Typed,
}

/// The consequence when an upstream refuses an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenRefused {
    /// It is left out of a second try, and of the calls that follow.
    Learnt,
    /// The call fails: without it the answer would be another one.
    Kept,
}

/// A field that no argument stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// As the APIs call it.
    pub name: &'static str,
    /// The one who wants it in the request.
    pub asked: FieldOrigin,
}

/// The origin of a field: the caller, or this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldOrigin {
    /// A setting of the user's: each time it is left out, a warning says so.
    BySetting,
    /// Nobody: it only makes the answer come better.
    ByUs,
}

/// Longer texts do not fit any model's context.
// The largest context has 1,050,000 tokens, each of about four characters.
const LONGEST: Values = Values::Text(4_000_000);

/// ask-openai's question: 4,000,000 characters at most.
pub const QUERY: Argument = kept("query", AppliesTo::Text, LONGEST);
/// create-image's and edit-image's prompt: 32,000 characters at most, the API's own limit.
/// <https://platform.openai.com/docs/api-reference/images/create>
pub const PROMPT: Argument = kept("prompt", AppliesTo::Pictures, Values::Text(32_000));

/// 0 to 2. <https://platform.openai.com/docs/api-reference/responses/create>
pub const TEMPERATURE: Argument = learnt("temperature", AppliesTo::Text, Values::Decimal(0, 2), &["temperature"]);
/// Most output tokens, reasoning included; at least 1.
pub const MAX_TOKENS: Argument = learnt(
    "max_tokens",
    AppliesTo::Text,
    Values::Range(1, u32::MAX),
    // In the order of the APIs; the last is what compatible servers call it over Chat Completions.
    &["max_output_tokens", "max_completion_tokens", "max_tokens"],
);
/// 4,000,000 characters at most.
pub const INSTRUCTIONS: Argument = kept("instructions", AppliesTo::Text, LONGEST);
/// `auto`, `WxH`, or a ratio such as 16:9; checked against the sizes of the model.
pub const SIZE: Argument = kept("size", AppliesTo::Pictures, Values::Typed);
/// Each model takes some of the words; `standard` and `hd` are of older ones.
pub const QUALITY: Argument = learnt(
    "quality",
    AppliesTo::Pictures,
    Values::Words(&["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"]),
    &["quality"],
);
/// Pictures of a call, 1 to 10: each is a request of its own.
// Never sent: of requests for one each, some may fail, and memory holds one picture at a time.
pub const N: Argument = kept("n", AppliesTo::Pictures, Values::Range(1, 10));
/// `transparent` needs PNG or WebP.
pub const BACKGROUND: Argument =
    learnt("background", AppliesTo::Pictures, Values::Words(&["auto", "transparent", "opaque"]), &["background"]);
/// Left out, the upstream chooses: OpenAI makes PNG.
pub const OUTPUT_FORMAT: Argument =
    learnt("output_format", AppliesTo::Pictures, Values::Words(&["png", "jpeg", "webp"]), &["output_format"]);
/// Percent, 0 to 100, for JPEG and WebP.
pub const OUTPUT_COMPRESSION: Argument =
    learnt("output_compression", AppliesTo::Pictures, Values::Range(0, 100), &["output_compression"]);
/// `low` filters less. <https://platform.openai.com/docs/api-reference/images/create>
pub const MODERATION: Argument =
    learnt("moderation", AppliesTo::Pictures, Values::Words(&["auto", "low"]), &["moderation"]);
/// Added to the prompt in words, 400 characters at most: current image models have no such field.
pub const STYLE: Argument = kept("style", AppliesTo::Pictures, Values::Text(400));
/// Becomes the stem of the file's name: 1,000 characters at most, cut to what every file system takes.
pub const NAME: Argument = kept("name", AppliesTo::Pictures, Values::Text(1_000));
/// The handle of the turn to continue.
pub const CONVERSATION: Argument = kept("conversation", AppliesTo::Both, Values::Typed);
/// Files, globs, git queries, addresses, data URLs and kept pictures.
pub const ATTACHMENTS: Argument = kept("attachments", AppliesTo::Text, Values::Typed);
/// Weakest first; each model takes a part of them.
pub const REASONING_EFFORT: Argument = learnt(
    "reasoning_effort",
    AppliesTo::Text,
    Values::Words(&["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
    &["reasoning.effort", "reasoning_effort"],
);
/// Shortest first.
pub const VERBOSITY: Argument =
    learnt("verbosity", AppliesTo::Text, Values::Words(&["low", "medium", "high"]), &["text.verbosity", "verbosity"]);
/// A tool of Responses, and `web_search_options` of Chat Completions.
pub const WEB_SEARCH: Argument =
    learnt("web_search", AppliesTo::Text, Values::Switch, &["tools", "web_search_options"]);
/// JSON Schema that the answer has to fit.
pub const SCHEMA: Argument = kept("schema", AppliesTo::Text, Values::Typed);

/// All optional ones that depend on the model, in the order in which they are listed.
pub const ARGUMENTS: [Argument; 18] = [
    TEMPERATURE,
    MAX_TOKENS,
    INSTRUCTIONS,
    SIZE,
    QUALITY,
    N,
    BACKGROUND,
    OUTPUT_FORMAT,
    OUTPUT_COMPRESSION,
    MODERATION,
    STYLE,
    NAME,
    CONVERSATION,
    ATTACHMENTS,
    REASONING_EFFORT,
    VERBOSITY,
    WEB_SEARCH,
    SCHEMA,
];

/// Fields that may be left out and that no argument stands for. All are learnt.
// Not learnt, `stream_options` would be sent and refused once in every call to a server that does not know it.
pub const FIELDS: [Field; 7] = [
    Field { name: "service_tier", asked: FieldOrigin::BySetting },
    Field { name: "store", asked: FieldOrigin::BySetting },
    Field { name: "include", asked: FieldOrigin::ByUs },
    Field { name: "prompt_cache_key", asked: FieldOrigin::ByUs },
    Field { name: "stream_options", asked: FieldOrigin::ByUs },
    Field { name: "partial_images", asked: FieldOrigin::ByUs },
    Field { name: "stream", asked: FieldOrigin::ByUs },
];

const fn learnt(name: &'static str, of: AppliesTo, values: Values, fields: &'static [&'static str]) -> Argument {
    Argument { name, of, values, fields, refused: WhenRefused::Learnt }
}

const fn kept(name: &'static str, of: AppliesTo, values: Values) -> Argument {
    Argument { name, of, values, fields: &[], refused: WhenRefused::Kept }
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

impl Argument {
    /// The words that it takes; none where it takes something else.
    #[must_use]
    pub const fn words(&self) -> &'static [&'static str] {
        if let Values::Words(words) = self.values { words } else { &[] }
    }

    /// The range of its numbers, both ends included; all numbers where it has none.
    #[must_use]
    pub const fn range(&self) -> (u32, u32) {
        match self.values {
            Values::Range(least, most) | Values::Decimal(least, most) => (least, most),
            _ => (0, u32::MAX),
        }
    }

    /// The most characters of its text.
    #[must_use]
    pub const fn longest(&self) -> usize {
        if let Values::Text(most) = self.values { most } else { usize::MAX }
    }
}

impl AppliesTo {
    /// Returns whether text models take it.
    #[must_use]
    pub fn text(self) -> bool {
        matches!(self, Self::Text | Self::Both)
    }

    /// Returns whether image models take it.
    #[must_use]
    pub fn pictures(self) -> bool {
        matches!(self, Self::Pictures | Self::Both)
    }
}
