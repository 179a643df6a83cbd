//! `--check-updates`: whether there is a newer release. Asked for each time, never by itself.

use serde::Deserialize;

use super::{Finding, models::PATIENCE};
use crate::{app::App, text, tools::upkeep::Upkeep};

const CHECK: &str = "release";

/// <https://crates.io/data-access>: what is published there is a release.
const RELEASES: &str = "https://crates.io/api/v1/crates/mcp-openai";

#[derive(Deserialize)]
struct PublishedCrate {
    #[serde(rename = "crate")]
    about: PublishedVersions,
}

#[derive(Deserialize)]
struct PublishedVersions {
    /// `None` where every release was yanked, or is a preview.
    max_stable_version: Option<String>,
}

pub(super) async fn examine(app: &App) -> Finding {
    // By the guarded download, with which no key goes along.
    match app.openai.download(RELEASES, &Upkeep::terms(PATIENCE)).await {
        Ok(answer) => judge(&answer, env!("CARGO_PKG_VERSION")),
        Err(failure) => {
            tracing::debug!(%failure, "crates.io cannot be asked");
            unknown("crates.io cannot be reached without a proxy from here")
        }
    }
}

fn judge(answer: &[u8], ours: &str) -> Finding {
    let Ok(PublishedCrate { about }) = serde_json::from_slice(answer) else {
        return unknown("the answer of crates.io cannot be read");
    };
    match about.max_stable_version {
        Some(newest) if numbers(&newest) > numbers(ours) => {
            let message = format!("{} is out; this is {ours}", text::brief(&newest, 40));
            let remedy = "install it over this one, as you did this one: nothing that is kept is lost";
            Finding::doubtful(CHECK, message, remedy)
        }
        Some(_) | None => Finding::fine(CHECK, format!("{ours} is the newest")),
    }
}

fn unknown(why: &str) -> Finding {
    Finding::doubtful(CHECK, format!("newer releases cannot be looked for: {why}"), "try again later")
}

/// `1.2.3` as three numbers; a preview counts as the release before which it comes.
fn numbers(version: &str) -> Vec<u64> {
    // By numbers, since 0.10.0 is newer than 0.9.1.
    let release = version.split(['-', '+']).next().unwrap_or_default();
    release.split('.').map(|number| number.parse().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_release_is_told_and_an_older_or_unreadable_one_is_not() {
        let told = |newest: &str, ours| {
            let answer = format!(r#"{{"crate":{{"max_stable_version":{newest},"name":"mcp-openai"}},"versions":[]}}"#);
            anstream::adapter::strip_str(&judge(answer.as_bytes(), ours).to_string()).to_string()
        };
        assert!(told("\"0.10.0\"", "0.9.1").contains("0.10.0 is out; this is 0.9.1"));
        for (newest, ours) in
            [("\"0.9.1\"", "0.9.1"), ("\"0.9.0\"", "0.10.0"), ("\"1.0.0\"", "1.0.0-rc.1"), ("null", "0.1.0")]
        {
            assert!(told(newest, ours).contains("is the newest"), "{newest} {ours}");
        }
        assert!(judge(b"<html>", "0.1.0").to_string().contains("cannot be looked for"));
    }
}
