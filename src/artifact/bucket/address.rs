//! The URL of a bucket: its name, and the prefix below which everything of ours lies.

use std::fmt;

use object_store::path::Path as Location;

const SCHEME: &str = "s3";

/// `s3://bucket/prefix`: a place in an object store. It holds no credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketUrl {
    bucket: String,
    prefix: Location,
}

impl BucketUrl {
    /// Reads `s3://bucket/prefix`; the prefix may be left out.
    ///
    /// # Errors
    /// The reason why it is none, in words that follow the name of the setting.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("it is no URL")?;
        if scheme != SCHEME {
            return Err("pictures can be kept in no store of this kind".to_owned());
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err("it names no bucket".to_owned());
        }
        if !bucket.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')) {
            return Err("its bucket has a character that no bucket has; credentials do not belong here".to_owned());
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '=' | '/');
        let prefix = prefix.trim_matches('/');
        match Location::parse(prefix) {
            Ok(location) if prefix.chars().all(is_plain) => Ok(Self { bucket: bucket.to_owned(), prefix: location }),
            _ => {
                Err("its prefix takes letters, digits, `-`, `.`, `_` and `=`, with a `/` between its parts".to_owned())
            }
        }
    }

    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(super) fn prefix(&self) -> &Location {
        &self.prefix
    }

    /// The same bucket, with a longer prefix.
    pub(super) fn below(&self, folder: &str, name: &str) -> Self {
        Self { prefix: self.prefix.clone().join(folder).join(name), ..self.clone() }
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}://{}", self.bucket)?;
        if self.prefix.is_root() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_as_it_was_given() {
        for url in ["s3://pictures", "s3://company.example/team/made", "s3://pictures/a=b"] {
            assert_eq!(BucketUrl::parse(url).unwrap().to_string(), url);
            assert_eq!(BucketUrl::parse(&format!("{url}/")).unwrap().to_string(), url);
        }
    }

    #[test]
    fn what_is_no_bucket_is_refused_with_the_reason() {
        let refused = [
            "pictures",
            "gs://pictures",
            "s3://",
            "s3:///prefix",
            "s3://key:secret@pictures",
            "s3://pictures?region=eu",
            "s3://pictures/a//b",
            "s3://pictures/../other",
            "s3://pictures/a b",
        ];
        let reasons: Vec<_> =
            refused.iter().map(|url| format!("{url}: {}", BucketUrl::parse(url).unwrap_err())).collect();
        insta::assert_snapshot!(reasons.join("\n"), @r"
        pictures: it is no URL
        gs://pictures: pictures can be kept in no store of this kind
        s3://: it names no bucket
        s3:///prefix: it names no bucket
        s3://key:secret@pictures: its bucket has a character that no bucket has; credentials do not belong here
        s3://pictures?region=eu: its bucket has a character that no bucket has; credentials do not belong here
        s3://pictures/a//b: its prefix takes letters, digits, `-`, `.`, `_` and `=`, with a `/` between its parts
        s3://pictures/../other: its prefix takes letters, digits, `-`, `.`, `_` and `=`, with a `/` between its parts
        s3://pictures/a b: its prefix takes letters, digits, `-`, `.`, `_` and `=`, with a `/` between its parts
        ");
    }
}
