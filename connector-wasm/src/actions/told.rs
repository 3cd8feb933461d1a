//! Problems as actions tell them, in JSON.

use serde::Serialize;

use crate::bindings::exports::lockgate::connector::records::{Advice, Problem};

/// A problem with the names that the contract gives its parts.
#[derive(Serialize)]
pub(super) struct Told<'p> {
    advice: &'static str,
    code: &'p str,
    message: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'p str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    fields: &'p [String],
}

/// Problems as JSON tells them.
pub(super) fn problems(problems: &[Problem]) -> Vec<Told<'_>> {
    let told = problems.iter().map(|problem| Told {
        advice: advice(problem.advice),
        code: &problem.code,
        message: &problem.message,
        object: problem.object.as_deref(),
        fields: &problem.fields,
    });
    told.collect()
}

const fn advice(advice: Advice) -> &'static str {
    match advice {
        Advice::FixRecord => "fix-record",
        Advice::FixSchema => "fix-schema",
        Advice::AskPermission => "ask-permission",
        Advice::Refetch => "refetch",
        Advice::ResolveDuplicate => "resolve-duplicate",
        Advice::Retry => "retry",
        Advice::WaitForQuota => "wait-for-quota",
        Advice::RolledBack => "rolled-back",
        Advice::CheckOutcome => "check-outcome",
        Advice::Reconnect => "reconnect",
    }
}
