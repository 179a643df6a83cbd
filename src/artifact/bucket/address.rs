//! The URL of a bucket: its name, and the prefix below which everything of ours lies.

use std::fmt;

use object_store::path::Path as Location;

/// The kind of an object store, which is the scheme of its URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// Amazon S3, or a server that speaks its API.
    Amazon,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage, whose buckets are called containers.
    Azure,
}

impl Cloud {
    const ALL: [Self; 3] = [Self::Amazon, Self::Google, Self::Azure];

    const fn scheme(self) -> &'static str {
        match self {
            Self::Amazon => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }
}

/// `s3://bucket/prefix`: a place in an object store. It holds no credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketUrl {
    cloud: Cloud,
    bucket: String,
    prefix: Location,
}

impl BucketUrl {
    /// Reads `s3://bucket/prefix`, `gs://` or `az://`; the prefix may be left out.
    ///
    /// # Errors
    /// The reason why it is not one, in words that follow the name of the setting.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("it is not a URL")?;
        let cloud = Cloud::ALL.into_iter().find(|cloud| cloud.scheme() == scheme);
        let cloud =
            cloud.ok_or("pictures can be kept in `s3://`, `gs://` and `az://`, and in no other kind of store")?;
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
            Ok(location) if prefix.chars().all(is_plain) => {
                Ok(Self { cloud, bucket: bucket.to_owned(), prefix: location })
            }
            _ => {
                Err("its prefix takes letters, digits, `-`, `.`, `_` and `=`, with a `/` between its parts".to_owned())
            }
        }
    }

    /// The store that it is in.
    #[must_use]
    pub fn cloud(&self) -> Cloud {
        self.cloud
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
        write!(f, "{}://{}", self.cloud.scheme(), self.bucket)?;
        if self.prefix.is_root() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_as_it_was_given() {
        for url in ["s3://pictures", "gs://company.example/team/made", "az://pictures/a=b"] {
            assert_eq!(BucketUrl::parse(url).unwrap().to_string(), url);
            assert_eq!(BucketUrl::parse(&format!("{url}/")).unwrap().to_string(), url);
        }
    }

    #[test]
    fn what_is_no_bucket_is_refused_with_the_reason() {
        let refused = [
            "pictures",
            "ftp://pictures",
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
        pictures: it is not a URL
        ftp://pictures: pictures can be kept in `s3://`, `gs://` and `az://`, and in no other kind of store
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
