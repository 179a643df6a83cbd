//! The destination of an export: stdout, or a file that nobody but the user may read, whole or not at all, and never
//! over one that is there, unless it was told to.

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, IntoInnerError, Write},
    path::PathBuf,
};

use anyhow::Context;
use clap::ValueHint;
use serde::Serialize;

use super::{
    named,
    target::{self, Existing, FileDraft, Target},
};
use crate::tools::ToolError;

#[derive(Debug, clap::Args)]
pub(super) struct Destination {
    /// Write to this file instead of stdout, which is `-`. A file that is there is kept, and the new one called PATH-2
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath, value_parser = named::path())]
    output: Option<PathBuf>,
    /// Let `-o` write over a file that is there
    #[arg(long, requires = "output")]
    force: bool,
}

/// An export that is being written. Lines are written by the hundred thousand; each would be a call of the system.
pub(super) enum ExportOutput {
    Stream(BufWriter<Box<dyn Write>>),
    /// With the path that was asked for.
    File(BufWriter<FileDraft>, PathBuf),
}

impl Destination {
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn open(&self) -> anyhow::Result<ExportOutput> {
        let target = self.output.as_deref().map_or(Ok(Target::Stdout), Target::parse);
        let wrong = |why: String| ToolError::InvalidArgument(format!("`--output`: {why}"));
        match target.map_err(wrong)? {
            Target::Stdout => Ok(ExportOutput::Stream(BufWriter::new(Box::new(io::stdout())))),
            Target::Device(device) => {
                let opened = target::open_device(&device);
                let opened = opened.with_context(|| format!("{} cannot be written", device.display()))?;
                Ok(ExportOutput::Stream(BufWriter::new(Box::new(opened))))
            }
            Target::Folder(folder) => Err(wrong(format!("{} is a folder: name a file in it", folder.display())).into()),
            Target::File(path) => {
                // For this user alone from the first byte on: an export holds everything that was asked.
                let mut options = OpenOptions::new();
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                // Before the store is read: what is there already stays until the new one is whole.
                let draft = FileDraft::begin(&path, Existing::from_flag(self.force), &mut options)
                    .with_context(|| format!("{} cannot be written", path.display()))?;
                Ok(ExportOutput::File(BufWriter::new(draft), path))
            }
        }
    }
}

impl ExportOutput {
    /// Ends the export: a file gets its name now.
    ///
    /// # Errors
    /// When the rest of it cannot be written.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let (out, asked) = match self {
            Self::Stream(mut out) => return Ok(out.flush()?),
            Self::File(out, asked) => (out, asked),
        };
        let draft = out.into_inner().map_err(IntoInnerError::into_error);
        let kept = draft.and_then(FileDraft::keep);
        let written = kept.with_context(|| format!("{} cannot be written", asked.display()))?;
        if written != asked {
            writeln!(io::stderr(), "{} is there already: written to {}", asked.display(), written.display())?;
        }
        Ok(())
    }
}

impl Write for ExportOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stream(out) => out.write(bytes),
            Self::File(out, _) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(out) => out.flush(),
            Self::File(out, _) => out.flush(),
        }
    }
}

/// Writes one line of JSON Lines.
///
/// # Errors
/// When it cannot be written.
pub(super) fn line(out: &mut impl Write, exported: &impl Serialize) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, exported).map_err(io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}
