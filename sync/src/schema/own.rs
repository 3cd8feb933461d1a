//! The sync's own tables. They lie in the user's database, so that what they say
//! of a row commits with the row.

use crate::error::DatabaseError;
use crate::numbers;
use crate::sql::Sql;

/// The version of the tables below. One that changes them adds the statements
/// that lead from the version before.
const VERSION: i64 = 1;

/// `SERIAL` stands for the database's own word.
const TABLES: [(&str, &str); 11] = [
    // One number for all that must be told apart in time; whoever writes takes the
    // next one first, so two processes of one sync take turns.
    ("~counter", "value BIGINT NOT NULL"),
    // The version, the triggers that are on, the phase of each object.
    (
        "~notes",
        "name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL",
    ),
    // Which column holds which field; for people, too.
    (
        "~columns",
        "object TEXT NOT NULL, field TEXT NOT NULL, table_name TEXT NOT NULL, \
         column_name TEXT NOT NULL, kind TEXT NOT NULL, max_length BIGINT NOT NULL, \
         label TEXT NOT NULL, product_kind TEXT NOT NULL, access TEXT NOT NULL, \
         picklist TEXT NOT NULL, PRIMARY KEY (object, field)",
    ),
    // Of each row: the org's id, what both sides last agreed on (JSON), when the org
    // last changed it, and of one that is gone when it went and when that was seen
    // here.
    (
        "~rows",
        "object TEXT NOT NULL, local_key TEXT NOT NULL, org_id TEXT, base TEXT NOT NULL, \
         stamp_ms BIGINT NOT NULL, gone_ms BIGINT, gone_seen_ms BIGINT, PRIMARY KEY (object, local_key), \
         UNIQUE (object, org_id)",
    ),
    // What other programs did: written by triggers. `send` marks what is under way.
    (
        "~outbox",
        "seq SERIAL, object TEXT NOT NULL, local_key TEXT NOT NULL, op TEXT NOT NULL, \
         fields TEXT NOT NULL, captured_ms BIGINT NOT NULL, send BIGINT",
    ),
    // What was sent and not yet told back: see `echo.rs`.
    (
        "~sent",
        "send BIGINT NOT NULL PRIMARY KEY, object TEXT NOT NULL, local_key TEXT NOT NULL, \
         op TEXT NOT NULL, fields TEXT NOT NULL, bases TEXT NOT NULL, state TEXT NOT NULL, \
         sent_ms BIGINT NOT NULL",
    ),
    // Changes that were applied, so that none is twice.
    (
        "~inbox",
        "id TEXT NOT NULL PRIMARY KEY, seen_ms BIGINT NOT NULL",
    ),
    // Records that must be read again.
    (
        "~unread",
        "object TEXT NOT NULL, org_id TEXT NOT NULL, ticket BIGINT NOT NULL, \
         since_ms BIGINT NOT NULL, PRIMARY KEY (object, org_id)",
    ),
    (
        "~checkpoints",
        "source TEXT NOT NULL PRIMARY KEY, checkpoint TEXT NOT NULL, saved_ms BIGINT NOT NULL",
    ),
    (
        "~conflicts",
        "number BIGINT NOT NULL PRIMARY KEY, object TEXT NOT NULL, local_key TEXT NOT NULL, \
         org_id TEXT, field TEXT NOT NULL, base TEXT NOT NULL, local TEXT NOT NULL, \
         incoming TEXT NOT NULL, policy TEXT NOT NULL, taken TEXT NOT NULL, \
         found_ms BIGINT NOT NULL, resolved_ms BIGINT",
    ),
    (
        "~letters",
        "number BIGINT NOT NULL PRIMARY KEY, direction TEXT NOT NULL, object TEXT NOT NULL, \
         local_key TEXT, org_id TEXT, reason TEXT NOT NULL, content TEXT NOT NULL, \
         at_ms BIGINT NOT NULL",
    ),
];

const INDEXES: [&str; 4] = [
    "CREATE INDEX ~outbox_row ON ~outbox (object, local_key)",
    "CREATE INDEX ~sent_row ON ~sent (object, local_key)",
    "CREATE INDEX ~inbox_seen ON ~inbox (seen_ms)",
    "CREATE INDEX ~conflicts_row ON ~conflicts (object, local_key, field)",
];

pub(super) fn prepare(sql: &mut dyn Sql) -> Result<(), DatabaseError> {
    if sql.found_columns("~notes")?.is_empty() {
        for (name, columns) in TABLES {
            let columns = columns.replace("SERIAL", sql.serial());
            sql.define(&format!("CREATE TABLE {name} ({columns})"))?;
        }
        for index in INDEXES {
            sql.define(index)?;
        }
        sql.run("INSERT INTO ~counter VALUES (0)", &[])?;
        return numbers::set_note(sql, "version", &VERSION.to_string());
    }
    let found = numbers::note(sql, "version")?.and_then(|text| text.parse().ok());
    match found {
        Some(VERSION) => Ok(()),
        Some(found) if found > VERSION => Err(DatabaseError::Newer {
            found,
            known: VERSION,
        }),
        _ => Err(DatabaseError::damaged("their version is missing")),
    }
}

pub(super) fn drop(sql: &mut dyn Sql) -> Result<(), DatabaseError> {
    for (name, _) in TABLES {
        sql.define(&format!("DROP TABLE {name}"))?;
    }
    Ok(())
}
