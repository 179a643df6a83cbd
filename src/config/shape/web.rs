//! The shapes of what goes over the network: base URL, key, headers, query, and the URLs of the stores.

use std::path::Path;

use http::{HeaderName, HeaderValue};
use secrecy::SecretString;
use url::Url;

use super::{Address, CommaList, Raw, SettingKind, keyless, quoted};
use crate::{
    artifact::BucketUrl,
    issuer::may_be_issuer,
    openai::{is_loopback, parse_key},
    store::PostgresUrl,
    text,
    transport::http::{ListenAddress, Proxies},
};

/// An http or https URL without user, query and fragment; https where it has no scheme and is not loopback.
pub struct BaseUrl;
/// Names and values of HTTP headers; the values count as secrets.
pub struct Headers;
/// Names and values of query parameters, as they are before percent-encoding; the values are never shown.
pub struct Query;
/// A key of printable ASCII without blanks; what is often pasted around one is taken off.
pub struct Secret;
/// Names and values of HTTP headers as OpenTelemetry writes them in its variables; the values count as secrets.
pub struct HeaderList;
/// An http or https URL without user, query and fragment.
pub struct CollectorUrl;
/// An https address without user, query and fragment, or http on this machine. It is kept letter by letter: tokens are
/// compared with it.
pub struct IssuerAddress;
/// An IP address and a port, or `unix:` and the path of a socket.
pub struct ListenPlace;
/// IP addresses, and networks such as `10.0.0.0/8`.
pub struct Networks;
/// A `postgres://` URL; shown without its password and parameters.
pub struct StoreUrl;
/// The URL of a bucket: `s3://`, `gs://` or `az://`.
pub struct ImageStore;

impl SettingKind for BaseUrl {
    type Value = Url;

    /// Leaves plain http to be judged where `openai.allow_insecure` is known too.
    fn parse(&self, raw: &Raw) -> Result<Url, String> {
        // A key in this place would be shown by doctor, and asked of the DNS as a host.
        let given = pasted(&text::bare(keyless(raw.text()?)?));
        let mut url = Url::parse(&with_scheme(given.clone())).map_err(|error| format!("it is not a URL ({error})"))?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err("it is not an https URL".to_owned());
        }
        if !given.contains("://") && !is_address(&given, &url) {
            return Err("it names no host: a word alone is none".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            // Addresses stand in logs and errors; headers do not.
            return Err("it has a user name or password in it; use openai.api_key or openai.headers".to_owned());
        }
        keyless(url.host_str().unwrap_or_default())?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err("it has a `?` or `#` in it; use openai.query for parameters".to_owned());
        }
        url.set_path(&once(url.path()));
        Ok(url)
    }

    fn takes(&self) -> String {
        "a URL such as `https://api.openai.com/v1`".to_owned()
    }
}

/// Returns whether a text without a scheme names a host: one of this machine, a port beside it, or a name with a dot.
fn is_address(given: &str, url: &Url) -> bool {
    let host = given.trim_start_matches('/').split(['/', ':']).next().unwrap_or_default();
    is_loopback(url) || url.port().is_some() || given.starts_with('[') || host.trim_matches('.').contains('.')
}

/// The address in what was copied with it: a line of a `.env` file, a link of Markdown, the comma of a list, a scheme
/// without its colon.
fn pasted(text: &str) -> String {
    let line = text.strip_prefix("export ").unwrap_or(text).trim_start().strip_prefix("OPENAI_BASE_URL");
    let value = text::bare(line.and_then(|rest| rest.trim_start().strip_prefix('=')).unwrap_or(text));
    let linked = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(')')?.split_once("](")).map(|(_, to)| to);
    let address = linked.unwrap_or(&value).trim_end_matches([',', ';']);
    let slashes = ["https//", "http//"].into_iter().find_map(|scheme| Some((scheme, address.strip_prefix(scheme)?)));
    slashes.map_or_else(|| address.to_owned(), |(scheme, rest)| scheme.replace("//", "://") + rest)
}

/// A path without slashes and versions that were written twice.
fn once(path: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.dedup_by(|part, before| part == before && *part == "v1");
    let end = if path.len() > 1 && path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    format!("/{}{end}", parts.join("/"))
}

/// Most who leave the scheme out mean https; this machine's own servers speak plain http.
fn with_scheme(url: String) -> String {
    if url.contains("://") || url.starts_with("http:") || url.starts_with("https:") {
        return url;
    }
    let plain = format!("http://{}", url.trim_start_matches('/'));
    match Url::parse(&plain) {
        Ok(parsed) if is_loopback(&parsed) => plain,
        _ => plain.replacen("http", "https", 1),
    }
}

impl SettingKind for Headers {
    type Value = Vec<(HeaderName, SecretString)>;

    fn parse(&self, raw: &Raw) -> Result<Self::Value, String> {
        pairs(raw, '\n', ':')?.into_iter().map(|(name, value)| header(&name, &value)).collect()
    }

    fn takes(&self) -> String {
        "a table of names and values; in the environment, lines of `Name: value`".to_owned()
    }

    fn show(&self, raw: &Raw) -> String {
        names(pairs(raw, '\n', ':'))
    }
}

impl SettingKind for HeaderList {
    type Value = Vec<(HeaderName, SecretString)>;

    fn parse(&self, raw: &Raw) -> Result<Self::Value, String> {
        // As OpenTelemetry writes them.
        // <https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables>
        let is_encoded = matches!(raw, Raw::Text(_));
        let value = |value: &str| if is_encoded { text::percent_decoded(value) } else { value.to_owned() };
        pairs(raw, ',', '=')?.iter().map(|(name, given)| header(name, &value(given))).collect()
    }

    fn takes(&self) -> String {
        "a table of names and values; in the environment, `name=value` with commas between them, values \
         percent-encoded"
            .to_owned()
    }

    fn show(&self, raw: &Raw) -> String {
        names(pairs(raw, ',', '='))
    }
}

impl SettingKind for CollectorUrl {
    type Value = Url;

    fn parse(&self, raw: &Raw) -> Result<Url, String> {
        let url = Url::parse(&text::bare(raw.text()?)).map_err(|error| format!("it is not a URL ({error})"))?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err("it is not an http or https URL".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err("it has a user name, a `?` or a `#` in it; use traces.headers for a key".to_owned());
        }
        Ok(url)
    }

    fn takes(&self) -> String {
        "a URL such as `http://localhost:4318`".to_owned()
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, SecretString), String> {
    let parsed = name.parse().map_err(|_| format!("{} is not a header name", quoted(name)))?;
    HeaderValue::from_str(value).map_err(|_| format!("the value of {} has a character no header has", quoted(name)))?;
    Ok((parsed, SecretString::from(value)))
}

impl SettingKind for Query {
    type Value = Vec<(String, String)>;

    fn parse(&self, raw: &Raw) -> Result<Self::Value, String> {
        pairs(raw, '&', '=')
    }

    fn takes(&self) -> String {
        "a table of names and values".to_owned()
    }

    fn show(&self, raw: &Raw) -> String {
        names(pairs(raw, '&', '='))
    }
}

impl SettingKind for Secret {
    type Value = SecretString;

    fn parse(&self, raw: &Raw) -> Result<SecretString, String> {
        parse_key(raw.text()?).map_err(|why| format!("it {why}"))
    }

    fn takes(&self) -> String {
        "one word, the key as it was given out".to_owned()
    }

    fn show(&self, _: &Raw) -> String {
        "set (hidden)".to_owned()
    }
}

impl SettingKind for IssuerAddress {
    type Value = String;

    fn parse(&self, raw: &Raw) -> Result<String, String> {
        // As text beside its URL, which would end `https://auth.example.com` in a slash: `iss` is compared letter by
        // letter. <https://www.rfc-editor.org/rfc/rfc7519#section-4.1.1>
        let text = text::bare(raw.text()?);
        let url = Url::parse(&text).map_err(|error| format!("it is not a URL ({error})"))?;
        if !may_be_issuer(&url) {
            return Err("it is not an https address, and not on this machine".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err("it has a user name, a `?` or a `#` in it".to_owned());
        }
        Ok(text)
    }

    fn takes(&self) -> String {
        "an https address such as `https://auth.example.com`".to_owned()
    }
}

impl SettingKind for ListenPlace {
    type Value = ListenAddress;

    fn parse(&self, raw: &Raw) -> Result<ListenAddress, String> {
        let text = raw.text()?;
        match text.strip_prefix("unix:").map(Path::new) {
            // A relative one would depend on the folder that the server happens to be started in.
            Some(path) if path.is_absolute() && cfg!(unix) => Ok(ListenAddress::Unix(path.to_owned())),
            Some(_) if cfg!(unix) => Err(format!("{} has no path that begins with `/`", quoted(text))),
            Some(_) => Err("there are no Unix sockets on this system".to_owned()),
            None => Address.parse(raw).map(ListenAddress::Tcp),
        }
    }

    fn takes(&self) -> String {
        format!("{}, or a Unix socket such as `unix:/run/mcp-openai.sock`", Address.takes())
    }
}

impl SettingKind for Networks {
    type Value = Proxies;

    fn parse(&self, raw: &Raw) -> Result<Proxies, String> {
        Proxies::parse(CommaList.parse(raw)?.iter().map(String::as_str))
            .map_err(|text| format!("{} is neither an IP address nor a network such as 10.0.0.0/8", quoted(text)))
    }

    fn takes(&self) -> String {
        format!("addresses such as `10.0.0.7` and networks such as `10.0.0.0/8`: {}", CommaList.takes())
    }
}

impl SettingKind for StoreUrl {
    type Value = PostgresUrl;

    fn parse(&self, raw: &Raw) -> Result<PostgresUrl, String> {
        PostgresUrl::parse(&text::bare(raw.text()?))
    }

    fn takes(&self) -> String {
        "a URL such as `postgres://user:password@host/database`".to_owned()
    }

    /// Without its password and parameters.
    fn show(&self, raw: &Raw) -> String {
        self.parse(raw).map_or_else(|_| "set (hidden)".to_owned(), |url| url.to_string())
    }
}

impl SettingKind for ImageStore {
    type Value = BucketUrl;

    fn parse(&self, raw: &Raw) -> Result<BucketUrl, String> {
        BucketUrl::parse(&text::bare(raw.text()?))
    }

    fn takes(&self) -> String {
        "a URL such as `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`, with credentials in the \
         environment (`AWS_*`, `GOOGLE_*`, `AZURE_*`)"
            .to_owned()
    }

    /// Nothing of what is none: it may have a password in it.
    fn show(&self, raw: &Raw) -> String {
        self.parse(raw).map_or_else(|_| "set (hidden)".to_owned(), |url| url.to_string())
    }
}

fn names(pairs: Result<Vec<(String, String)>, String>) -> String {
    Raw::Pairs(pairs.unwrap_or_default()).to_string()
}

fn pairs(raw: &Raw, between: char, within: char) -> Result<Vec<(String, String)>, String> {
    match raw {
        Raw::Pairs(pairs) => Ok(pairs.clone()),
        Raw::List(_) => Err("it is a list and has to be a table".to_owned()),
        Raw::Text(text) => {
            text.split(between).filter(|part| !part.trim().is_empty()).map(|p| pair(p, within)).collect()
        }
    }
}

fn pair(text: &str, within: char) -> Result<(String, String), String> {
    let (name, value) = text.split_once(within).ok_or_else(|| format!("a part of it has no `{within}`"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
