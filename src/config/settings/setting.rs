//! One row of the table of settings, of whatever shape.

use crate::config::shape::{Raw, SettingKind};

/// One setting.
pub struct Setting<S: ?Sized> {
    /// `NAME` in it stands for any name: then there is a value for each.
    pub key: &'static str,
    /// Its environment variable; `None` where only the file sets it, or a flag.
    pub env: Option<&'static str>,
    /// Checked by `shape`, as the text of a layer is.
    pub default: Fallback,
    /// Sentences for `docs/configuration.md`.
    pub about: &'static str,
    /// Reads and describes its values.
    pub shape: S,
}

/// The value when no layer sets it.
#[derive(Debug, Clone, Copy)]
pub enum Fallback {
    /// This, as it would be written.
    Is(&'static str),
    /// Nothing, or what is found out later: in words.
    Absent(&'static str),
}

/// Any shape, for those who need no value of it.
pub trait Describe: Sync {
    /// Describes right values, in words that follow "it takes".
    fn takes(&self) -> String;
    /// The value for people to see, without secrets.
    fn show(&self, raw: &Raw) -> String;
    /// Reads a value only to see that it can be read.
    ///
    /// # Errors
    /// Says what is wrong, without the value where that may be a secret.
    fn check(&self, raw: &Raw) -> Result<(), String>;
    /// The value where two layers set one, as [`SettingKind::over`] joins them.
    fn over(&self, weaker: &Raw, stronger: Raw) -> Raw;
}

impl<S: SettingKind> Describe for S {
    fn takes(&self) -> String {
        SettingKind::takes(self)
    }

    fn show(&self, raw: &Raw) -> String {
        SettingKind::show(self, raw)
    }

    fn check(&self, raw: &Raw) -> Result<(), String> {
        self.parse(raw).map(drop)
    }

    fn over(&self, weaker: &Raw, stronger: Raw) -> Raw {
        SettingKind::over(self, weaker, stronger)
    }
}
