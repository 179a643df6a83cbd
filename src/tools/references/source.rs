//! Names of pictures and other files in a call: a path, an `image://` URI, an https URL or a data URL; for an
//! attachment also a pattern, or a question to git. Opens nothing.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use crate::{
    artifact::ArtifactId,
    inputs::{DataUrl, GIT, GitQuery, is_glob, pasted},
    text,
    tools::ToolError,
};

/// The longest path or address, in bytes: names are written down. Data URLs may be longer.
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
    /// From the root, from `~/` or from the project's folder on.
    File(PathBuf),
    /// A file of the project: where it is, and its path within it.
    InProject {
        path: PathBuf,
        rest: PathBuf,
    },
    /// A file that a pattern named: where it is, and its path within the project.
    Matched {
        path: PathBuf,
        rest: PathBuf,
    },
    /// Files of the project by a pattern.
    Glob(String),
    Git(GitQuery),
    Kept(ArtifactId),
    Web(Url),
    Inline(DataUrl),
}

impl Named {
    /// True where it can mean nothing but files of this machine.
    pub(super) fn is_of_files(&self) -> bool {
        const OTHERS: [&str; 5] = ["data:", "https:", "http:", "image:", "conversation:"];
        // Of megabytes, the beginning says it.
        let name = pasted(&text::clip(&self.0, LONGEST_NAME));
        let is = |scheme: &&str| name.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        !(OTHERS.iter().any(is) || name.starts_with(NOT_KEPT) || ArtifactId::parse(&name).is_some())
    }
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

    /// Reads what `attachments` may say besides: a pattern, and what git is asked.
    ///
    /// # Errors
    /// [`ToolError::InvalidArgument`] with what would be right.
    pub fn parse_attachment(argument: &str, named: Named) -> Result<Self, ToolError> {
        let which = || format!("{argument} ({})", text::brief(&named.0, 80));
        if named.0.starts_with(GIT) {
            let ask = GitQuery::parse(&named.0);
            let ask = ask.map_err(|why| ToolError::InvalidArgument(why.to_string()).at(&which()))?;
            return Ok(Self { which: which(), place: Location::Git(ask) });
        }
        if is_glob(&named.0) && named.0.len() <= LONGEST_NAME && !DataUrl::is_one(&named.0) && !named.0.contains("://")
        {
            return Ok(Self { which: which(), place: Location::Glob(named.0) });
        }
        Self::parse(argument, named)
    }

    /// The file that a pattern named.
    pub(super) fn matched(&self, path: PathBuf, rest: PathBuf) -> Self {
        let which = format!("{}: {}", self.which, text::brief(&rest.to_string_lossy(), 80));
        Self { which, place: Location::Matched { path, rest } }
    }

    /// True for a file of the project, whose lines an answer may name.
    #[must_use]
    pub fn has_numbered_lines(&self) -> bool {
        matches!(self.place, Location::InProject { .. } | Location::Matched { .. })
    }

    /// The whole path of a file of the project, or of a pattern.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Location::InProject { path, .. } | Location::Matched { path, .. } => Some(path),
            _ => None,
        }
    }

    /// True when a pattern named it, and not a person.
    #[must_use]
    pub fn is_matched(&self) -> bool {
        matches!(self.place, Location::Matched { .. })
    }

    /// True for an address, which opening it would fetch.
    #[must_use]
    pub fn is_fetched(&self) -> bool {
        matches!(self.place, Location::Web(_))
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
        // A whole path may have blanks around it, and quotes.
        if Path::new(&name).is_absolute() { Self::read(name) } else { Self::read(pasted(&name)) }
    }

    fn read(name: String) -> Result<Self, String> {
        // First, and not parsed as a URL: it may be megabytes.
        if DataUrl::is_one(&name) {
            return DataUrl::parse(name).map(Self::Inline).map_err(|why| why.to_string());
        }
        if name.len() > LONGEST_NAME {
            return Err("it is too long for a path or an address".into());
        }
        if name.starts_with(NOT_KEPT) {
            return Err("it came in a data URL, which was not kept: name the picture again".into());
        }
        if name.starts_with("image://") {
            let id = ArtifactId::parse_uri(&name)
                .ok_or("this is not an id of a picture; the resources list those there are")?;
            return Ok(Self::Kept(id));
        }
        match Url::parse(&name) {
            Ok(url) if url.scheme() == "https" => Ok(Self::Web(url)),
            // Over plain http anybody on the way could put another picture in its place.
            Ok(url) if url.scheme() == "http" => Err("only https addresses are fetched".into()),
            Ok(url) if url.scheme() == "file" => {
                url.to_file_path().map(Self::File).map_err(|()| "this URL names no file of this machine".into())
            }
            _ if name.is_empty() => Err("it is empty: name a file, an image:// URI, an https URL or a data URL".into()),
            _ if name.contains("://") => Err("give an image:// URI, an https URL, a data URL or a path".into()),
            // As files, completions and the terminal have it.
            _ if let Some(id) = ArtifactId::parse(&name) => Ok(Self::Kept(id)),
            _ => Ok(Self::File(name.into())),
        }
    }

    /// Its name for a person.
    pub(super) fn name(&self) -> String {
        match self {
            Self::InProject { rest, .. } | Self::Matched { rest, .. } => rest.to_string_lossy().into_owned(),
            Self::Glob(pattern) => pattern.clone(),
            Self::Git(ask) => ask.name(),
            // Within the project, the whole path tells files apart.
            Self::File(path) if path.is_relative() && !path.starts_with("~") => path.to_string_lossy().into_owned(),
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
    fn the_id_of_a_picture_is_that_picture() {
        let place = |name: &str| Source::parse("`images` 1", Named(name.to_owned())).unwrap().place;
        let id = "20261127-210104-pwrx5x.png";
        assert_eq!(place(id), Location::Kept(ArtifactId::parse(id).unwrap()));
        assert_eq!(place("fox.png"), Location::File("fox.png".into()));
    }

    #[test]
    fn a_data_url_that_was_written_down_is_asked_for_anew() {
        let note = serde_json::to_value(Named("data:image/png;base64,aGk=".into())).unwrap();
        let named: Named = serde_json::from_value(note).unwrap();
        let error = Source::parse("`images` 1", named).unwrap_err().to_string();
        assert!(error.contains("not kept: name the picture again"), "{error}");
    }
}
