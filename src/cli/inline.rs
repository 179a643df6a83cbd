//! Pictures in the terminal itself, in the form that it is known to draw.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use terminal_size::terminal_size_of;

use crate::{
    config,
    media::{Dimensions, Encoded},
    preview::{Previews, Room},
};

mod drawing;
mod recognising;
mod sixel;

use recognising::Environment;

#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct InlineOptions {
    /// Draw the picture in the terminal, even if stdout goes elsewhere [default: if the terminal supports it]
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, overrides_with = "no_inline")]
    #[expect(clippy::option_option, reason = "absent, by itself, or with a form")]
    inline: Option<Option<InlineForm>>,
    /// Do not draw the picture in the terminal
    #[arg(long, overrides_with = "inline")]
    no_inline: bool,
}

/// The form in which a terminal draws pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum InlineForm {
    /// kitty's graphics protocol. <https://sw.kovidgoyal.net/kitty/graphics-protocol/>
    Kitty,
    /// iTerm2's inline images. <https://iterm2.com/documentation-images.html>
    Iterm2,
    /// The graphics of DEC's terminals.
    Sixel,
    /// Half blocks in two colours, two pixels in each.
    Blocks,
}

/// The most lines that a picture takes.
const MOST_ROWS: u32 = 32;

impl InlineOptions {
    /// Draws pictures on stdout, one by itself and several on a contact sheet. What cannot be decoded is not drawn.
    ///
    /// # Errors
    /// When stdout cannot be written to.
    pub(super) async fn draw(
        &self,
        pictures: impl Future<Output = Vec<Encoded>>,
        previews: &Previews,
    ) -> io::Result<Drawn> {
        let environment = Environment(|name: &str| config::foreign(name)?.into_string().ok());
        let Some(form) = self.form(&environment) else { return Ok(Drawn::Nothing) };
        let picture = match <[Encoded; 1]>::try_from(pictures.await) {
            Ok([picture]) => Some(picture),
            Err(several) => previews.contact_sheet(several, SHEET).await.map(|sheet| sheet.picture),
        };
        let Some(picture) = picture else { return Ok(Drawn::Nothing) };
        let Some(pixels) = previews.pixels(&picture, form.room(terminal())).await else { return Ok(Drawn::Nothing) };
        let mut out = io::stdout().lock();
        match form {
            InlineForm::Kitty => drawing::kitty(&mut out, &pixels, form.columns(pixels.width()))?,
            InlineForm::Iterm2 => drawing::iterm2(&mut out, &pixels, form.columns(pixels.width()))?,
            InlineForm::Sixel => sixel::sixels(&mut out, &pixels)?,
            InlineForm::Blocks => drawing::blocks(&mut out, &pixels, environment.colours().unwrap_or_default())?,
        }
        out.flush()?;
        Ok(Drawn::Picture)
    }

    /// The form to draw in; `None` where nothing is to be drawn.
    fn form(&self, environment: &Environment<impl Fn(&str) -> Option<String>>) -> Option<InlineForm> {
        match self {
            Self { no_inline: true, .. } => None,
            Self { inline: Some(Some(form)), .. } => Some(*form),
            Self { inline: Some(None), .. } => Some(environment.form().unwrap_or(InlineForm::Blocks)),
            Self { inline: None, .. } => environment.form().filter(|_| io::stdout().is_terminal()),
        }
    }
}

/// The outcome of an attempt to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drawn {
    Picture,
    /// The terminal draws none, or the picture cannot be decoded.
    Nothing,
}

/// A sheet as large as a terminal shows it.
const SHEET: Room = Room { bytes: 4_000_000, side: 1_024 };

impl InlineForm {
    /// The pixels that are sent for one cell. Terminals do not tell their cells' size in their environment: this is a
    /// sharp picture on most. They scale it to the columns that are named, except where each pixel is one of theirs.
    fn cell(self) -> Dimensions {
        match self {
            Self::Kitty | Self::Iterm2 => Dimensions { width: 10, height: 20 },
            Self::Sixel => Dimensions { width: 8, height: 16 },
            Self::Blocks => Dimensions { width: 1, height: 2 },
        }
    }

    fn room(self, terminal: Dimensions) -> Dimensions {
        let cell = self.cell();
        Dimensions { width: terminal.width * cell.width, height: terminal.height * cell.height }
    }

    fn columns(self, width: u32) -> u32 {
        width.div_ceil(self.cell().width)
    }
}

/// Columns and lines that a picture may take.
fn terminal() -> Dimensions {
    let (columns, rows) = terminal_size_of(io::stdout()).map_or((80, 24), |(columns, rows)| (columns.0, rows.0));
    // The prompt, and what is said of the picture, stay in sight.
    Dimensions { width: columns.max(1).into(), height: u32::from(rows).saturating_sub(4).clamp(8, MOST_ROWS) }
}
