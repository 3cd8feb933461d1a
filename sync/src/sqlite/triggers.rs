//! The triggers on a user's table: what other programs may not do is refused with
//! a sentence, and what they do is captured.
//!
//! They run in whatever SQLite the other program was built with, so they use
//! nothing newer than a decade.

use crate::plan::{ColumnPlan, ObjectPlan};
use crate::watched::{self, Rule};

/// What other programs do is checked and captured unless this holds.
const NOT_OURS: &str = "NOT EXISTS (SELECT 1 FROM ~quiet)";

/// Milliseconds since 1970.
const NOW_MS: &str = "CAST(strftime('%s', 'now') AS INTEGER) * 1000 \
                      + CAST(substr(strftime('%f', 'now'), 4) AS INTEGER)";

const NAMES: [&str; 6] = [
    "check_insert",
    "check_update",
    "check_delete",
    "insert",
    "update",
    "delete",
];

pub(super) fn unwatch(table: &str) -> String {
    let drops = NAMES.map(|name| format!("DROP TRIGGER IF EXISTS lockgate_{table}_{name};\n"));
    drops.concat()
}

pub(super) fn watch(object: &ObjectPlan) -> String {
    let ObjectPlan {
        table, object: api, ..
    } = object;
    let mut sql = unwatch(table);
    let checks = [
        ("check_insert", "INSERT", watched::insert_rules(object)),
        ("check_update", "UPDATE", watched::update_rules(object)),
        ("check_delete", "DELETE", watched::delete_rules(object)),
    ];
    for (name, event, rules) in checks {
        if rules.is_empty() {
            continue;
        }
        let rules: Vec<String> = rules.iter().map(refusal).collect();
        sql += &format!(
            "CREATE TRIGGER lockgate_{table}_{name} BEFORE {event} ON {table} WHEN {NOT_OURS} \
             BEGIN\n{}END;\n",
            rules.concat()
        );
    }
    if !object.sends() {
        return sql;
    }
    for (name, event, row) in [("insert", "INSERT", "NEW"), ("delete", "DELETE", "OLD")] {
        sql += &format!(
            "CREATE TRIGGER lockgate_{table}_{name} AFTER {event} ON {table} WHEN {NOT_OURS} \
             BEGIN\n  INSERT INTO ~outbox (object, local_key, op, fields, captured_ms) \
             VALUES ('{api}', {row}.local_key, '{name}', '', {NOW_MS});\nEND;\n"
        );
    }
    let changed = |column: &ColumnPlan| {
        format!(
            "CASE WHEN NEW.{0} IS NOT OLD.{0} THEN '{1},' ELSE '' END",
            column.column, column.field
        )
    };
    let writable = object.columns.iter().filter(|column| column.is_writable());
    let changed: Vec<String> = writable.map(changed).collect();
    if !changed.is_empty() {
        sql += &format!(
            "CREATE TRIGGER lockgate_{table}_update AFTER UPDATE ON {table} WHEN {NOT_OURS} \
             BEGIN\n  INSERT INTO ~outbox (object, local_key, op, fields, captured_ms) \
             SELECT '{api}', NEW.local_key, 'update', fields, {NOW_MS} \
             FROM (SELECT {} AS fields) WHERE fields <> '';\nEND;\n",
            changed.join("\n    || ")
        );
    }
    sql
}

fn refusal(rule: &Rule) -> String {
    let condition = rule
        .broken_when
        .as_ref()
        .map_or_else(String::new, |when| format!(" WHERE {}", when.sql("IS NOT")));
    format!(
        "  SELECT RAISE(ABORT, '{}'){condition};\n",
        rule.sentence.replace('\'', "''")
    )
}
