//! Faults on request, for tests: see the guide for their grammar. Knows HTTP and nothing of what is answered.

use std::{convert::Infallible, io, time::Duration};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::Number;

use super::{
    MAX_REQUEST_BYTES, Shared,
    form::Fit,
    multipart,
    reply::{ApiError, TIERS},
};

/// A model of this name asks for a fault.
pub(crate) const MODEL_PREFIX: &str = "sandbox-fault:";
const HEADER: &str = "x-sandbox-fault";

/// Marks an answer that is not to be sent: the connection closes instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HangUp;

/// Wishes of a request for an otherwise usual answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Wishes {
    /// About this many bytes for a picture.
    pub weight: Option<usize>,
    /// Against its schema or not.
    pub fit: Fit,
    /// The service tier that the answer names, whichever was asked for.
    pub tier: Option<&'static str>,
    /// The cost that its usage names, in US$.
    pub cost: Option<Number>,
}

#[derive(Debug, Default, PartialEq)]
struct Fault {
    delay: Duration,
    answer: Answer,
    code: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    end: End,
    wishes: Wishes,
    path: Option<String>,
    times: Option<u32>,
}

#[derive(Debug, Default, PartialEq)]
enum Answer {
    #[default]
    Usual,
    Error(StatusCode),
    Html,
    HangUp,
    Silence,
}

/// The end of a body.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum End {
    #[default]
    Whole,
    /// After this many bytes the connection closes.
    Cut(usize),
    /// After this many bytes nothing more comes.
    Stall(usize),
}

impl Fault {
    fn parse(text: &str) -> Result<Self, ApiError> {
        let mut fault = Self::default();
        for part in text.split(',') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            fault.add(name, value).ok_or_else(|| {
                let message = format!("The sandbox does not know the fault '{part}'; GET / lists those it knows.");
                ApiError::invalid("invalid_fault", HEADER, message)
            })?;
        }
        Ok(fault)
    }

    fn add(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "status" => self.answer = Answer::Error(value.parse().ok()?),
            "code" => self.code = Some(value.to_owned()),
            "retry-after" | "retry-after-ms" | "x-should-retry" => {
                self.headers.push((name.parse().ok()?, value.parse().ok()?));
            }
            "delay" => self.delay = duration(value)?,
            "html" => self.answer = Answer::Html,
            "hangup" => self.answer = Answer::HangUp,
            "cut" => self.end = End::Cut(value.parse().ok()?),
            "stall" if value == "headers" => self.answer = Answer::Silence,
            "stall" if value == "body" => self.end = End::Stall(0),
            "stall" => self.end = End::Stall(value.parse().ok()?),
            "bytes" => self.wishes.weight = Some(size(value)?),
            "misfit" => self.wishes.fit = Fit::Broken,
            "tier" => self.wishes.tier = Some(TIERS.into_iter().find(|tier| *tier == value)?),
            "cost" => self.wishes.cost = Some(value.parse().ok()?),
            "path" => self.path = Some(value.to_owned()),
            "times" => self.times = Some(value.parse().ok()?),
            _ => return None,
        }
        Some(())
    }

    fn concerns(&self, path: &str) -> bool {
        self.path.as_deref().is_none_or(|end| path.ends_with(end))
    }

    async fn answer(&self, mut request: Request, next: Next) -> Response {
        tokio::time::sleep(self.delay).await;
        request.extensions_mut().insert(self.wishes.clone());
        match self.answer {
            Answer::Usual => next.run(request).await,
            Answer::Error(status) => ApiError::for_status(status, self.code.as_deref()).into_response(),
            Answer::Html => {
                Html("<!doctype html><title>Sign in</title><p>Sign in to use this network.</p>").into_response()
            }
            Answer::HangUp => (axum::Extension(HangUp), ()).into_response(),
            // It ends with its connection, which the client closes, or the stop.
            Answer::Silence => std::future::pending().await,
        }
    }
}

fn duration(text: &str) -> Option<Duration> {
    match text.strip_suffix("ms") {
        Some(number) => number.parse().ok().map(Duration::from_millis),
        None => text.strip_suffix('s')?.parse().ok().map(Duration::from_secs),
    }
}

fn size(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.strip_prefix(digits)? {
        "B" | "" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(unit)
}

/// Answers a request with the fault that it asks for, if it asks for one.
pub(crate) async fn inject(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let (request, wish) = match wish(request).await {
        Ok(read) => read,
        Err(error) => return error.into_response(),
    };
    let Some(text) = wish else { return next.run(request).await };
    let fault = match Fault::parse(&text) {
        Ok(fault) => fault,
        Err(error) => return error.into_response(),
    };
    // Counted by its text: all requests that ask for the same fault share its `times`. The path first, so that a
    // request to another one uses up none of them.
    if !fault.concerns(request.uri().path()) || fault.times.is_some_and(|times| shared.tally.count(&text) >= times) {
        return next.run(request).await;
    }
    let mut response = fault.answer(request, next).await;
    response.headers_mut().extend(fault.headers);
    end(response, fault.end)
}

/// Reads the fault that a request asks for: in its header, or as its model's name.
async fn wish(request: Request) -> Result<(Request, Option<String>), ApiError> {
    #[derive(Deserialize)]
    struct Named {
        model: Option<String>,
    }
    // The header first: then the body is not read here, and comes at its own pace.
    if let Some(text) = request.headers().get(HEADER) {
        let text = String::from_utf8_lossy(text.as_bytes()).into_owned();
        return Ok((request, Some(text)));
    }
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_REQUEST_BYTES).await.map_err(|_| ApiError::too_large())?;
    let model = match multipart::boundary(&head.headers) {
        Some(boundary) => multipart::parse(&body, &boundary).and_then(|parts| {
            let model = parts.into_iter().find(|part| part.name == "model")?;
            Some(String::from_utf8_lossy(&model.bytes).into_owned())
        }),
        None => serde_json::from_slice::<Named>(&body).ok().and_then(|named| named.model),
    };
    let text = model.and_then(|model| model.strip_prefix(MODEL_PREFIX).map(str::to_owned));
    Ok((Request::from_parts(head, Body::from(body)), text))
}

fn end(response: Response, end: End) -> Response {
    let (End::Cut(limit) | End::Stall(limit)) = end else { return response };
    let (mut head, body) = response.into_parts();
    // The length of the whole: its reader is to see that it was cut.
    if let Some(length) = body.size_hint().exact() {
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let sent = stream::unfold((body.into_data_stream(), limit), |(mut body, left)| async move {
        let chunk = if left == 0 { None } else { body.next().await };
        let chunk = chunk?.ok()?;
        let part = chunk.slice(..chunk.len().min(left));
        let left = left - part.len();
        Some((Ok::<Bytes, io::Error>(part), (body, left)))
    });
    let close = stream::once(async move {
        if let End::Stall(_) = end {
            std::future::pending::<Infallible>().await;
        }
        // What was sent so far is flushed only while the body has nothing to give.
        tokio::time::sleep(Duration::from_millis(5)).await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    Response::from_parts(head, Body::from_stream(sent.chain(close)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_whole_grammar() {
        let fault = Fault::parse(
            "status=503,code=x,retry-after=2,delay=250ms,cut=100,bytes=2MB,misfit,tier=default,cost=0.25,path=/models,times=3",
        );
        let expected = Fault {
            delay: Duration::from_millis(250),
            answer: Answer::Error(StatusCode::SERVICE_UNAVAILABLE),
            code: Some("x".to_owned()),
            headers: vec![(header::RETRY_AFTER, HeaderValue::from_static("2"))],
            end: End::Cut(100),
            wishes: Wishes {
                weight: Some(2_000_000),
                fit: Fit::Broken,
                tier: Some("default"),
                cost: Number::from_f64(0.25),
            },
            path: Some("/models".to_owned()),
            times: Some(3),
        };
        assert_eq!(fault, Ok(expected));
        for (text, answer, end) in [
            ("html", Answer::Html, End::Whole),
            ("hangup", Answer::HangUp, End::Whole),
            ("stall=headers", Answer::Silence, End::Whole),
            ("stall=body", Answer::Usual, End::Stall(0)),
            ("stall=7", Answer::Usual, End::Stall(7)),
        ] {
            assert_eq!(Fault::parse(text), Ok(Fault { answer, end, ..Fault::default() }), "{text}");
        }
    }
}
