//! What the server's errors mean for a sync.

use ::postgres::error::SqlState;

use crate::error::DatabaseError;

/// A table is no longer what a statement was prepared for.
pub(super) const STALE_PLAN: SqlState = SqlState::FEATURE_NOT_SUPPORTED;

pub(super) fn told(error: ::postgres::Error, sql: &str) -> DatabaseError {
    let Some(answer) = error.as_db_error() else {
        // The connection broke, or what came over it makes no sense.
        return DatabaseError::Unreachable(error.into());
    };
    let code = answer.code().code();
    let class = code.get(..2).unwrap_or_default();
    let detail = || match answer.detail() {
        Some(detail) => format!("{} ({detail})", answer.message()),
        None => answer.message().to_owned(),
    };
    match class {
        // A value that the type or a constraint does not take, or a trigger's word.
        "22" | "23" | "P0" => DatabaseError::Rule { detail: detail() },
        // Deadlock, serialization, a lock that was not to be had.
        "40" | "55" => DatabaseError::Busy,
        "53" if answer.code() == &SqlState::DISK_FULL => DatabaseError::NoRoom,
        // Shut down, or out of connections or memory.
        "08" | "53" | "57" => DatabaseError::Unreachable(detail().into()),
        _ => {
            let words: Vec<&str> = sql.split_whitespace().take(4).collect();
            DatabaseError::Backend {
                doing: format!("do `{}`", words.join(" ")),
                source: detail().into(),
            }
        }
    }
}
