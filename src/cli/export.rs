//! The destination of an export: stdout, or a file that nobody but the user may read, never over one that is there.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use anyhow::Context;
use clap::ValueHint;
use serde::Serialize;

use super::{
    named,
    target::{self, Existing, Target},
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

impl Destination {
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn open(&self) -> anyhow::Result<BufWriter<Box<dyn Write>>> {
        let target = self.output.as_deref().map_or(Ok(Target::Stdout), Target::parse);
        let wrong = |why: String| ToolError::InvalidArgument(format!("`--output`: {why}"));
        let out: Box<dyn Write> = match target.map_err(wrong)? {
            Target::Stdout => Box::new(io::stdout()),
            Target::Device(device) => {
                let opened = target::open_device(&device);
                Box::new(opened.with_context(|| format!("{} cannot be written", device.display()))?)
            }
            Target::Folder(folder) => {
                return Err(wrong(format!("{} is a folder: name a file in it", folder.display())).into());
            }
            Target::File(path) => {
                let (file, written) = private(&path, Existing::from_flag(self.force))
                    .with_context(|| format!("{} cannot be written", path.display()))?;
                if written != path {
                    writeln!(io::stderr(), "{} is there already: written to {}", path.display(), written.display())?;
                }
                Box::new(file)
            }
        };
        // Lines are written by the hundred thousand; each would be a call of the system.
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

fn private(path: &std::path::Path, existing: Existing) -> io::Result<(File, PathBuf)> {
    // For this user alone from the first byte on: an export holds everything that was asked.
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match existing {
        Existing::Kept => target::claim(path, &mut options),
        Existing::Replaced => {
            let file = options.write(true).create(true).truncate(true).open(path)?;
            // The mode of the options is that of a new file: one that was there would keep its readers.
            #[cfg(unix)]
            file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
            Ok((file, path.to_owned()))
        }
    }
}
