//! Duplicate rules: records like the one being written.

use serde_json::{Value as Json, json};

use super::draft::Draft;
use super::{Org, WriteOptions};
use crate::fault::Fault;
use crate::schema::{DuplicateAction, DuplicateRule};
use crate::table::{Row, same_without_case};
use crate::value::Value;

/// The version in the URLs of an answer that knows no request.
const VERSION: &str = "v60.0";

impl Org {
    /// Refuses a record that a rule finds duplicates of, unless the rule only
    /// alerts and the request says to save.
    pub(super) fn check_duplicate_rules(
        &self,
        draft: &Draft<'_>,
        options: &WriteOptions,
    ) -> Result<(), Fault> {
        for rule in self.schema.duplicate_rules(&draft.object.name) {
            let alerts_only = rule.action == DuplicateAction::Alert;
            if (alerts_only && options.allow_duplicates) || (!draft.is_new() && !rule.on_update) {
                continue;
            }
            let found = self.duplicates(draft, rule);
            if !found.is_empty() {
                return Err(self.detected(draft, rule, &found, options));
            }
        }
        Ok(())
    }

    /// Live records whose match fields all equal the draft's.
    fn duplicates(&self, draft: &Draft<'_>, rule: &DuplicateRule) -> Vec<&Row> {
        let columns: Vec<usize> = rule
            .match_fields
            .iter()
            .filter_map(|field| draft.object.column(field))
            .collect();
        let Some(first) = columns.first() else {
            return Vec::new();
        };
        let is_unchanged = columns
            .iter()
            .all(|column| draft.at(*column) == draft.before_at(*column));
        if is_unchanged || columns.iter().any(|column| draft.at(*column).is_null()) {
            return Vec::new();
        }
        self.table(draft.object)
            .find(*first, draft.at(*first))
            .into_iter()
            .filter(|row| !row.is_deleted() && row.id() != draft.text("Id"))
            .filter(|row| {
                columns
                    .iter()
                    .all(|column| is_alike(row.get(*column), draft.at(*column)))
            })
            .collect()
    }

    fn detected(
        &self,
        draft: &Draft<'_>,
        rule: &DuplicateRule,
        found: &[&Row],
        options: &WriteOptions,
    ) -> Fault {
        let object = &draft.object.name;
        let records: Vec<Json> = found
            .iter()
            .map(|row| {
                let url = super::record_url(draft.object, row.id(), VERSION);
                let mut record = json!({
                    "attributes": {"type": object, "url": url},
                    "Id": row.id(),
                });
                if options.include_record_details
                    && let Some(record) = record.as_object_mut()
                {
                    for field in &rule.match_fields {
                        if let Some(column) = draft.object.column(field) {
                            record.insert(field.clone(), row.get(column).to_json());
                        }
                    }
                }
                json!({
                    "additionalInformation": [],
                    "fieldDiffs": [],
                    "matchConfidence": 100.0,
                    "record": record,
                })
            })
            .collect();
        let result = json!({
            "allowSave": rule.action == DuplicateAction::Alert,
            "duplicateRule": rule.name,
            "duplicateRuleEntityType": object,
            "errorMessage": rule.message,
            "matchResults": [{
                "entityType": object,
                "errors": [],
                "matchEngine": "ExactMatchEngine",
                "matchRecords": records,
                "rule": rule.name,
                "size": found.len(),
                "success": true,
            }],
        });
        // The misspelling is the API's own.
        Fault::bad_request("DUPLICATES_DETECTED", rule.message.clone())
            .with("duplicateResut", result)
    }
}

fn is_alike(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => same_without_case(left, right),
        _ => left == right,
    }
}
