//! stdin and stdout as asynchronous streams. Pipes and sockets (which Node hosts give) are polled; anything else, files
//! and terminals, goes through threads.

use std::io;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

pub(super) type Input = Box<dyn AsyncRead + Send + Unpin>;

pub(super) struct Output {
    pub stream: Box<dyn AsyncWrite + Send + Unpin>,
    /// Resolves when the other end is gone, where that can be seen without a write.
    pub gone: BoxFuture<'static, ()>,
}

/// # Errors
/// When a descriptor is closed or cannot be duplicated.
pub(super) fn open() -> io::Result<(Input, Output)> {
    #[cfg(unix)]
    return Ok((pollable::input()?, pollable::output()?));
    #[cfg(not(unix))]
    Ok((threaded_input(), threaded_output()))
}

fn threaded_output() -> Output {
    Output { stream: Box::new(tokio::io::stdout()), gone: Box::pin(std::future::pending()) }
}

/// A thread of our own instead of tokio's pool: a read that never returns must not hold up the end of the process.
fn threaded_input() -> Input {
    // One chunk: a host that writes faster than is read is held up by its pipe, and not by memory here.
    // tokio's own stdin would hold up the end of the runtime until the next line comes.
    // <https://docs.rs/tokio/latest/tokio/io/fn.stdin.html>
    let (chunks, mut received) = tokio::sync::mpsc::channel(1);
    let read = move || {
        let mut stdin = std::io::stdin().lock();
        loop {
            let mut chunk = vec![0; 64 * 1024];
            let read = io::Read::read(&mut stdin, &mut chunk);
            // A signal came, and nothing is wrong. <https://doc.rust-lang.org/std/io/trait.Read.html#errors>
            if matches!(&read, Err(error) if error.kind() == io::ErrorKind::Interrupted) {
                continue;
            }
            let chunk = read.map(|length| {
                chunk.truncate(length);
                bytes::Bytes::from(chunk)
            });
            let last = !matches!(&chunk, Ok(chunk) if !chunk.is_empty());
            if chunks.blocking_send(chunk).is_err() || last {
                return;
            }
        }
    };
    // Never joined: it may wait in a read for as long as the process lives.
    std::thread::spawn(read);
    let stream = futures_util::stream::poll_fn(move |context| received.poll_recv(context));
    Box::new(tokio_util::io::StreamReader::new(stream))
}

#[cfg(unix)]
mod pollable {
    use std::{
        fs::File,
        future::pending,
        io,
        os::{
            fd::{AsFd, OwnedFd},
            unix::{fs::FileTypeExt, net},
        },
    };

    use tokio::{
        io::Interest,
        net::{UnixStream, unix::pipe},
    };

    use super::{Input, Output, threaded_input, threaded_output};

    enum DescriptorKind {
        Pipe(OwnedFd),
        Socket(net::UnixStream),
        Other,
    }

    pub(super) fn input() -> io::Result<Input> {
        Ok(match kind(&io::stdin())? {
            DescriptorKind::Pipe(fd) => {
                // Linux alone has /proc; elsewhere the descriptor itself is made non-blocking.
                let reopened = pipe::OpenOptions::new().open_receiver("/proc/self/fd/0");
                Box::new(reopened.or_else(|_| pipe::Receiver::from_owned_fd(fd))?)
            }
            DescriptorKind::Socket(socket) => Box::new(UnixStream::from_std(socket)?),
            DescriptorKind::Other => threaded_input(),
        })
    }

    pub(super) fn output() -> io::Result<Output> {
        Ok(match kind(&io::stdout())? {
            DescriptorKind::Pipe(fd) => {
                // A descriptor of its own for each: epoll takes one only once (EEXIST, epoll_ctl(2)).
                let stream = Box::new(sender(fd.try_clone()?)?);
                Output { stream, gone: Box::pin(reader_is_gone(sender(fd)?)) }
            }
            DescriptorKind::Socket(socket) => {
                let stream = Box::new(UnixStream::from_std(socket.try_clone()?)?);
                Output { stream, gone: Box::pin(peer_is_gone(UnixStream::from_std(socket)?)) }
            }
            DescriptorKind::Other => threaded_output(),
        })
    }

    fn kind(stream: &impl AsFd) -> io::Result<DescriptorKind> {
        let file = File::from(stream.as_fd().try_clone_to_owned()?);
        let kind = file.metadata()?.file_type();
        let fd = OwnedFd::from(file);
        if kind.is_fifo() {
            return Ok(DescriptorKind::Pipe(fd));
        }
        if !kind.is_socket() {
            return Ok(DescriptorKind::Other);
        }
        let socket = net::UnixStream::from(fd);
        // Seen by whoever shares it: unlike a pipe, a socket cannot be opened anew by /proc (ENXIO, open(2)).
        socket.set_nonblocking(true)?;
        Ok(DescriptorKind::Socket(socket))
    }

    /// A pipe opened anew has a mode of its own: that ours is non-blocking stays unseen by whoever shares the old one.
    fn sender(fd: OwnedFd) -> io::Result<pipe::Sender> {
        let reopened = pipe::OpenOptions::new().open_sender("/proc/self/fd/1");
        reopened.or_else(|_| pipe::Sender::from_owned_fd(fd))
    }

    async fn reader_is_gone(pipe: pipe::Sender) {
        // A pipe whose readers have closed it reports an error without being written to (POLLERR, poll(2)).
        if pipe.ready(Interest::ERROR).await.is_err() {
            // A look that fails says nothing of the reader; the next write will.
            pending::<()>().await;
        }
    }

    /// Nobody writes to our stdout: what can be read there is its end. A peer that only stopped writing still reads.
    async fn peer_is_gone(socket: UnixStream) {
        let ended = socket.ready(Interest::READABLE).await.is_ok();
        let both = socket.ready(Interest::READABLE | Interest::WRITABLE).await;
        if !ended || !both.is_ok_and(tokio::io::Ready::is_write_closed) {
            pending::<()>().await;
        }
    }
}
