//! One attempt at a request: what it came to, and what could make the same request succeed.

use std::time::SystemTime;

use http::{HeaderName, HeaderValue, StatusCode};
use url::Url;

use super::{Client, LONGEST_COMPLAINT, PlannedRequest, span};
use crate::{
    money::{Exposure, Metered},
    openai::{
        Deadline, Terms,
        failure::{
            complaint::Complaint,
            error::{Billing, Error, UnreachableClass},
            left_out::OmittedPart,
            meaning::CHECK_BASE_URL,
            objection::Objection,
        },
        key::CachedKey,
        kind::EndpointKind,
        limits::retry::{self, Advice, Silence, Symptom},
        trail::AttemptTrail,
        transport::{
            body::Body,
            connection::Connection,
            payload::Payload,
            sending::{Extent, Sending},
            unreached::{Unreached, host_of, proxy_for},
            wire,
        },
    },
};

/// One attempt: the call as it is sent now.
pub(crate) struct Attempt<'a> {
    pub call: &'a PlannedRequest<'a>,
    pub payload: &'a Payload,
    pub url: &'a Url,
    pub key: &'a CachedKey,
    pub terms: &'a Terms,
}

/// One attempt that came to nothing.
pub(crate) struct LostAttempt {
    pub error: Error,
    pub symptom: Symptom,
    pub remedy: Remedy,
    /// The upstream's bill for it all the same.
    pub metered: Metered,
}

/// A change that could make the same request succeed at once.
pub(crate) enum Remedy {
    None,
    OtherWay(Objection),
    OtherKey,
    /// The same in another form, or without a field: which.
    Other(Box<Payload>, Option<OmittedPart>),
}

impl Client {
    pub(crate) async fn attempt(
        &self,
        attempt: &Attempt<'_>,
        connection: &Connection,
        trail: &mut AttemptTrail,
    ) -> Result<Body, LostAttempt> {
        let Attempt { call, payload, url, key, terms } = *attempt;
        let mut request = connection.request(call.kind.method(), url, key);
        // With its exposure, before a byte is sent: from here on a call that is given up may be billed.
        let mut sending = Sending {
            progress: payload.load(&mut request),
            first_byte: self.first_byte_timeout(call.kind),
            idle: self.config.idle_timeout,
            terms,
            then: call.kind.waiting(),
            // To read a response again is not billed: it counts in an exposure that nobody asks.
            exposed: if call.kind.is_paid() { terms.exposure.begin() } else { Exposure::default().begin() },
        };
        let span = span::begin(call, &self.config.base_url, trail.attempts(), terms);
        // `traceparent` and its `tracestate` (W3C Trace Context), only while a collector is configured.
        request.headers_mut().extend(
            span.headers()
                .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::try_from(value).ok()?))),
        );
        trail.attempt(span);
        let answered = self.exchange(attempt, connection.http.execute(request), &mut sending, trail).await;
        match &answered {
            // Noted at once: the call may be given up before it is asked again.
            Err(miss) if miss.metered.is_reported() && call.kind.is_paid() => {
                terms.exposure.bill(miss.metered);
                // With it the attempt is taken back, also where it went up in part.
                sending.progress = None;
            }
            // A refusal, and what was never sent, is free. All else counts as possibly billed until its bill is known.
            Err(miss) if miss.error.traits().charge == Billing::No => sending.exposed.take_back(),
            Ok(_) | Err(_) => {}
        }
        answered
    }

    /// Waits for the answer's head, and reads an answer that is a failure.
    async fn exchange(
        &self,
        attempt: &Attempt<'_>,
        execute: impl Future<Output = reqwest::Result<reqwest::Response>>,
        sending: &mut Sending<'_>,
        trail: &mut AttemptTrail,
    ) -> Result<Body, LostAttempt> {
        let Attempt { call, url, key, terms, .. } = *attempt;
        let response = match sending.wait(execute).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let (resend, extent) = (call.kind.resend(), sending.extent());
                let connect_timeout = self.config.connect_timeout;
                let (error, symptom) = Unreached { error, url, connect_timeout, resend, extent }.read();
                return Err(LostAttempt { error, symptom, remedy: Remedy::None, metered: Metered::default() });
            }
            Err(timer) => {
                let (symptom, may_be_billed) = match sending.extent() {
                    Extent::Part => (Symptom::NotSent, Billing::No),
                    Extent::Whole => (Symptom::Unanswered(Silence::TimedOut), call.kind.billing()),
                };
                let error = Error::TimedOut { timer, may_be_billed };
                return Err(LostAttempt { error, symptom, remedy: Remedy::None, metered: Metered::default() });
            }
        };
        trail.headed(response.status().as_u16());
        let rate_limits = trail.read(response.headers(), |id| self.clean(id, key));
        if let Some(model) = call.model {
            // From failures, too: a 429 says best when to come back.
            self.governor.learn(&self.payer(key), model, rate_limits).await;
        }
        if !response.status().is_success() {
            return Err(self.read_failure(attempt, response).await);
        }
        let body = Body::new(response, self.body_limits(call.kind, terms.deadline));
        Ok(body.answering(sending.progress.take()))
    }

    /// Reads an answer with a failing status.
    async fn read_failure(&self, attempt: &Attempt<'_>, response: reqwest::Response) -> LostAttempt {
        let status = response.status();
        let advice = Advice::read(response.headers(), SystemTime::now());
        let (complaint, metered) = self.read_complaint(response, attempt.terms.deadline).await;
        // The proxy's answer, and not the upstream's: read as that, it would seem to be about the API key.
        let error = if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            let proxy = proxy_for(attempt.url).unwrap_or_else(|| "a proxy".to_owned());
            let class = UnreachableClass::Proxy(format!("{proxy}: it asks for a login"));
            Error::Unreachable { host: host_of(attempt.url), class }
        } else {
            let error = Error::of_status(status, &complaint, advice.wait, &self.key_origin());
            self.below_a_path(self.cleaned(error, attempt.key))
        };
        // A proxy that gave up says nothing of the picture, which may be made and billed all the same.
        let error = match error {
            Error::Overloaded { message, .. }
                if retry::is_given_up(status.as_u16()) && attempt.call.kind.billing() == Billing::Possible =>
            {
                Error::BadResponse { message, may_be_billed: Billing::Possible }
            }
            error => error,
        };
        // Used-up credit, moderation or a length does not pass, whatever the status and its advice say.
        let symptom = match complaint.exact() {
            Some(_) => Symptom::Final,
            // A picture that is billed is not asked for again.
            None if metered.is_reported() && attempt.call.kind == EndpointKind::Picture => Symptom::Final,
            None => Symptom::Status { code: status.as_u16(), advice: advice.or_wait(complaint.retry_after) },
        };
        let way = || Objection::read(status, &complaint);
        let remedy = match status.as_u16() {
            // A key in a file or a keyring may have been replaced while this process ran.
            401 => Remedy::OtherKey,
            _ if matches!(error, Error::Unauthorized { .. }) => Remedy::OtherKey,
            400 | 404 | 405 | 415 | 422 | 501 => {
                let other = attempt.payload.instead(status, &complaint, self.config.edit_transfer);
                let other = other.map(|(payload, without)| Remedy::Other(Box::new(payload), without));
                other.or_else(|| way().map(Remedy::OtherWay)).unwrap_or(Remedy::None)
            }
            // Some servers say by these that they lack an API. About anything else they mean what they say.
            403 | 410 | 500 | 503 if let Some(way) = way().filter(|way| way.is_about_the_api()) => {
                Remedy::OtherWay(way)
            }
            _ => Remedy::None,
        };
        LostAttempt { error, symptom, remedy, metered }
    }

    /// Hints at `/v1`: what is not found at a host's root is most often there.
    fn below_a_path(&self, error: Error) -> Error {
        match (error, self.config.base_url.path()) {
            (Error::Refused { message }, "/") if message.ends_with(CHECK_BASE_URL) => {
                let usual = self.config.base_url.join("v1").map_or_else(|_| "/v1".to_owned(), String::from);
                Error::Refused { message: format!("{message}, which has no path: most servers answer at {usual}") }
            }
            (error, _) => error,
        }
    }

    async fn read_complaint(&self, response: reqwest::Response, deadline: Deadline) -> (Complaint, Metered) {
        let status = response.status();
        // By the rules of a list: it takes no place in memory, and a rest that never comes costs nothing.
        let mut body = Body::new(response, self.body_limits(EndpointKind::List, deadline));
        let mut bytes = Vec::new();
        // Up to a limit: the page of a proxy may have no end.
        while bytes.len() < LONGEST_COMPLAINT
            && let Ok(Some(chunk)) = body.chunk().await
        {
            bytes.extend_from_slice(&chunk);
        }
        // Not unpacked here either: few bytes may become very many.
        if let Some(encoding) = body.packing(&bytes) {
            let message = format!("HTTP {status}; its reason is compressed ({encoding}), which was not asked for");
            return (Complaint { message, ..Complaint::default() }, Metered::default());
        }
        (Complaint::read(&bytes, status), wire::billed_failure(&bytes, &self.config.base_url))
    }
}
