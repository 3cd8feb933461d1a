//! The triggers on a user's table: what other programs may not do is refused with
//! a sentence, and what they do is captured.
//!
//! They run with the rights of the sync's user, since a program that may write the
//! table need not be able to write the outbox, and with a search path of their own,
//! since its is anything.

use crate::plan::{ColumnPlan, ObjectPlan};
use crate::watched::{self, Rule};

const NOT_OURS: &str = "current_setting('lockgate.quiet', true) IS DISTINCT FROM '~'";

const NOW_MS: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

const NAMES: [&str; 3] = ["check", "capture", "truncate"];

pub(super) fn unwatch(table: &str) -> String {
    let drops = NAMES.map(|name| {
        format!(
            "DROP TRIGGER IF EXISTS lockgate_{name} ON {table};\n\
             DROP FUNCTION IF EXISTS lockgate_{table}_{name}();\n"
        )
    });
    drops.concat()
}

pub(super) fn watch(object: &ObjectPlan, schema: &str) -> String {
    let table = &object.table;
    let check = format!(
        "{}{}{}  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;\n  RETURN NEW;\n",
        rules("INSERT", &watched::insert_rules(object)),
        rules("UPDATE", &watched::update_rules(object)),
        rules("DELETE", &watched::delete_rules(object)),
    );
    let truncate = format!(
        "  RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = \
         'rows of {table} go by DELETE, so that the sync sees which: TRUNCATE tells nobody';\n"
    );
    let mut sql = unwatch(table);
    sql += &function(table, "check", schema, "", &check);
    sql += &format!(
        "CREATE TRIGGER lockgate_check BEFORE INSERT OR UPDATE OR DELETE ON {table} \
         FOR EACH ROW WHEN ({NOT_OURS}) EXECUTE FUNCTION lockgate_{table}_check();\n"
    );
    sql += &function(table, "truncate", schema, "", &truncate);
    sql += &format!(
        "CREATE TRIGGER lockgate_truncate BEFORE TRUNCATE ON {table} \
         EXECUTE FUNCTION lockgate_{table}_truncate();\n"
    );
    if object.sends() {
        let capture = capture(object);
        let variables = "DECLARE\n  key text;\n  changed text := '';\n";
        sql += &function(table, "capture", schema, variables, &capture);
        sql += &format!(
            "CREATE TRIGGER lockgate_capture AFTER INSERT OR UPDATE OR DELETE ON {table} \
             FOR EACH ROW WHEN ({NOT_OURS}) EXECUTE FUNCTION lockgate_{table}_capture();\n"
        );
    }
    sql
}

fn capture(object: &ObjectPlan) -> String {
    let changed = |column: &ColumnPlan| {
        format!(
            "CASE WHEN NEW.{0} IS DISTINCT FROM OLD.{0} THEN '{1},' ELSE '' END",
            column.column, column.field
        )
    };
    let writable = object.columns.iter().filter(|column| column.is_writable());
    let changed: Vec<String> = ["''".to_owned()]
        .into_iter()
        .chain(writable.map(changed))
        .collect();
    format!(
        "  IF TG_OP = 'DELETE' THEN\n    key := OLD.local_key;\n  ELSE\n    key := NEW.local_key;\n  \
         END IF;\n  IF TG_OP = 'UPDATE' THEN\n    changed := {};\n    IF changed = '' THEN RETURN NULL; \
         END IF;\n  END IF;\n  INSERT INTO ~outbox (object, local_key, op, fields, captured_ms) \
         VALUES ('{}', key, lower(TG_OP), changed, {NOW_MS});\n  RETURN NULL;\n",
        changed.join("\n      || "),
        object.object
    )
}

fn function(table: &str, name: &str, schema: &str, variables: &str, body: &str) -> String {
    format!(
        "CREATE FUNCTION lockgate_{table}_{name}() RETURNS trigger LANGUAGE plpgsql \
         SECURITY DEFINER SET search_path = {schema}, pg_temp AS $lockgate$\n{variables}BEGIN\n\
         {body}END\n$lockgate$;\n"
    )
}

fn rules(event: &str, rules: &[Rule]) -> String {
    if rules.is_empty() {
        return String::new();
    }
    let rules: Vec<String> = rules.iter().map(refusal).collect();
    format!("  IF TG_OP = '{event}' THEN\n{}  END IF;\n", rules.concat())
}

fn refusal(rule: &Rule) -> String {
    let condition = rule
        .broken_when
        .as_ref()
        .map_or_else(|| "true".to_owned(), |when| when.sql("IS DISTINCT FROM"));
    format!(
        "    IF {condition} THEN\n      RAISE EXCEPTION USING ERRCODE = \
         'integrity_constraint_violation', MESSAGE = '{}';\n    END IF;\n",
        rule.sentence.replace('\'', "''")
    )
}
