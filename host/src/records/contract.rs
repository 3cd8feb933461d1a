//! From the contract's types to ours, with what guests say made safe to show.

use super::{
    Action, Advice, Child, ConnectorDescription, EventKind, Field, ObjectDescription,
    ObjectSummary, Operation, Outcome, Problem, RecordResult, RelatedResult, RowResult,
    SettingProblem, Way, WriteOptions,
};
use crate::bindings::connector::exports::lockgate::connector::records as wit;
use crate::plain::is_forging;

/// Longest text that is taken over from a guest into messages, in bytes: the
/// contract's own cuts, applied again because a guest may not have kept them.
const MAX_TEXT_BYTES: usize = 1024;

/// How many problems of one record or of the settings, and fields of a problem,
/// are taken over: more than a person reads.
const MAX_LISTED: usize = 100;

/// Cuts a text of a guest and makes its control characters visible, so that it
/// can stand in a log or on a terminal.
pub(crate) fn bounded(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let (head, rest) = text.split_at(end);
    let mut clean = String::with_capacity(head.len());
    for c in head.chars() {
        match c {
            '\n' | '\t' => clean.push(' '),
            c if is_forging(c) => clean.extend(c.escape_default()),
            c => clean.push(c),
        }
    }
    if !rest.is_empty() {
        clean.push('…');
    }
    clean
}

/// Takes over what a guest says against its settings, pointers with messages.
pub(crate) fn setting_problems(
    problems: impl ExactSizeIterator<Item = (String, String)>,
) -> Vec<SettingProblem> {
    let n_more = problems.len().saturating_sub(MAX_LISTED);
    let mut listed: Vec<SettingProblem> = problems
        .take(MAX_LISTED)
        .map(|(pointer, message)| SettingProblem {
            pointer: bounded(&pointer),
            message: bounded(&message),
        })
        .collect();
    if n_more > 0 {
        listed.push(SettingProblem {
            pointer: String::new(),
            message: format!("and {n_more} more problems"),
        });
    }
    listed
}

impl From<wit::Advice> for Advice {
    fn from(advice: wit::Advice) -> Self {
        match advice {
            wit::Advice::FixRecord => Self::FixRecord,
            wit::Advice::FixSchema => Self::FixSchema,
            wit::Advice::AskPermission => Self::AskPermission,
            wit::Advice::Refetch => Self::Refetch,
            wit::Advice::ResolveDuplicate => Self::ResolveDuplicate,
            wit::Advice::Retry => Self::Retry,
            wit::Advice::WaitForQuota => Self::WaitForQuota,
            wit::Advice::RolledBack => Self::RolledBack,
            wit::Advice::CheckOutcome => Self::CheckOutcome,
            wit::Advice::Reconnect => Self::Reconnect,
        }
    }
}

impl From<wit::Problem> for Problem {
    fn from(problem: wit::Problem) -> Self {
        Self {
            advice: problem.advice.into(),
            code: bounded(&problem.code),
            message: bounded(&problem.message),
            object: problem.object.as_deref().map(bounded),
            fields: problem
                .fields
                .iter()
                .take(MAX_LISTED)
                .map(|field| bounded(field))
                .collect(),
        }
    }
}

impl From<wit::RecordResult> for RecordResult {
    fn from(result: wit::RecordResult) -> Self {
        Self {
            id: result.id,
            outcome: result.outcome.into(),
            related: result
                .related
                .into_iter()
                .map(|related| RelatedResult {
                    pointer: bounded(&related.pointer),
                    object: bounded(&related.object),
                    id: related.id,
                    outcome: related.outcome.into(),
                })
                .collect(),
        }
    }
}

impl From<wit::Outcome> for Outcome {
    fn from(outcome: wit::Outcome) -> Self {
        match outcome {
            wit::Outcome::Created => Self::Created,
            wit::Outcome::Updated => Self::Updated,
            wit::Outcome::Deleted => Self::Deleted,
            wit::Outcome::Checked => Self::Checked,
            wit::Outcome::Failed(problems) => Self::Failed {
                problems: problems
                    .into_iter()
                    .take(MAX_LISTED)
                    .map(Problem::from)
                    .collect(),
            },
        }
    }
}

impl From<wit::Done> for Outcome {
    fn from(done: wit::Done) -> Self {
        match done {
            wit::Done::Created => Self::Created,
            wit::Done::Updated => Self::Updated,
            wit::Done::Deleted => Self::Deleted,
        }
    }
}

impl From<wit::RowResult> for RowResult {
    fn from(result: wit::RowResult) -> Self {
        Self {
            row: result.row,
            result: result.outcome.into(),
        }
    }
}

impl From<wit::Way> for Way {
    fn from(way: wit::Way) -> Self {
        Self {
            name: bounded(&way.name),
            reason: bounded(&way.reason),
        }
    }
}

impl From<&Operation> for wit::Operation {
    fn from(operation: &Operation) -> Self {
        match operation {
            Operation::Create => Self::Create,
            Operation::Update => Self::Update,
            Operation::Upsert(key_field) => Self::Upsert(key_field.clone()),
            Operation::Delete => Self::Delete,
        }
    }
}

impl From<WriteOptions> for wit::WriteOptions {
    fn from(options: WriteOptions) -> Self {
        Self {
            all_or_none: options.all_or_none,
            way: options.way,
            name: options.name,
            dry_run: options.dry_run,
        }
    }
}

impl From<wit::ObjectSummary> for ObjectSummary {
    fn from(object: wit::ObjectSummary) -> Self {
        Self {
            name: object.name,
            label: object.label,
            custom: object.custom,
            createable: object.createable,
            updateable: object.updateable,
            deletable: object.deletable,
            queryable: object.queryable,
        }
    }
}

/// Fields of a description that say when a record was changed, as the contract has it.
const MAX_STAMP_FIELDS: usize = 8;

impl From<wit::ObjectDescription> for ObjectDescription {
    fn from(object: wit::ObjectDescription) -> Self {
        Self {
            summary: object.summary.into(),
            fields: object.fields.into_iter().map(Field::from).collect(),
            children: object
                .children
                .into_iter()
                .map(|child| Child {
                    object: child.object,
                    field: child.field,
                    relationship: child.relationship,
                })
                .collect(),
            stamp_fields: object
                .stamp_fields
                .into_iter()
                .take(MAX_STAMP_FIELDS)
                .collect(),
        }
    }
}

impl From<wit::Field> for Field {
    fn from(field: wit::Field) -> Self {
        Self {
            name: field.name,
            label: field.label,
            kind: field.kind,
            max_length: field.max_length,
            required: field.required,
            nillable: field.nillable,
            createable: field.createable,
            updateable: field.updateable,
            custom: field.custom,
            unique: field.unique,
            external_id: field.external_id,
            references: field.references,
            picklist: field.picklist,
            restricted: field.restricted,
        }
    }
}

impl From<wit::Description> for ConnectorDescription {
    fn from(description: wit::Description) -> Self {
        Self {
            product: description.product,
            summary: description.summary,
            objects: description.objects,
            actions: description
                .actions
                .into_iter()
                .map(|action| Action {
                    name: action.name,
                    summary: action.summary,
                    input_schema: action.input_schema,
                    output_schema: action.output_schema,
                })
                .collect(),
            events: description
                .events
                .into_iter()
                .map(|event| EventKind {
                    name: event.name,
                    summary: event.summary,
                    payload_schema: event.payload_schema,
                })
                .collect(),
            settings_schema: description.settings_schema,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_text_is_cut_and_cannot_paint_the_terminal() {
        assert_eq!(bounded("a\x1b[31mred\r\nb"), "a\\u{1b}[31mred\\r b");
        let long = "ä".repeat(2000);
        let cut = bounded(&long);
        assert!(cut.len() <= MAX_TEXT_BYTES + '…'.len_utf8());
        assert!(cut.ends_with('…'));
    }
}
