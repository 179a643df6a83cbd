//! The destination of an export: stdout, or into a file that nobody but the user may read.

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(super) struct Destination {
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
}

impl Destination {
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn open(&self) -> anyhow::Result<BufWriter<Box<dyn Write>>> {
        let out: Box<dyn Write> = match &self.output {
            None => Box::new(io::stdout()),
            Some(path) => Box::new(private(path).with_context(|| format!("{} cannot be written", path.display()))?),
        };
        Ok(BufWriter::new(out))
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

fn private(path: &Path) -> io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
