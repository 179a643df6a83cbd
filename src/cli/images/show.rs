//! All that is known of a picture, for people and for programs.

use std::{fmt::Write as _, path::Path};

use chrono::{DateTime, Local, Utc};
use serde::Serialize;

use crate::{
    artifact::{Artifact, Origin},
    cli::outcome::Printing,
    cli::table::Width,
    text,
};

/// A picture as `--json` prints it: the words of create-image's result, then its record.
#[derive(Debug, Serialize)]
pub(super) struct ShownPicture<'a> {
    id: &'a str,
    uri: String,
    path: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
    media_type: &'static str,
    width: u32,
    height: u32,
    bytes: u64,
    made_at: DateTime<Utc>,
    #[serde(flatten)]
    origin: &'a Origin,
}

impl<'a> ShownPicture<'a> {
    pub(super) fn of(artifact: &'a Artifact) -> Self {
        Self {
            id: artifact.id.as_str(),
            uri: artifact.id.uri(),
            path: artifact.path.as_deref(),
            link: artifact.link.as_deref(),
            media_type: artifact.format.media_type(),
            width: artifact.dimensions.width,
            height: artifact.dimensions.height,
            bytes: artifact.bytes,
            made_at: artifact.made_at,
            origin: &artifact.origin,
        }
    }
}

pub(super) fn text(artifact: &Artifact, printing: Printing) -> serde_json::Result<String> {
    match printing {
        Printing::Json => Ok(serde_json::to_string_pretty(&ShownPicture::of(artifact))? + "\n"),
        Printing::Text => Ok(lines(artifact)),
    }
}

/// One fact a line; what is not known has none.
fn lines(artifact: &Artifact) -> String {
    let origin = &artifact.origin;
    let picture = format!("{}, {}, {}", artifact.dimensions, text::bytes(artifact.bytes), artifact.format.media_type());
    // The prompt has a line of its own.
    let others = origin.arguments.iter().filter(|(name, _)| *name != "prompt");
    let others: Vec<_> = others.map(|(name, value)| format!("{name} {value}")).collect();
    let tokens = origin.usage.map(|usage| format!("{} in, {} out", usage.input_tokens, usage.output_tokens));
    let facts = [
        ("path", artifact.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default()),
        ("link", artifact.link.clone().unwrap_or_default()),
        ("uri", artifact.id.uri()),
        ("picture", picture),
        ("made", artifact.made_at.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S %:z").to_string()),
        ("tool", origin.tool.clone()),
        ("model", origin.model.clone()),
        ("quality", origin.quality.clone()),
        ("prompt", origin.prompt.clone()),
        ("revised", origin.revised_prompt.clone().unwrap_or_default()),
        ("arguments", others.join(", ")),
        ("made from", origin.parents.join(", ")),
        ("cost", origin.cost_usd.map(|cost| cost.to_string()).unwrap_or_default()),
        ("tokens", tokens.unwrap_or_default()),
        ("request", origin.request_id.clone().unwrap_or_default()),
        ("job", origin.job.clone().unwrap_or_default()),
    ];

    let mut text = String::new();
    for (name, fact) in facts.iter().filter(|(_, fact)| !fact.is_empty()) {
        let fact = text::sanitize(fact);
        let below: Vec<_> = fact.split('\n').flat_map(|line| Width::of_stdout().lines(line, 11)).collect();
        let _ = writeln!(text, "{name:<10} {}", below.join("\n           "));
    }
    text
}
