//! Faults of the database, by their consequences.

use std::sync::Arc;

use deadpool_postgres::PoolError;
use tokio_postgres::error::{DbError, SqlState};

use crate::{store::Error, text::root_cause};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PostgresFault {
    /// It cannot be reached, or is not ready yet: the same may succeed later.
    Away(String),
    /// The transaction and another one waited for each other, and this one was broken off: it can run again at once.
    Deadlocked,
    /// It answers that it will not.
    Refused(String),
    /// A later version made it.
    Newer { found: u32, known: u32 },
}

impl PostgresFault {
    pub(super) fn at(self, place: Arc<str>) -> Error {
        match self {
            Self::Away(why) => Error::Away { place, why: why.into() },
            Self::Deadlocked => Error::Away { place, why: "deadlock detected".into() },
            Self::Refused(why) => Error::Refused { place, why: why.into() },
            Self::Newer { found, known } => Error::Newer { place, found, known },
        }
    }

    /// Returns whether the same may succeed later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Away(_) | Self::Deadlocked => true,
            Self::Refused(_) | Self::Newer { .. } => false,
        }
    }
}

impl From<tokio_postgres::Error> for PostgresFault {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(answered) if *answered.code() == SqlState::T_R_DEADLOCK_DETECTED => Self::Deadlocked,
            Some(answered) if is_passing(answered) => Self::Away(answered.message().to_owned()),
            Some(answered) => Self::Refused(format!("{} ({})", answered.message(), answered.code().code())),
            None => Self::Away(root_cause(&error)),
        }
    }
}

impl From<PoolError> for PostgresFault {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(_) => Self::Away("all connections are in use".to_owned()),
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                Self::Away(error.to_string())
            }
        }
    }
}

/// Starting up, shutting down, out of connections or disk, or a standby that is not the primary yet: classes 08
/// (connection), 53 (resources) and 57P (an operator). <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn is_passing(error: &DbError) -> bool {
    let code = error.code();
    // The program was stopped within a transaction, and goes on.
    let is_late = *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT;
    is_late
        || *code == SqlState::READ_ONLY_SQL_TRANSACTION
        || ["08", "53", "57P"].iter().any(|class| code.code().starts_with(class))
}
