//! The folder that a person works in, as a setting.

use super::{Raw, SettingKind, files::absolute};
use crate::inputs::{Project, ProjectOrigin};

/// A folder that may be a project.
pub struct ProjectFolder;

impl SettingKind for ProjectFolder {
    type Value = Project;

    fn parse(&self, raw: &Raw) -> Result<Project, String> {
        let home = directories::BaseDirs::new().map(|user| user.home_dir().to_owned());
        let folder = absolute(raw.text()?)?;
        Project::new(&folder, ProjectOrigin::Setting, home.as_deref()).map_err(|why| why.to_string())
    }

    fn takes(&self) -> String {
        "a folder that you work in; `~/` is the home folder, which is none itself".to_owned()
    }
}
