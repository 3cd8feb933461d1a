//! Files are tied to records by `ContentDocumentLink`, which Salesforce looks up
//! only from one of its two ends.

use crate::schema::Object;
use crate::soql::ast::{Comparison, Condition, Expr, LiteralKind, Query, Right};
use crate::soql::error::QueryError;

const LINKS: &str = "ContentDocumentLink";
const ENDS: [&str; 2] = ["ContentDocumentId", "LinkedEntityId"];

/// Refuses a statement that would have to look at all links.
pub(super) fn check(object: &Object, query: &Query) -> Result<(), QueryError> {
    if object.name != LINKS || query.filter.as_ref().is_some_and(names_an_end) {
        return Ok(());
    }
    Err(QueryError::malformed(
        query.from.at,
        "Implementation restriction: ContentDocumentLink requires a filter by a single Id on \
         ContentDocumentId or LinkedEntityId using the equals operator or multiple Id's using the \
         IN operator.",
    ))
}

/// Refuses links as the inner part of a semi-join.
pub(super) fn check_inner(object: &Object, query: &Query) -> Result<(), QueryError> {
    if object.name != LINKS {
        return Ok(());
    }
    let message = format!("Entity '{LINKS}' is not supported for semi join inner selects");
    Err(QueryError::malformed(query.from.at, message))
}

fn names_an_end(condition: &Condition) -> bool {
    match condition {
        Condition::And(parts) => parts.iter().any(names_an_end),
        Condition::Or(_) | Condition::Not(_) => false,
        Condition::Test(test) => {
            let Expr::Path(name) = &test.left else {
                return false;
            };
            let field = name.text.rsplit('.').next().unwrap_or_default();
            let is_listed = match &test.right {
                Right::Compare(Comparison::Equal, id) => matches!(id.kind, LiteralKind::Text(_)),
                Right::In { negated, .. } | Right::InQuery { negated, .. } => !negated,
                _ => false,
            };
            is_listed && ENDS.iter().any(|end| end.eq_ignore_ascii_case(field))
        }
    }
}
