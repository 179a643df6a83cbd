//! Names of pictures and other files in a call: a path, an `image://` URI, an https URL or a data URL. Opens nothing.

use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use crate::{artifact::ArtifactId, inputs::DataUrl, text, tools::ToolError};

/// More characters than any path or address that means something: names are written down.
const LONGEST_NAME: usize = 8_000;

/// The beginning of a data URL's note.
const NOT_KEPT: &str = "(a data URL of ";

/// A name as it was given. Written down, a data URL is only a note of one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Named(pub String);

/// Something that can be opened.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its place among the arguments and what it is called there, for errors.
    pub(super) which: String,
    pub(super) place: Location,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    /// From the root, or from `~/`, on.
    File(PathBuf),
    Kept(ArtifactId),
    Web(Url),
    Inline(DataUrl),
}

impl Source {
    /// Reads what `argument` says.
    ///
    /// # Errors
    /// [`ToolError::InvalidArgument`] with what would be right.
    pub fn parse(argument: &str, Named(name): Named) -> Result<Self, ToolError> {
        let shown = format!("{argument} ({})", text::brief(&name, 80));
        let place = Location::parse(name).map_err(|why| ToolError::InvalidArgument(why).at(&shown))?;
        let which = format!("{argument} ({})", text::brief(&place.name(), 80));
        Ok(Self { which, place })
    }

    /// Its place among the arguments and what it is called there, for errors.
    #[must_use]
    pub fn which(&self) -> &str {
        &self.which
    }

    /// Its name for a person, on one line.
    #[must_use]
    pub fn name(&self) -> String {
        text::escape(&text::clip(&self.place.name(), 120))
    }
}

impl Location {
    /// Parses a name, as it is or without what was pasted around it; the error says what is wrong with it.
    fn parse(name: String) -> Result<Self, String> {
        let bare = text::bare(&name);
        Self::read(name).or_else(|why| Self::read(bare).map_err(|_| why))
    }

    fn read(name: String) -> Result<Self, String> {
        if DataUrl::is_one(&name) {
            return DataUrl::parse(name).map(Self::Inline).map_err(|why| why.to_string());
        }
        if name.len() > LONGEST_NAME {
            return Err("it is too long for a path or an address".into());
        }
        if name.starts_with(NOT_KEPT) {
            return Err("it came in a data URL, which was not kept: name the picture anew".into());
        }
        if name.starts_with("image://") {
            let id =
                ArtifactId::parse_uri(&name).ok_or("this is no id of a picture; the resources list those there are")?;
            return Ok(Self::Kept(id));
        }
        match Url::parse(&name) {
            Ok(url) if url.scheme() == "https" => Ok(Self::Web(url)),
            Ok(url) if url.scheme() == "http" => Err("only https addresses are fetched".into()),
            Ok(url) if url.scheme() == "file" => {
                url.to_file_path().map(Self::File).map_err(|()| "this URL names no file of this machine".into())
            }
            _ => Self::of_path(name.into()),
        }
    }

    /// A server's working folder is nobody's: a relative path would mean nothing.
    fn of_path(path: PathBuf) -> Result<Self, String> {
        if path.is_absolute() || path.starts_with("~") {
            return Ok(Self::File(path));
        }
        Err("give its whole path, an image:// URI, an https URL or a data URL".into())
    }

    /// Its name for a person.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Self::Kept(id) => id.to_string(),
            Self::Web(url) => {
                let file = url.path_segments().and_then(Iterator::last).filter(|name| !name.is_empty());
                file.or_else(|| url.host_str()).unwrap_or_default().to_owned()
            }
            Self::Inline(url) => url.name().unwrap_or("data URL").to_owned(),
        }
    }

    /// Its name in the records of pictures made from it. A picture of our own may also be named by its path.
    pub(super) fn parent(&self) -> String {
        let name = self.name();
        ArtifactId::parse(&name).map_or_else(|| text::brief(&name, 120), |id| id.uri())
    }
}

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if DataUrl::is_one(&self.0) {
            let size = text::bytes(self.0.len() as u64);
            return serializer.serialize_str(&format!("{NOT_KEPT}{size}, not kept)"));
        }
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_url_that_was_written_down_is_asked_for_anew() {
        let note = serde_json::to_value(Named("data:image/png;base64,aGk=".into())).unwrap();
        let named: Named = serde_json::from_value(note).unwrap();
        let error = Source::parse("`images` 1", named).unwrap_err().to_string();
        assert!(error.contains("not kept: name the picture anew"), "{error}");
    }
}
