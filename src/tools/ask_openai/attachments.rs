//! Attachments of a question: opened, known by its own bytes, and made into parts of the question. Pictures and PDFs
//! go up as they are, text goes in as text. Knows no API's form of them.

use std::fmt::Write as _;

use crate::{
    inputs,
    media::Content,
    openai::{Part, Terms},
    text,
    tools::{
        ToolError,
        references::{Named, References, Source},
    },
};

mod kind;

use kind::{AttachmentKind, Unknown};

/// The most attachments of a question; OpenAI itself would take 500 pictures.
const MOST: usize = 20;
/// Bytes of all attachments together: 48 MB in base64, where OpenAI takes requests of 50 MB.
/// <https://platform.openai.com/docs/guides/images-vision>
const ALL_TOGETHER: u64 = 36_000_000;
/// Bytes that OpenAI and most compatible servers take of one picture, and of one document.
/// <https://platform.openai.com/docs/guides/pdf-files>
const PICTURE: u64 = 20_000_000;
const PDF: u64 = 32_000_000;
/// Bytes of one text: half a million tokens or so, as much as any model reads.
const TEXT: u64 = 2_000_000;

/// Reads what is named, without looking at any of it.
///
/// # Errors
/// [`ToolError::InvalidArgument`] with what would be right.
pub(super) fn parse(named: Vec<Named>) -> Result<Vec<Source>, ToolError> {
    if named.len() > MOST {
        let count = named.len();
        return Err(ToolError::InvalidArgument(format!("`attachments` names {count} files: at most {MOST} are taken")));
    }
    let numbered = named.into_iter().zip(1..);
    numbered.map(|(named, number)| source(&format!("`attachments` {number}"), named)).collect()
}

fn source(which: &str, named: Named) -> Result<Source, ToolError> {
    if named.0.starts_with("conversation://") {
        let right = "a conversation is not an attachment: give its handle as `conversation`";
        return Err(ToolError::InvalidArgument(right.into()).at(which));
    }
    Source::parse_attachment(which, named)
}

/// Attachments, opened.
#[derive(Debug, Default)]
pub(super) struct Attached {
    pub parts: Vec<Part>,
    /// As the parts are called, in their order.
    pub names: Vec<String>,
    /// The files of a pattern that no model reads, or not at their size.
    pub warnings: Vec<String>,
}

/// Opens all of them, one after the other.
///
/// # Errors
/// What stands in the way of one, with its place among the arguments.
pub(super) async fn open(sources: &[Source], references: &References, terms: &Terms) -> Result<Attached, ToolError> {
    let mut attached = Attached::default();
    let mut total = 0;
    let mut files = Vec::new();
    for source in sources {
        for file in references.expand(source).await? {
            // A file beside a pattern that holds it is sent once.
            if file.path().is_none_or(|path| files.iter().all(|other: &Source| other.path() != Some(path))) {
                files.push(file);
            }
        }
    }
    for source in &files {
        let opened = async {
            let (content, left_out) = references.attachment(source, terms).await?;
            attached.warnings.extend(left_out);
            let length = content.length();
            Ok::<_, ToolError>((part(source, content, references).await?, length))
        };
        match opened.await {
            Ok((part, length)) => {
                // Added up here: one that is left out takes no room.
                total += length;
                if total > ALL_TOGETHER {
                    let error = too_large("with those before it, it is", total, "all together", ALL_TOGETHER);
                    return Err(error.at(source.which()));
                }
                attached.parts.push(part);
                attached.names.push(source.name());
            }
            // A pattern means what can be read among its files.
            Err(ToolError::InvalidArgument(why) | ToolError::Input(inputs::Error::Excluded(why)))
                if source.is_matched() =>
            {
                attached.warnings.push(format!("{} is left out: {why}.", source.name()));
            }
            Err(error) => return Err(error.at(source.which())),
        }
    }
    if attached.parts.is_empty() && !files.is_empty() {
        return Err(ToolError::InvalidArgument("`attachments`: no model reads any of the files that match".into()));
    }
    Ok(attached)
}

async fn part(source: &Source, content: Content, references: &References) -> Result<Part, ToolError> {
    match kind(&content).await? {
        AttachmentKind::Picture => {
            limit(&content, "a picture", PICTURE)?;
            Ok(Part::Picture(source.as_picture(content).await?.reference))
        }
        AttachmentKind::Pdf => {
            limit(&content, "a PDF", PDF)?;
            Ok(Part::Document { name: source.safe_name("document", "pdf"), media_type: "application/pdf", content })
        }
        AttachmentKind::Text => {
            limit(&content, "a text", TEXT)?;
            // All of it, as one byte at its end may say that it is no text.
            let text = read(content, usize::MAX, kind::decode).await?.map_err(unknown)?;
            references.check_text(source, &text).await?;
            let text = if source.has_numbered_lines() { numbered(&text) } else { text };
            Ok(Part::Text(framed(&source.name(), &text)))
        }
    }
}

/// The kind of what was opened, by its beginning.
async fn kind(content: &Content) -> Result<AttachmentKind, ToolError> {
    // Bytes: more than any of the signatures, and enough to find a NUL in what is no text.
    const BEGINNING: usize = 8 << 10;
    read(content.clone(), BEGINNING, AttachmentKind::sniff).await?.map_err(unknown)
}

/// Reads from the start, where it holds up nobody.
async fn read<T: Send + 'static>(
    content: Content,
    limit: usize,
    look: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> Result<T, ToolError> {
    // A file may lie on a disk of the network, and one thread serves all clients.
    let seen = tokio::task::spawn_blocking(move || content.read(0, limit).map(|bytes| look(&bytes))).await;
    let seen = seen.map_err(|_| ToolError::InvalidArgument("reading it broke off; the log says more".into()))?;
    seen.map_err(|cause| ToolError::InvalidArgument(format!("it cannot be read ({cause})")))
}

fn limit(content: &Content, what: &str, most: u64) -> Result<(), ToolError> {
    if content.length() > most { Err(too_large("it is", content.length(), what, most)) } else { Ok(()) }
}

fn too_large(it_is: &str, bytes: u64, what: &str, most: u64) -> ToolError {
    let [bytes, most] = [bytes, most].map(text::bytes);
    ToolError::InvalidArgument(format!("{it_is} too large ({bytes}): {what} may have at most {most}"))
}

fn unknown(Unknown { what, right }: Unknown) -> ToolError {
    ToolError::InvalidArgument(format!("it {what}: {right}"))
}

/// Each line after its number, so that an answer can name it.
fn numbered(text: &str) -> String {
    let lines = text.lines().count();
    let width = lines.max(1).ilog10() as usize + 1;
    let mut numbered = String::with_capacity(text.len() + lines * (width + 2));
    for (line, number) in text.lines().zip(1_usize..) {
        let _ = writeln!(numbered, "{number:>width$}  {line}");
    }
    numbered
}

/// A text under its name, between fences that do not occur in it.
/// A file that could close its fence would go on as if the person had written it.
fn framed(name: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
    format!("The attached file {name}:\n{fence}\n{text}{end}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_from_one() {
        assert_eq!(numbered("a\nb"), "1  a\n2  b\n");
        assert!(numbered(&"x\n".repeat(10)).starts_with(" 1  x\n"));
        assert_eq!(numbered(""), "");
    }

    #[test]
    fn a_fence_does_not_occur_in_what_it_holds() {
        assert_eq!(framed("a.rs", "fn a() {}\n"), "The attached file a.rs:\n```\nfn a() {}\n```");
        assert_eq!(framed("a.md", "```\nx\n````"), "The attached file a.md:\n`````\n```\nx\n````\n`````");
    }
}
