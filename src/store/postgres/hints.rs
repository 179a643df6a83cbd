//! Notifications of other replicas, heard on one connection of its own: that something is new of a job, messages for
//! sessions that several have open, and whose pictures have changed.
//!
//! Whoever listens needs a session. Where there is none, as behind PgBouncer in transaction mode, nothing is heard of a
//! notification of one's own, and the connection is given up: jobs are polled in any case.

use std::{
    pin::pin,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_postgres::{AsyncMessage, Client, Connection, Socket};
use tokio_util::sync::CancellationToken;

use super::{
    address::PostgresUrl,
    engine::{HeardNotices, PostgresEngine, PostgresState, connector},
    fault::PostgresFault,
    values::{unescaped, values},
};
use crate::{handle::Owner, store::sessions::SessionMessage};

/// The longest time that a notification of one's own may take to come back, before the connection counts as deaf.
const ECHO: Duration = Duration::from_secs(5);
/// Time between two tries to connect; then twice as long, up to [`LONGEST_RETRY`].
const RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_mins(1);

/// The channel on which owners are told whose pictures have changed.
const GALLERIES: &str = "mcp_openai_galleries";

type Messages = BoxStream<'static, Result<AsyncMessage, tokio_postgres::Error>>;

/// Reasons for which nothing more is heard.
enum ListenFailure {
    /// The connection broke, or could not be made.
    Fault(PostgresFault),
    /// It has no session, as behind PgBouncer in transaction mode.
    Deaf,
}

/// Listens until the store is gone.
pub(super) async fn run(state: Weak<PostgresState>, notices: HeardNotices, closed: CancellationToken) {
    let mut pause = RETRY;
    while let Some(engine) = state.upgrade().map(PostgresEngine) {
        let (url, began) = (engine.0.url.clone(), Instant::now());
        let heard = closed.run_until_cancelled(Box::pin(hear(&url, engine, &notices))).await;
        match heard {
            None => return,
            Some(ListenFailure::Deaf) => {
                tracing::info!("no notifications come from the store (PgBouncer?): jobs of other servers are polled");
                return;
            }
            Some(ListenFailure::Fault(fault)) => {
                tracing::debug!(error = %fault.at(url.place()), "notifications of the store are not heard for now");
            }
        }
        if began.elapsed() > LONGEST_RETRY {
            pause = RETRY;
        }
        if closed.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
        pause = (pause * 2).min(LONGEST_RETRY);
    }
}

/// Listens for as long as the connection lives.
async fn hear(url: &PostgresUrl, engine: PostgresEngine, notices: &HeardNotices) -> ListenFailure {
    let (client, mut messages) = match connect(url).await {
        Ok(connected) => connected,
        Err(fault) => return ListenFailure::Fault(fault),
    };
    let (echo, own) = (Notify::new(), engine.process().id);
    let hearing = async {
        while let Some(message) = messages.next().await {
            match message {
                // Nobody may wait for it here.
                Ok(AsyncMessage::Notification(told)) if told.channel() == GALLERIES => {
                    if let Some(owner) = changed(&unescaped(told.payload()), own) {
                        drop(notices.galleries.send(owner));
                    }
                }
                // A number is that of a job, or this process's own, sent to hear if anything comes back.
                Ok(AsyncMessage::Notification(told)) => match told.payload().parse() {
                    Ok(job) if job == own => echo.notify_one(),
                    Ok(job) => drop(notices.jobs.send(job)),
                    Err(_) => passed_on(&unescaped(told.payload()), own)
                        .into_iter()
                        .for_each(|message| drop(notices.messages.send(Arc::new(message)))),
                },
                Ok(_) => {}
                Err(error) => return error.into(),
            }
        }
        PostgresFault::Away("the connection was closed".to_owned())
    };
    let listening = async {
        // Before the notification of one's own: it would be sent before anybody listens.
        let listen = format!("LISTEN mcp_openai_jobs; LISTEN mcp_openai_sessions; LISTEN {GALLERIES}");
        if let Err(error) = client.batch_execute(&listen).await {
            return ListenFailure::Fault(error.into());
        }
        let notify = "SELECT pg_notify('mcp_openai_jobs', $1::text)";
        if let Err(fault) = engine.run(notify, values![own]).await {
            return ListenFailure::Fault(fault);
        }
        // Held no longer: the store may go.
        drop(engine);
        match timeout(ECHO, echo.notified()).await {
            Ok(()) => std::future::pending().await,
            Err(_) => ListenFailure::Deaf,
        }
    };
    let (hearing, listening) = (pin!(hearing), pin!(listening));
    tokio::select! {
        fault = hearing => ListenFailure::Fault(fault),
        unheard = listening => unheard,
    }
}

/// A message of another process: its id, the session and the message, a line each; an empty one ends the session.
fn passed_on(payload: &str, own: i64) -> Option<SessionMessage> {
    let (from, told) = payload.split_once('\n')?;
    let (session, message) = told.split_once('\n')?;
    let is_own = from.parse() == Ok(own);
    let message = Some(message.to_owned()).filter(|message| !message.is_empty());
    (!is_own).then(|| SessionMessage { session: session.to_owned(), message })
}

/// The owner whose pictures another process has changed: its id and the owner, a line each.
fn changed(payload: &str, own: i64) -> Option<Owner> {
    let (from, owner) = payload.split_once('\n')?;
    (from.parse() != Ok(own)).then(|| Owner(owner.to_owned()))
}

async fn connect(url: &PostgresUrl) -> Result<(Client, Messages), PostgresFault> {
    let config = url.config()?;
    let (client, connection) = config.connect(connector(url)?).await?;
    Ok((client, messages(connection)))
}

/// The messages of a connection, which is driven by reading them.
fn messages<T>(mut connection: Connection<Socket, T>) -> Messages
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    stream::poll_fn(move |context| connection.poll_message(context)).boxed()
}
