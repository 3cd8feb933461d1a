//! From a path to what it names. Separate from the work, so that an address
//! that exists can refuse a method it does not have.

use super::jobs;
use crate::id;

/// What a path below `/services/data/vXX.X` names. Names and values are as in
/// the path, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Root,
    Limits,
    RecordCount,
    Objects,
    Object(String),
    Describe(String),
    /// All layouts of an object, or that of one record type.
    Layouts(String, Option<String>),
    /// The picklist values of a record type, of all fields or of one.
    PicklistValues {
        object: String,
        kind: String,
        field: Option<String>,
    },
    Row {
        object: String,
        id: String,
    },
    /// A field of a row that is fetched by itself: a blob or a parent.
    RowPart {
        object: String,
        id: String,
        part: String,
    },
    External {
        object: String,
        field: String,
        value: String,
    },
    Updated(String),
    Deleted(String),
    /// The Avro schema of a platform event.
    EventSchema(String),
    /// The Avro schema of an id.
    SchemaOfId(String),
    Recent,
    Composite,
    Graph,
    Tree(String),
    Batch,
    Collections,
    CollectionsOf(String),
    CollectionsUpsert {
        object: String,
        field: String,
    },
    Query,
    QueryAll,
    QueryMore(String),
    Search,
    ParameterizedSearch,
    PlaceOrder,
    /// Fields, as the Tooling API adds them.
    CustomField,
    Jobs(jobs::Path),
}

impl Resource {
    /// Reads the decoded segments after the version.
    pub(super) fn parse(segments: &[String]) -> Option<Self> {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let owned = |name: &&str| (*name).to_owned();
        Some(match segments.as_slice() {
            [] => Self::Root,
            ["limits"] => Self::Limits,
            ["limits", "recordCount"] => Self::RecordCount,
            ["recent"] => Self::Recent,
            ["sobjects"] => Self::Objects,
            ["sobjects", object] => Self::Object(owned(object)),
            ["sobjects", object, "describe"] => Self::Describe(owned(object)),
            ["sobjects", object, "describe", "layouts", kind @ ..] if kind.len() < 2 => {
                Self::Layouts(owned(object), kind.first().map(owned))
            }
            [
                "ui-api",
                "object-info",
                object,
                "picklist-values",
                kind,
                field @ ..,
            ] if field.len() < 2 => Self::PicklistValues {
                object: owned(object),
                kind: owned(kind),
                field: field.first().map(owned),
            },
            ["sobjects", object, "updated"] => Self::Updated(owned(object)),
            ["sobjects", object, "eventSchema"] => Self::EventSchema(owned(object)),
            ["event", "eventSchema", id] => Self::SchemaOfId(owned(id)),
            ["sobjects", object, "deleted"] => Self::Deleted(owned(object)),
            ["sobjects", object, id] => Self::Row {
                object: owned(object),
                id: owned(id),
            },
            // A custom field's name is never an id: ids have no underscore,
            // and no standard key field is 15 or 18 characters with a digit
            // in front.
            ["sobjects", object, row, part] if is_id(row) => Self::RowPart {
                object: owned(object),
                id: owned(row),
                part: owned(part),
            },
            // Only here may a value hold slashes of its own.
            ["sobjects", object, field, value @ ..] => Self::External {
                object: owned(object),
                field: owned(field),
                value: value.join("/"),
            },
            ["composite"] => Self::Composite,
            ["composite", "batch"] => Self::Batch,
            ["composite", "graph"] => Self::Graph,
            ["composite", "tree", object] => Self::Tree(owned(object)),
            ["composite", "sobjects"] => Self::Collections,
            ["composite", "sobjects", object] => Self::CollectionsOf(owned(object)),
            ["composite", "sobjects", object, field] => Self::CollectionsUpsert {
                object: owned(object),
                field: owned(field),
            },
            ["commerce", "sale", "order"] => Self::PlaceOrder,
            ["tooling", "sobjects", "CustomField"] => Self::CustomField,
            ["search"] => Self::Search,
            ["parameterizedSearch"] => Self::ParameterizedSearch,
            ["query"] => Self::Query,
            ["queryAll"] => Self::QueryAll,
            ["query" | "queryAll", locator] => Self::QueryMore(owned(locator)),
            ["jobs", path @ ..] => Self::Jobs(jobs::Path::parse(path)?),
            _ => return None,
        })
    }

    /// The methods it has, in the order that Salesforce lists them.
    pub(super) fn methods(&self) -> &'static [&'static str] {
        match self {
            Self::Object(_) => &["HEAD", "GET", "POST"],
            Self::Row { .. } | Self::RowPart { .. } => &["HEAD", "GET", "PATCH", "DELETE"],
            Self::External { .. } => &["HEAD", "GET", "POST", "PATCH", "DELETE"],
            Self::Collections => &["POST", "PATCH", "DELETE", "GET"],
            Self::Composite => &["GET", "POST"],
            Self::Batch | Self::Graph | Self::Tree(_) | Self::PlaceOrder | Self::CustomField => {
                &["POST"]
            }
            Self::CollectionsOf(_) | Self::ParameterizedSearch => &["GET", "POST"],
            Self::CollectionsUpsert { .. } => &["PATCH"],
            Self::Jobs(path) => path.methods(),
            _ => &["HEAD", "GET"],
        }
    }
}

fn is_id(segment: &str) -> bool {
    segment.starts_with(|first: char| first.is_ascii_digit() || first == 'a')
        && id::normalize(segment).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> Option<Resource> {
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        Resource::parse(&segments)
    }

    #[test]
    fn a_row_part_and_an_external_id_are_told_apart() {
        assert_eq!(
            parse("sobjects/ContentVersion/068dM00003kRs59/VersionData"),
            Some(Resource::RowPart {
                object: "ContentVersion".to_owned(),
                id: "068dM00003kRs59".to_owned(),
                part: "VersionData".to_owned(),
            })
        );
        assert_eq!(
            parse("sobjects/Contact/Email/a@example.com"),
            Some(Resource::External {
                object: "Contact".to_owned(),
                field: "Email".to_owned(),
                value: "a@example.com".to_owned(),
            })
        );
    }

    #[test]
    fn what_is_not_built_is_not_there() {
        assert_eq!(parse("composite/forest"), None);
        assert_eq!(parse("jobs/classic"), None);
    }
}
