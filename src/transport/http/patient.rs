//! A socket whose peer must read: a write that makes no progress for too long ends the connection.

use std::{
    future::Future as _,
    io::{self, ErrorKind, IoSlice},
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::{
    listener::Accepted,
    refusals::{NotedRefusal, Refusals},
    unreadable,
};

/// Time for which a peer may read nothing while something is there for it: what it does not read is this server's
/// memory.
// 60 answers of 15 MB that nobody reads are 380 MB until then (docs/deployment.md, "Sizing").
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct PatientSocket {
    socket: Accepted,
    /// Bytes that were read of it already.
    begun: Bytes,
    gives_up: Pin<Box<Sleep>>,
    /// A write waits for the peer.
    is_stuck: bool,
    /// The rest of what is written in place of what is to be written now.
    instead: Option<Bytes>,
    refusals: Refusals,
    peer: IpAddr,
}

impl PatientSocket {
    /// `begun` is what was read of it already.
    pub(super) fn new(socket: Accepted, begun: Bytes, refusals: Refusals, peer: IpAddr) -> Self {
        let gives_up = Box::pin(sleep(PATIENCE));
        Self { socket, begun, gives_up, is_stuck: false, instead: None, refusals, peer }
    }

    fn write(&mut self, bytes: &[u8], context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.unless_stuck(written, context)
    }

    /// Passes on the outcome of a write, unless it has waited for too long.
    fn unless_stuck<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.is_stuck = false;
            return written;
        }
        if !self.is_stuck {
            self.is_stuck = true;
            self.gives_up.as_mut().reset(Instant::now() + PATIENCE);
        }
        ready!(self.gives_up.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the peer reads nothing")))
    }
}

impl AsyncRead for PatientSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.begun.is_empty() {
            return Pin::new(&mut self.socket).poll_read(context, buffer);
        }
        let most = buffer.remaining().min(self.begun.len());
        buffer.put_slice(&self.begun.split_to(most));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PatientSocket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.instead.is_none()
            && let Some(answer) = unreadable::explained(bytes)
        {
            // No request came about that the service could refuse.
            self.refusals.refuse(answer.status, &NotedRefusal::new(None, answer.reason), self.peer, None);
            self.instead = Some(answer.bytes.into());
        }
        // hyper is told that all of its bytes are written only once all of these are.
        while let Some(mut left) = self.instead.clone() {
            let written = ready!(self.write(&left, context))?;
            if written == 0 {
                return Poll::Ready(Ok(0));
            }
            self.instead = Some(left.split_off(written)).filter(|left| !left.is_empty());
            if self.instead.is_none() {
                return Poll::Ready(Ok(bytes.len()));
            }
        }
        self.write(bytes, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // hyper writes what it answers by itself in one piece.
        if let [only] = slices {
            return self.poll_write(context, only);
        }
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.unless_stuck(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Over TLS the end is a record like any other (RFC 8446, 6.1), behind all that is not read yet: without a bound
        // a peer that reads nothing would keep its place for ever.
        let ended = Pin::new(&mut self.socket).poll_shutdown(context);
        self.unless_stuck(ended, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// Takes neither bytes nor an end, as a TLS connection does whose peer reads nothing.
    struct UnreadSocket;

    impl AsyncRead for UnreadSocket {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for UnreadSocket {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn h04_neither_a_write_nor_an_end_waits_for_ever() {
        let socket = Box::new(UnreadSocket);
        let peer = std::net::Ipv4Addr::LOCALHOST.into();
        let mut socket = PatientSocket::new(socket, Bytes::new(), Refusals::default(), peer);
        assert_eq!(socket.write_all(b"answer").await.unwrap_err().kind(), ErrorKind::TimedOut);
        socket.is_stuck = false;
        assert_eq!(socket.shutdown().await.unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
