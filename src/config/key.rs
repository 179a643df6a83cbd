//! The key of a value. As a rule it is its setting's own; a setting whose key has `NAME` in it, as
//! `clients.NAME.preview`, has a value for every name that is put there.

use std::fmt;

use crate::text;

/// The part of a setting's key that stands for any name.
const NAME: &str = ".NAME.";

/// The key of one value: that of its setting, and the name in the place of `NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SettingKey {
    /// As in the table of settings.
    setting: &'static str,
    /// The text in the place of `NAME`.
    name: Option<String>,
}

impl SettingKey {
    /// The key of a setting without `NAME`.
    pub fn plain(setting: &'static str) -> Self {
        Self { setting, name: None }
    }

    /// The key of a setting with `NAME`, for this name.
    pub fn named(setting: &'static str, name: &str) -> Self {
        Self { setting, name: Some(name.to_owned()) }
    }

    /// The key that this path of the file is, when it is one of that setting's.
    pub fn at(setting: &'static str, path: &str) -> Option<Self> {
        let Some((before, after)) = setting.split_once(NAME) else {
            return (setting == path).then_some(Self::plain(setting));
        };
        // A name may have dots in it: what stands between the two ends is the name.
        let name = within(path, before)?.strip_suffix(after)?.strip_suffix('.')?;
        (!name.is_empty()).then(|| Self::named(setting, name))
    }

    /// The key of the setting that is closest to an unknown path, with the path's own name where it has one.
    pub fn near(setting: &'static str, path: &str) -> Self {
        let name = setting.split_once(NAME).and_then(|(before, _)| within(path, before)?.rsplit_once('.'));
        name.map_or(Self::plain(setting), |(name, _)| Self::named(setting, name))
    }

    /// The key in the table of settings, such as `clients.NAME.preview`.
    pub fn setting(&self) -> &'static str {
        self.setting
    }

    /// The text in the place of `NAME`; `None` where the setting has none.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// The part of the path below a section.
fn within<'a>(path: &'a str, section: &str) -> Option<&'a str> {
    path.strip_prefix(section)?.strip_prefix('.')
}

/// As it would be written in the file.
impl fmt::Display for SettingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((name, (before, after))) = self.name().zip(self.setting.split_once(NAME)) else {
            return f.write_str(self.setting);
        };
        let is_bare = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        let name = text::name(name);
        if is_bare { write!(f, "{before}.{name}.{after}") } else { write!(f, "{before}.\"{name}\".{after}") }
    }
}
