//! The URL of a database: read once, shown without its password.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};
use url::form_urlencoded;

use crate::text;

/// The longest wait for a connection, unless `connect_timeout` stands in the URL.
const CONNECT: Duration = Duration::from_secs(5);
/// A server that answers nothing for this long is gone. Linux alone would resend for 15 minutes, and probe an idle
/// connection after two hours. <https://docs.kernel.org/networking/ip-sysctl.html>
const SILENCE: Duration = Duration::from_secs(15);

/// A `postgres://` URL that is right, as far as one can see without connecting.
#[derive(Clone)]
pub struct PostgresUrl {
    /// Without `sslmode` and `sslrootcert`.
    url: SecretString,
    place: Arc<str>,
    encryption: Encryption,
}

/// The protection of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encryption {
    Off,
    /// TLS, and a certificate for the host's name by an issuer that this machine trusts, or one of this file.
    Verified {
        issuers: Option<PathBuf>,
    },
}

impl PostgresUrl {
    /// Reads a URL such as `postgres://user:password@host:5432/database`. Connections to other machines are encrypted
    /// and verified unless `sslmode=disable` stands in it; those to this machine are plain unless it says `require`.
    ///
    /// # Errors
    /// The reason why it is not one: another scheme, no host, an unknown `sslmode` or parameter, a port that is not a
    /// number. No value of the URL stands in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err("it is not a postgres:// URL".to_owned());
        }
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        // Taken out here: the driver knows neither `sslrootcert` nor `sslmode=verify-full`, and refuses both.
        let (mut mode, mut issuers, mut others) = (None, None, Vec::new());
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let value = || form_urlencoded::parse(part.as_bytes()).next().map(|(_, value)| value.into_owned());
            match part.split('=').next() {
                Some("sslmode") => mode = value(),
                Some("sslrootcert") => issuers = value().map(PathBuf::from),
                _ => others.push(part),
            }
        }
        let url = format!("{base}?{}", others.join("&"));
        let config =
            Config::from_str(&url).map_err(|error| format!("it cannot be read: {}", text::root_cause(&error)))?;
        if config.get_hosts().is_empty() {
            return Err("it names no host".to_owned());
        }
        // `require` verifies, too: libpq's would take anybody's certificate, and so whoever stands between. `prefer` is
        // refused, because it goes on in plain text when TLS fails.
        // <https://www.postgresql.org/docs/current/libpq-ssl.html>
        let encryption = match mode.as_deref() {
            None if issuers.is_none() && is_all_here(&config) => Encryption::Off,
            Some("disable") => Encryption::Off,
            None | Some("require" | "verify-ca" | "verify-full") => Encryption::Verified { issuers },
            Some(_) => return Err("its sslmode is none of disable, require, verify-full".to_owned()),
        };
        Ok(Self { place: place(&config).into(), url: url.into(), encryption })
    }

    /// The URL without its password and parameters.
    pub(super) fn place(&self) -> Arc<str> {
        self.place.clone()
    }

    pub(super) fn encryption(&self) -> &Encryption {
        &self.encryption
    }

    /// The settings of a connection.
    pub(super) fn config(&self) -> Result<Config, tokio_postgres::Error> {
        let mut config = Config::from_str(self.url.expose_secret())?;
        config.ssl_mode(match self.encryption {
            Encryption::Off => SslMode::Disable,
            Encryption::Verified { .. } => SslMode::Require,
        });
        // In `pg_stat_activity` an administrator sees whose connection it is.
        if config.get_application_name().is_none() {
            config.application_name("mcp-openai");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        config.keepalives_idle(SILENCE).tcp_user_timeout(SILENCE);
        Ok(config)
    }
}

fn is_all_here(config: &Config) -> bool {
    let is_here = |host: &Host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    // `hostaddr` is where the driver connects to, whatever the host is called.
    config.get_hosts().iter().all(is_here) && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

fn place(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(at, host)| {
        // One port is that of all hosts.
        // <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS>
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) if name.contains(':') => format!("[{name}]:{port}"),
            Host::Tcp(name) => format!("{name}:{port}"),
            #[cfg(unix)]
            Host::Unix(folder) => folder.display().to_string(),
        }
    });
    let hosts: Vec<_> = hosts.collect();
    let user = config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("postgres://{user}{}/{database}", hosts.join(","))
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresUrl").field(&self.place).finish()
    }
}

impl PartialEq for PostgresUrl {
    fn eq(&self, other: &Self) -> bool {
        self.url.expose_secret() == other.url.expose_secret() && self.encryption == other.encryption
    }
}

impl Eq for PostgresUrl {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> PostgresUrl {
        PostgresUrl::parse(text).unwrap()
    }

    #[test]
    fn i07_a_url_is_shown_without_its_password() {
        for (text, shown) in [
            ("postgres://me:canary@db.example/x", "postgres://me@db.example:5432/x"),
            ("postgresql://me:canary@a,b:1/x?password=canary", "postgres://me@a:5432,b:1/x"),
            ("postgres://me:c%61nary@[::1]:99", "postgres://me@[::1]:99/me"),
            ("postgres:///x?host=/run/postgresql&user=me&password=canary", "postgres://me@/run/postgresql/x"),
        ] {
            let url = parse(text);
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("canary"), "{url:?}");
        }
        for wrong in ["mysql://me:canary@a/x", "postgres://me:canary@a:canary/x", "postgres://me:canary@a/x?canary=1"] {
            let error = PostgresUrl::parse(wrong).unwrap_err();
            assert!(!error.contains("me:canary"), "{error}");
        }
    }

    #[test]
    fn other_machines_are_reached_encrypted_unless_the_url_says_otherwise() {
        let verified = Encryption::Verified { issuers: None };
        for (text, encryption) in [
            ("postgres://me@db.example/x", verified.clone()),
            ("postgres://me@127.0.0.1,db.example/x", verified.clone()),
            ("postgres://me@db.example/x?sslmode=disable", Encryption::Off),
            ("postgres://me@localhost/x", Encryption::Off),
            ("postgres://me@localhost/x?hostaddr=192.0.2.1", verified.clone()),
            ("postgres://me@[::1]/x?sslmode=verify-full", verified.clone()),
            (
                "postgres://me@db.example/x?sslrootcert=%2Fetc%2Fca.pem",
                Encryption::Verified { issuers: Some("/etc/ca.pem".into()) },
            ),
        ] {
            assert_eq!(parse(text).encryption, encryption, "{text}");
        }
        // It would go on in plain text where TLS fails.
        assert!(PostgresUrl::parse("postgres://me@db.example/x?sslmode=prefer").is_err());
    }
}
