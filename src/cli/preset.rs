//! `-p NAME`: the arguments of a preset of the configuration, below those that are typed.

use crate::{
    config::{Config, Preset},
    text,
    tools::ToolError,
};

/// The preset of this name; without a name, one that changes nothing.
///
/// # Errors
/// [`ToolError::InvalidArgument`] when there is none, with the nearest that there is.
pub(super) fn find(config: &Config, name: Option<&str>) -> Result<Preset, ToolError> {
    let Some(name) = name else { return Ok(Preset::default()) };
    config.presets.get(name).cloned().ok_or_else(|| {
        let nearest = text::nearest(name, config.presets.keys().map(String::as_str));
        let right = if nearest.is_empty() {
            format!("put it into the configuration file, as [presets.{name}] (docs/configuration.md)")
        } else {
            format!("the nearest is `{nearest}`")
        };
        ToolError::InvalidArgument(format!("there is no preset `{name}`: {right}"))
    })
}
