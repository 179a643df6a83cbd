//! Faults of the database.

use rusqlite::ErrorCode;

/// Faults, by their consequences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Another process holds it.
    Locked,
    /// Nothing can be read or written there now.
    Unusable(String),
    /// It is not, or no longer, a database.
    Damaged(String),
    /// An earlier version made it, and nobody has migrated it yet.
    Older(String),
    /// A later version made it.
    Newer { found: u32, known: u32 },
    /// One statement failed, by its own fault.
    Other(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        // <https://sqlite.org/rescode.html>
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged(error.to_string()),
            Some(ErrorCode::DiskFull) => Self::Unusable("the disk is full".into()),
            Some(ErrorCode::ReadOnly) => Self::Unusable("it is read-only".into()),
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::SystemIoFailure) => {
                Self::Unusable(error.to_string())
            }
            // Of a batch each piece is then run by itself, and fails alone.
            _ => Self::Other(error.to_string()),
        }
    }
}
