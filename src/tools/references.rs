//! References of a call: files, kept pictures, addresses and data URLs, opened; and pictures known by their own
//! bytes. Knows nothing of what they are for.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::{ImageUrls, ToolError};
use crate::{
    artifact::{Artifacts, Stem},
    handle::Owner,
    inputs::{self, GitAnswer, Inputs, mentioned},
    media::{Content, Encoded, NotAPicture, Reference},
    openai::{OpenAi, Terms},
    text,
};

mod source;
mod stamp;

use source::Location;
pub use source::{Named, Source};

/// The longest side of a picture, in pixels: a longer one is that of a decompression bomb.
const LONGEST_SIDE: u32 = 16_384;

/// Opens what calls name.
#[derive(Debug, Clone)]
pub struct References {
    /// Fetches addresses, under its guard.
    pub openai: OpenAi,
    /// Finds kept pictures by id and URI.
    pub artifacts: Artifacts,
    /// Opens files.
    pub inputs: Inputs,
    /// Addresses allowed, or not.
    pub urls: ImageUrls,
}

/// A picture that a call names, opened.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Ready to be sent: format and dimensions were read, the rest is read on sending.
    pub reference: Reference,
    /// The beginning of its bytes, all of its header in it.
    pub head: Bytes,
    /// Its name in the records of pictures made from it: an `image://` URI, or the name of a file from elsewhere.
    pub parent: String,
    /// Which one it is among the arguments, for errors.
    pub which: String,
}

impl References {
    /// The same, with more folders to read from.
    #[must_use]
    pub fn allowing(&self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { inputs: self.inputs.allowing(folders), ..self.clone() }
    }

    /// The same for this owner: its own kept pictures, and the files that it may name.
    #[must_use]
    pub fn of(&self, owner: &Owner) -> Self {
        Self { artifacts: self.artifacts.of(owner), inputs: self.inputs.of(owner), ..self.clone() }
    }

    /// Looks whether an argument names what may be named at all.
    ///
    /// # Errors
    /// [`inputs::Error::NotHere`] for files, named from another machine.
    pub fn admit<'a>(&self, argument: &str, names: impl IntoIterator<Item = &'a Named>) -> Result<(), ToolError> {
        if names.into_iter().any(Named::is_of_files) {
            // Without the name: it may be a path that is told to nobody elsewhere.
            self.inputs.admit_file().map_err(|error| ToolError::from(error).at(&format!("`{argument}`")))?;
        }
        Ok(())
    }

    /// Opens a picture and reads its header; nothing else of it is looked at.
    ///
    /// # Errors
    /// Whatever stands in its way, with its place among the arguments.
    pub async fn open(&self, source: &Source, terms: &Terms) -> Result<Opened, ToolError> {
        let opened = async { source.as_picture(self.content(source, terms).await?).await };
        opened.await.map_err(|error| error.at(&source.which))
    }

    /// Opens whatever it is, and looks at nothing of it.
    ///
    /// # Errors
    /// Whatever stands in its way.
    pub async fn content(&self, source: &Source, terms: &Terms) -> Result<Content, ToolError> {
        match (&source.place, self.urls) {
            (Location::File(path) | Location::Matched { path, .. }, _) => Ok(self.inputs.open(path).await?),
            // Of several projects, the one that was found.
            (Location::InProject { path, rest }, _) => Ok(self.inputs.open_named(path, rest).await?),
            (Location::Git(query), _) => Ok(Content::Memory(self.inputs.git(query).await?.text.into())),
            (Location::Glob(_), _) => Err(unusable("a pattern names attachments, one file each".into())),
            (Location::Kept(id), _) => Ok(self.artifacts.open(id).await?.1),
            (Location::Web(url), ImageUrls::Fetched) => {
                Ok(Content::Memory(self.openai.download(url.as_str(), terms).await?))
            }
            (Location::Web(_), ImageUrls::Refused) => Err(ToolError::UrlsRefused),
            (Location::Inline(url), _) => Ok(Content::Memory(url.decode().map_err(|why| unusable(why.to_string()))?)),
        }
    }

    /// As [`Self::content`], and what was left out of it.
    ///
    /// # Errors
    /// Whatever stands in its way.
    pub async fn attachment(&self, source: &Source, terms: &Terms) -> Result<(Content, Option<String>), ToolError> {
        let Location::Git(query) = &source.place else { return Ok((self.content(source, terms).await?, None)) };
        let GitAnswer { text, left_out } = self.inputs.git(query).await?;
        Ok((Content::Memory(text.into()), left_out))
    }

    /// Looks if a text of the project may be sent, whatever its file is called.
    ///
    /// # Errors
    /// [`inputs::Error::Excluded`] for one with a private key or this server's own key in it, unless a setting names
    /// its folder.
    pub async fn check_text(&self, source: &Source, text: &str) -> Result<(), ToolError> {
        let right = match &source.place {
            Location::InProject { path, .. } | Location::Matched { path, .. } if !self.inputs.is_named(path) => {
                "to send it all the same, name its folder in images.inputs"
            }
            Location::Git(_) => "attach files, and leave out the one that holds it",
            Location::InProject { .. }
            | Location::Matched { .. }
            | Location::File(_)
            | Location::Glob(_)
            | Location::Kept(_)
            | Location::Web(_)
            | Location::Inline(_) => return Ok(()),
        };
        let held = if text::holds_private_key(text) {
            "a private key"
        } else if self.openai.has_secret_in(text).await {
            "the API key of this server"
        } else {
            return Ok(());
        };
        Err(inputs::Error::Excluded(format!("it holds {held}, and is not sent: {right}")).into())
    }

    /// The files that a source stands for: those of a pattern, or itself, by its path within the project.
    ///
    /// # Errors
    /// When a pattern names nothing, too much, or what may not be read, with its place among the arguments.
    pub async fn expand(&self, source: &Source) -> Result<Vec<Source>, ToolError> {
        let pattern = match &source.place {
            Location::Glob(pattern) => pattern,
            Location::File(path) => return Ok(vec![self.file(source, path).await]),
            _ => return Ok(vec![source.clone()]),
        };
        // A file may be called like a pattern.
        let literal = PathBuf::from(pattern);
        if self.inputs.open(&literal).await.is_ok() {
            return Ok(vec![self.file(source, &literal).await]);
        }
        let files = self.inputs.glob(pattern).await.map_err(|error| ToolError::from(error).at(&source.which))?;
        Ok(files.into_iter().map(|(path, rest)| source.matched(path, rest)).collect())
    }

    /// A file, known by its path within the project; what editors write around a path is no part of it, unless there is
    /// a file of that name.
    async fn file(&self, source: &Source, path: &Path) -> Source {
        let path = match mentioned(path) {
            Some(bare) if self.inputs.open(path).await.is_err() && self.inputs.open(&bare).await.is_ok() => bare,
            _ => path.to_owned(),
        };
        let place = match self.inputs.within_project(&path).await {
            Some((path, rest)) => Location::InProject { path, rest },
            None => Location::File(path),
        };
        Source { which: source.which.clone(), place }
    }
}

impl Source {
    /// Reads an opened file as a picture.
    ///
    /// # Errors
    /// [`ToolError::InvalidArgument`] when it is none that can be sent.
    pub async fn as_picture(&self, content: Content) -> Result<Opened, ToolError> {
        // By its own bytes: names and labels are wrong every now and then.
        let (head, content) = head(content).await?;
        let (format, dimensions) = (head.format(), head.dimensions());
        if dimensions.width.max(dimensions.height) > LONGEST_SIDE {
            return Err(unusable(format!("it is {dimensions}: make its sides {LONGEST_SIDE} pixels at most")));
        }
        let reference = Reference { name: self.safe_name("image", format.extension()), format, dimensions, content };
        Ok(Opened { reference, head: head.bytes().clone(), parent: self.place.parent(), which: self.which.clone() })
    }

    /// A file name that is safe everywhere, made of its own or of `otherwise`.
    #[must_use]
    pub fn safe_name(&self, otherwise: &str, extension: &str) -> String {
        let name = self.place.name();
        let own = name.rsplit_once('.').filter(|(_, its)| its.eq_ignore_ascii_case(extension)).map(|(stem, _)| stem);
        let stem = Stem::parse(own.unwrap_or(&name));
        format!("{}.{extension}", stem.as_ref().map_or(otherwise, Stem::as_str))
    }
}

/// Reads the first bytes, on a thread where it holds up nobody.
async fn head(content: Content) -> Result<(Encoded, Content), ToolError> {
    let read = tokio::task::spawn_blocking(move || Ok((read_head(&content)?, content))).await;
    read.unwrap_or_else(|_| Err(unusable("reading it broke off; the log says more".into())))
}

/// Reads as much as the header needs: some JPEGs carry megabytes of notes before it.
fn read_head(content: &Content) -> Result<Encoded, ToolError> {
    const MOST_HEADERS: usize = 64 << 10;
    const ANY_HEADER: usize = 16 << 20;
    let read = |limit| content.read(0, limit).map_err(|cause| unusable(format!("it cannot be read ({cause})")));
    let head = match Encoded::sniff(read(MOST_HEADERS)?) {
        Err(NotAPicture::Header) if content.length() > MOST_HEADERS as u64 => Encoded::sniff(read(ANY_HEADER)?),
        head => head,
    };
    let head = head.and_then(|head| if head.format().is_common() { Ok(head) } else { Err(NotAPicture::Format) });
    head.map_err(|why| match why {
        NotAPicture::Format => unusable("it is not a PNG, JPEG or WebP picture: convert it to one of them".into()),
        NotAPicture::Header => unusable("its header is damaged or cut off: save it again".into()),
    })
}

fn unusable(why: String) -> ToolError {
    ToolError::InvalidArgument(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Dimensions, Format};

    /// A camera's JPEG: so many bytes of notes, 64 kB at most in each, then the frame header of 33x21.
    fn jpeg(notes: usize) -> Content {
        let mut bytes = vec![0xff, 0xd8];
        for start in (0..notes).step_by(65_533) {
            let length = (notes - start).min(65_533);
            bytes.extend([0xff, 0xe2]);
            bytes.extend(u16::try_from(length + 2).unwrap().to_be_bytes());
            bytes.resize(bytes.len() + length, 7);
        }
        bytes.extend([0xff, 0xc0, 0, 17, 8, 0, 21, 0, 33, 3]);
        Content::Memory(bytes.into())
    }

    #[test]
    fn a_header_is_found_behind_megabytes_of_notes() {
        for notes in [0, 60_000, 70_000, 5_000_000] {
            let head = read_head(&jpeg(notes)).unwrap();
            assert_eq!((head.format(), head.dimensions()), (Format::Jpeg, Dimensions { width: 33, height: 21 }));
        }
        let endless = read_head(&jpeg(20_000_000)).unwrap_err();
        assert!(endless.to_string().contains("damaged or cut off"), "{endless}");
    }
}
