//! Access to the files of this machine: a caller on another one names none of them.

use super::{Error, Inputs};
use crate::handle::Owner;

/// Access to the files of this machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum FileAccess {
    #[default]
    Allowed,
    /// The caller is on another machine: what it names is not here.
    Refused,
}

impl Inputs {
    /// The same for this owner: a caller on another machine names no file of this one.
    #[must_use]
    pub fn of(&self, owner: &Owner) -> Self {
        let access = if owner.as_caller().is_some() { FileAccess::Refused } else { self.access };
        Self { access, ..self.clone() }
    }

    /// Looks whether files may be named, whichever.
    ///
    /// # Errors
    /// [`Error::NotHere`].
    pub fn admit_file(&self) -> Result<(), Error> {
        self.admit_caller("send the content as a data URL, or name an image:// URI or an https URL")
    }

    /// Looks whether places for copies may be named.
    ///
    /// # Errors
    /// [`Error::NotHere`].
    pub fn admit_copy(&self) -> Result<(), Error> {
        self.admit_caller("leave it out, and read the picture by its image:// URI")
    }

    /// `right` is the way for a caller who may name none.
    fn admit_caller(&self, right: &'static str) -> Result<(), Error> {
        // The same for a file that is there and for one that is not: nobody elsewhere learns of the files of
        // this machine.
        match self.access {
            FileAccess::Allowed => Ok(()),
            FileAccess::Refused => Err(Error::NotHere(right)),
        }
    }
}
