//! Colours and the inks that shapes are filled with.

/// Red, green and blue, 0 to 255 each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Color(pub f32, pub f32, pub f32);

impl Color {
    pub const WHITE: Self = Self::hex(0x00ff_ffff);
    pub const BLACK: Self = Self::hex(0);

    pub const fn hex(rgb: u32) -> Self {
        Self(((rgb >> 16) & 255) as f32, ((rgb >> 8) & 255) as f32, (rgb & 255) as f32)
    }

    /// From this colour (0) to another (1).
    pub fn mix(self, other: Self, part: f32) -> Self {
        let part = part.clamp(0.0, 1.0);
        Self(self.0 + (other.0 - self.0) * part, self.1 + (other.1 - self.1) * part, self.2 + (other.2 - self.2) * part)
    }

    pub fn darker(self, part: f32) -> Self {
        self.mix(Self::BLACK, part)
    }

    pub fn lighter(self, part: f32) -> Self {
        self.mix(Self::WHITE, part)
    }
}

/// What a shape is filled with.
#[derive(Debug, Clone, Copy)]
pub enum Ink {
    Flat(Color),
    /// From one colour at one height to another at another.
    Upright {
        from: (f32, Color),
        to: (f32, Color),
    },
    /// From one colour at one x to another at another: a round thing lit from one side.
    Sideways {
        from: (f32, Color),
        to: (f32, Color),
    },
}

impl Ink {
    pub fn at(&self, x: f32, y: f32) -> Color {
        let between = |at: f32, from: (f32, Color), to: (f32, Color)| from.1.mix(to.1, (at - from.0) / (to.0 - from.0));
        match *self {
            Self::Flat(color) => color,
            Self::Upright { from, to } => between(y, from, to),
            Self::Sideways { from, to } => between(x, from, to),
        }
    }
}

impl Ink {
    /// Follows a shape that is placed so.
    pub fn placed(self, at: (f32, f32), scale: (f32, f32)) -> Self {
        let place = |(from, color): (f32, Color), at: f32, scale: f32| (from * scale + at, color);
        match self {
            Self::Flat(_) => self,
            Self::Upright { from, to } => {
                Self::Upright { from: place(from, at.1, scale.1), to: place(to, at.1, scale.1) }
            }
            Self::Sideways { from, to } => {
                Self::Sideways { from: place(from, at.0, scale.0), to: place(to, at.0, scale.0) }
            }
        }
    }
}

impl From<Color> for Ink {
    fn from(color: Color) -> Self {
        Self::Flat(color)
    }
}
