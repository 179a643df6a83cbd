//! The system's viewer, as a process that outlives this one.

use std::process::{Command, Stdio};

use anyhow::Context;

/// The program that opens a file with the person's choice for its kind. Windows' `start` is the shell's own and reads
/// a path as a command line; Explorer does the same and takes the path as it is.
const OPENER: &str = if cfg!(target_os = "macos") {
    "open"
} else if cfg!(windows) {
    "explorer"
} else {
    "xdg-open"
};

/// # Errors
/// When there is no such program; the text has the path, or the link.
pub(super) fn in_viewer(picture: &str) -> anyhow::Result<()> {
    let mut viewer = Command::new(OPENER);
    viewer.arg(picture).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // A group of its own: Ctrl-C in this terminal is not meant for it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut viewer, 0);
    viewer.spawn().map(drop).with_context(|| format!("`{OPENER}` cannot be started; the picture is {picture}"))
}
