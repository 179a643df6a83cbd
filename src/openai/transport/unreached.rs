//! Reasons why a request got no answer: the HTTP client's error read down to its cause, in words without secrets.

use std::{error::Error as StdError, io};

use hyper_util::client::proxy::matcher::Matcher;
use rustls::CertificateError;
use url::Url;

use super::{sending::Extent, upload::Broken};
use crate::{
    openai::{
        failure::error::{Billing, Error, Timer, UnreachableClass},
        is_loopback,
        limits::retry::{Resend, Silence, Symptom},
    },
    text::root_cause,
};

/// A request that got no answer.
pub(crate) struct Unreached<'a> {
    pub error: reqwest::Error,
    pub url: &'a Url,
    pub connect_timeout: std::time::Duration,
    pub resend: Resend,
    pub extent: Extent,
}

impl Unreached<'_> {
    /// Reads the error, and whether to try again.
    pub(crate) fn read(self) -> (Error, Symptom) {
        // First: for reqwest it is a failure to connect as well as a timeout.
        if self.error.is_connect() && self.error.is_timeout() {
            let timer = Timer::Connect(self.connect_timeout);
            return (Error::TimedOut { timer, may_be_billed: Billing::No }, Symptom::NotSent);
        }
        // Before the failures to connect, of which it is one for reqwest: a certificate is not worth another try.
        if let Some(why) = tls_cause(&self.error) {
            return (self.unreachable(UnreachableClass::Tls(why)), Symptom::Final);
        }
        if self.error.is_connect() {
            let class = self.connect_class();
            return (self.unreachable(class), Symptom::NotSent);
        }
        // Our own body ended it: a file that can be read no more.
        if let Some(broken) = find::<Broken>(&self.error) {
            return (Error::BadReference { message: broken.to_string() }, Symptom::Final);
        }
        // No HTTP is spoken there, and none will be the next time.
        if let Some(why) = find::<hyper::Error>(&self.error).filter(|error| error.is_parse()) {
            let may_be_billed = match self.resend {
                Resend::Always => Billing::No,
                Resend::OnlyUnpaid => Billing::Possible,
            };
            let message = format!("it is not readable HTTP ({})", root_cause(why));
            return (Error::BadResponse { message, may_be_billed }, Symptom::Final);
        }
        // Whatever the request is for: half of one is not worked on.
        if self.extent == Extent::Part {
            return (self.unreachable(UnreachableClass::BrokenOff), Symptom::NotSent);
        }
        let symptom = Symptom::Unanswered(Silence::Broken);
        let error = match self.resend {
            Resend::Always => self.unreachable(UnreachableClass::Broken),
            Resend::OnlyUnpaid => Error::BadResponse {
                message: format!("the connection broke before it came ({})", root_cause(&self.error)),
                may_be_billed: Billing::Possible,
            },
        };
        (error, symptom)
    }

    fn connect_class(&self) -> UnreachableClass {
        if let Some(proxy) = proxy_for(self.url) {
            return UnreachableClass::Proxy(format!("{proxy}: {}", root_cause(&self.error)));
        }
        if self.error.is_dns() {
            return UnreachableClass::UnknownHost;
        }
        match find::<io::Error>(&self.error).map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => UnreachableClass::Refused,
            Some(
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof,
            ) => UnreachableClass::NotMade,
            _ => UnreachableClass::Other(root_cause(&self.error)),
        }
    }

    fn unreachable(&self, class: UnreachableClass) -> Error {
        Error::Unreachable { host: host_of(self.url), class }
    }
}

/// Host and port, never user, password, path or query.
pub(crate) fn host_of(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => "the upstream".to_owned(),
    }
}

/// Host and port of the proxy from the environment that this address goes through, without its credentials. None is
/// asked for this machine.
pub(crate) fn proxy_for(url: &Url) -> Option<String> {
    if is_loopback(url) {
        return None;
    }
    // By the crate that reqwest asks for its proxy: both find the same one.
    let intercept = Matcher::from_system().intercept(&url.as_str().parse().ok()?)?;
    let host = intercept.uri().host()?;
    Some(intercept.uri().port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

fn tls_cause(error: &reqwest::Error) -> Option<String> {
    let cause = find::<rustls::Error>(error)?;
    Some(match cause {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => "unknown certificate authority".to_owned(),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the certificate has expired".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is for another name".to_owned()
            }
            CertificateError::Other(why) => format!("the certificate is not acceptable: {}", why.0),
            other => other.to_string(),
        },
        other => other.to_string(),
    })
}

/// The first cause of this type, also where it is wrapped in an [`io::Error`].
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<T>() {
            return Some(found);
        }
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}
