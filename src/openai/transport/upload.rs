//! A request body that is sent from where it lies: text in memory, pictures in memory or in open files, read a chunk at
//! a time off the async threads. Its length is known before it is read. Knows nothing of what the parts mean.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    vec,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
};

use crate::media::Content;

/// Bytes read at once: divisible by 3, so that base64 needs no padding before the end.
const CHUNK: usize = 192 * 1024;

#[derive(Debug, Clone)]
pub(crate) struct FormPart {
    content: Content,
    coding: Coding,
    /// Its name for the error when it cannot be read.
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    AsItIs,
    Base64,
}

/// Bytes of a body that have been handed to the connection, whose buffers may still hold the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    pub handed: u64,
    pub total: u64,
}

/// The body cannot be read, or nobody waits for its answer any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("{name} could not be read while it was being sent ({why})")]
    Unreadable { name: String, why: String },
    #[error("the request was given up")]
    GivenUp,
}

/// The body. It ends early once its progress is no longer followed: nobody wants the rest.
#[derive(Debug)]
pub(crate) struct Upload {
    parts: vec::IntoIter<FormPart>,
    part: Option<FormPart>,
    /// Offset of the next chunk of `part`.
    offset: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    progress: watch::Sender<Progress>,
}

impl FormPart {
    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        Self { content: Content::Memory(text.into()), coding: Coding::AsItIs, name: String::new() }
    }

    pub(crate) fn picture(content: Content, coding: Coding, name: String) -> Self {
        Self { content, coding, name }
    }

    /// In bytes, as it is sent.
    fn length(&self) -> u64 {
        match self.coding {
            Coding::AsItIs => self.content.length(),
            Coding::Base64 => self.content.length().div_ceil(3) * 4,
        }
    }

    fn chunk(&self, offset: u64) -> io::Result<Bytes> {
        let bytes = self.content.read(offset, CHUNK)?;
        // The length went ahead: an upstream would wait for bytes that never come.
        if (bytes.len() as u64) < self.content.length().saturating_sub(offset).min(CHUNK as u64) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter"));
        }
        Ok(match self.coding {
            Coding::AsItIs => bytes,
            Coding::Base64 => base64_simd::STANDARD.encode_to_string(bytes).into(),
        })
    }
}

impl Progress {
    pub(crate) fn is_whole(self) -> bool {
        self.handed >= self.total
    }

    /// 0 to 100.
    pub(crate) fn percent(self) -> u8 {
        let percent = u128::from(self.handed) * 100 / u128::from(self.total.max(1));
        u8::try_from(percent.min(100)).unwrap_or(100)
    }
}

impl Upload {
    /// A body of these parts, and where its progress can be followed.
    pub(crate) fn new(parts: Vec<FormPart>) -> (Self, watch::Receiver<Progress>) {
        let total = parts.iter().map(FormPart::length).sum();
        let (progress, followed) = watch::channel(Progress { handed: 0, total });
        (Self { parts: parts.into_iter(), part: None, offset: 0, reading: None, progress }, followed)
    }

    fn left(&self) -> u64 {
        let Progress { handed, total } = *self.progress.borrow();
        total.saturating_sub(handed)
    }

    /// The next chunk of the part at hand; an empty one where it ends.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Broken>> {
        let Some(part) = &self.part else { return Poll::Ready(Ok(Bytes::new())) };
        if self.offset >= part.content.length() {
            return Poll::Ready(Ok(Bytes::new()));
        }
        let read = match &part.content {
            Content::Memory(_) => part.chunk(self.offset),
            Content::File { .. } | Content::Stored { .. } => {
                let offset = self.offset;
                let reading = self.reading.get_or_insert_with(|| {
                    let part = part.clone();
                    // A file may lie on a network drive: its reads must not hold up the thread that serves.
                    spawn_blocking(move || part.chunk(offset))
                });
                let read = ready!(Pin::new(reading).poll(cx));
                self.reading = None;
                read.unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
            }
        };
        self.offset += CHUNK as u64;
        Poll::Ready(read.map_err(|why| Broken::Unreadable { name: part.name.clone(), why: why.to_string() }))
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        loop {
            if this.progress.is_closed() {
                return Poll::Ready(Some(Err(Broken::GivenUp)));
            }
            let chunk = ready!(this.poll_chunk(cx))?;
            if !chunk.is_empty() {
                this.progress.send_modify(|progress| progress.handed += chunk.len() as u64);
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            this.part = this.parts.next();
            this.offset = 0;
            if this.part.is_none() {
                return Poll::Ready(None);
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, sync::Arc};

    use http_body_util::BodyExt;

    use super::*;

    fn file(bytes: &[u8], length: u64) -> Content {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Content::File { file: Arc::new(file), length }
    }

    #[tokio::test]
    async fn sends_what_it_announces_chunk_by_chunk() {
        let bytes: Vec<u8> = (0..=250).cycle().take(2 * CHUNK + 7).collect();
        let memory = Content::Memory(bytes.clone().into());
        for (content, coding) in [
            (memory.clone(), Coding::AsItIs),
            (memory, Coding::Base64),
            (file(&bytes, bytes.len() as u64), Coding::AsItIs),
            (file(&bytes, bytes.len() as u64), Coding::Base64),
        ] {
            let picture = FormPart::picture(content, coding, "a.png".to_owned());
            let (upload, progress) =
                Upload::new(vec![FormPart::text("<"), FormPart::text(""), picture, FormPart::text(">")]);
            let announced = upload.size_hint().exact().unwrap();
            let sent = upload.collect().await.unwrap().to_bytes();
            let body = match coding {
                Coding::AsItIs => bytes.clone(),
                Coding::Base64 => base64_simd::STANDARD.encode_to_string(&bytes).into_bytes(),
            };
            assert_eq!(sent, [b"<", body.as_slice(), b">"].concat());
            assert_eq!(announced, sent.len() as u64);
            assert!(progress.borrow().is_whole());
            assert_eq!(progress.borrow().percent(), 100);
        }
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_is_named() {
        let short = file(b"0123", 10);
        let (upload, _progress) = Upload::new(vec![FormPart::picture(short, Coding::AsItIs, "cat.png".to_owned())]);
        let error = upload.collect().await.unwrap_err();
        assert_eq!(error.to_string(), "cat.png could not be read while it was being sent (it became shorter)");
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_sent() {
        let (mut upload, progress) = Upload::new(vec![FormPart::text("a"), FormPart::text("b")]);
        assert!(upload.frame().await.unwrap().is_ok());
        drop(progress);
        assert!(matches!(upload.frame().await, Some(Err(Broken::GivenUp))));
    }
}
