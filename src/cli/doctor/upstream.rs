//! The upstream: whether it answers, why not, and whether its clock and this machine's agree.

use std::time::{Duration, SystemTime};

use url::Url;

use super::{Finding, models::PATIENCE};
use crate::{
    app::App,
    cli::{exit, upstream_name},
    model::ListedModel,
    openai::{self, Error, Failure, Meta, OpenAi, Reply, UnreachableClass, Vendor},
    text,
    tools::upkeep::Upkeep,
};

const CHECK: &str = "upstream";

/// The most that clocks may differ: beyond it certificates break, and the days of budgets.
const MOST_DRIFT: Duration = Duration::from_mins(5);

/// Asks for the list of models, which costs nothing.
pub(super) async fn examine(app: &App) -> (Vec<Finding>, Option<Vec<ListedModel>>) {
    // Not the list that is remembered: the question is if the upstream answers now.
    let answer = app.list_models.upkeep.read(PATIENCE).await;
    let mut findings = vec![finding(&answer, upstream_name(&app.config))];
    let meta = match &answer {
        Ok(reply) => &reply.meta,
        Err(failure) => &*failure.meta,
    };
    findings.extend(drift(meta, SystemTime::now()));
    if let Err(failure) = &answer
        && let Some(better) = below_v1(app, failure).await
    {
        let message = format!("an OpenAI-compatible API answers at {better}, not at openai.base_url");
        findings.push(Finding::failed(
            CHECK,
            message,
            &format!("set OPENAI_BASE_URL to {better}"),
            exit::CONFIGURATION,
        ));
    }
    (findings, answer.ok().map(|reply| reply.value))
}

pub(super) fn finding(answer: &Result<Reply<Vec<ListedModel>>, Failure>, host: &str) -> Finding {
    match answer {
        Ok(reply) => {
            let (models, latency) = (reply.value.len(), reply.meta.latency.as_millis());
            Finding::fine(CHECK, format!("{host} answers within {latency} ms and lists {models} models"))
        }
        Err(failure) => Finding::failed(CHECK, failure.to_string(), remedy(failure), exit::of_failure(failure)),
    }
}

fn remedy(failure: &Failure) -> &'static str {
    match &failure.error {
        Error::Unauthorized { .. } => "check the key, and where it comes from",
        Error::Unreachable { class: UnreachableClass::Tls(why), .. } if why.contains("expired") => {
            "check this machine's date and time; a certificate that has really expired is the upstream's to renew"
        }
        Error::Unreachable { class: UnreachableClass::Tls(_), .. } => {
            "a proxy or a security program may be opening the connection: have its certificate authority put into the \
             system's store, or except the host from it"
        }
        Error::Unreachable { class: UnreachableClass::Proxy(_), .. } => {
            "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY; NO_PROXY names the hosts that are reached without it"
        }
        Error::Unreachable { .. } | Error::TimedOut { .. } if failure.meta.vendor == Vendor::Another => {
            "check the network, HTTPS_PROXY and openai.base_url"
        }
        Error::Unreachable { .. } | Error::TimedOut { .. } => {
            "check the network, HTTPS_PROXY and openai.base_url; status.openai.com shows outages"
        }
        Error::KeyUnreadable(_) => "unlock the keyring, make the key file readable, or the command print the key",
        Error::Compressed { .. } => "have the server or the proxy at openai.base_url send its answers uncompressed",
        Error::BadResponse { .. } | Error::Redirected { .. } => {
            "something else answers at openai.base_url: a login page of the network, or a server that speaks no OpenAI API"
        }
        Error::ModelNotFound { .. } | Error::Refused { .. } => {
            "check openai.base_url, which ends in /v1 for most servers; one without a list of models may work all the same"
        }
        error => error.traits().code.remedy(),
    }
}

/// The same URL with `/v1`, where an API answers there and not without.
async fn below_v1(app: &App, failure: &Failure) -> Option<Url> {
    let wrong_place =
        matches!(failure.error, Error::Refused { .. } | Error::BadResponse { .. } | Error::ModelNotFound { .. });
    let base_url = &app.config.openai.base_url;
    let path = base_url.path().trim_end_matches('/');
    if !wrong_place || path.ends_with("/v1") {
        return None;
    }
    let mut below = base_url.clone();
    below.set_path(&format!("{path}/v1"));
    // One look, without retries, which counts against no shared pace.
    let openai = OpenAi::build(openai::Config { base_url: below.clone(), max_retries: 0, ..app.config.openai.clone() });
    openai.models(&Upkeep::terms(PATIENCE)).await.ok()?;
    // It is shown, and a gateway's address may have a key in it.
    let _ = (below.set_username(""), below.set_password(None));
    below.set_query(None);
    Some(below)
}

fn drift(meta: &Meta, now: SystemTime) -> Option<Finding> {
    let theirs = meta.date?;
    let (amount, direction) = match now.duration_since(theirs) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    let minutes = Duration::from_mins(amount.as_secs() / 60);
    let message = || format!("this machine's clock is {} {direction} the upstream's", text::duration(minutes));
    (amount > MOST_DRIFT).then(|| Finding::doubtful("clock", message(), "have the system set its clock by the network"))
}
