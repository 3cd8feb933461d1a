//! `search` with SOSL, and `parameterizedSearch` without.

use serde::Deserialize;

use super::call::{Answer, Call};
use crate::fault::Fault;
use crate::http::answer;
use crate::sosl::{MOST, Returning, Scope, Search};

/// Before this version a search answered with a bare array.
const OBJECT_SINCE: u16 = 37;

/// The first version with `parameterizedSearch`.
const PARAMETERS_SINCE: u16 = 36;

/// `GET /search?q=FIND {Acme}`
pub(super) fn sosl(call: &Call) -> Answer {
    let text = call.parameter("q").unwrap_or_default();
    if text.trim().is_empty() {
        return Err(malformed("A search string has to be specified"));
    }
    run(call, &Search::parse(text)?)
}

/// `GET` and `POST /parameterizedSearch`
pub(super) fn parameterized(call: &Call) -> Answer {
    if !call.version.is_at_least(PARAMETERS_SINCE) {
        return Ok(answer::not_found());
    }
    let wanted = if call.method == "POST" {
        call.json()?
    } else {
        Wanted::of_query(call)?
    };
    run(call, &wanted.search()?)
}

fn run(call: &Call, search: &Search) -> Answer {
    let org = call.org();
    let records = search.run(&org, &call.who, &call.version.name())?;
    drop(org);
    if !call.version.is_at_least(OBJECT_SINCE) {
        return Ok(answer::bytes(200, records));
    }
    let mut body = br#"{"searchRecords":"#.to_vec();
    body.extend_from_slice(&records);
    body.push(b'}');
    Ok(answer::bytes(200, body))
}

/// A search in parameters.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wanted {
    q: String,
    #[serde(rename = "in")]
    scope: Option<String>,
    fields: Vec<String>,
    sobjects: Vec<Sobject>,
    default_limit: Option<usize>,
    overall_limit: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Sobject {
    name: String,
    fields: Vec<String>,
    #[serde(rename = "where")]
    condition: Option<String>,
    order_by: Option<String>,
    limit: Option<usize>,
}

impl Wanted {
    /// `q=Acme&sobject=Account&Account.fields=Id,Name&Account.limit=10`
    fn of_query(call: &Call) -> Result<Self, Fault> {
        let number = |name: &str| -> Result<Option<usize>, Fault> {
            let parse = |text: &str| {
                let wrong = || malformed(format!("{name} has to be a number, not {text}"));
                text.parse().map_err(|_| wrong())
            };
            call.parameter(name).map(parse).transpose()
        };
        let text = |name: &str| call.parameter(name).map(str::to_owned);
        let sobjects = call.parameters("sobject").map(|name| {
            Ok(Sobject {
                name: name.to_owned(),
                fields: call.list(&format!("{name}.fields")).unwrap_or_default(),
                condition: text(&format!("{name}.where")),
                order_by: text(&format!("{name}.orderBy")),
                limit: number(&format!("{name}.limit"))?,
            })
        });
        Ok(Self {
            q: text("q").unwrap_or_default(),
            scope: text("in"),
            fields: call.list("fields").unwrap_or_default(),
            sobjects: sobjects.collect::<Result<_, Fault>>()?,
            default_limit: number("defaultLimit")?,
            overall_limit: number("overallLimit")?,
        })
    }

    fn search(self) -> Result<Search, Fault> {
        let Self {
            q,
            scope,
            fields,
            sobjects,
            default_limit,
            overall_limit,
        } = self;
        if q.trim().is_empty() {
            return Err(malformed("The q parameter is missing"));
        }
        if sobjects.is_empty() && !(fields.is_empty() && default_limit.is_none()) {
            return Err(Fault::bad_request(
                "INVALID_INPUT",
                "fields and defaultLimit need at least one sobject",
            ));
        }
        let limits = sobjects.iter().filter_map(|sobject| sobject.limit);
        if let Some(limit) = limits
            .chain(default_limit)
            .chain(overall_limit)
            .find(|limit| *limit > MOST)
        {
            return Err(Fault::bad_request(
                "INVALID_INPUT",
                format!("A limit of {limit} is more than {MOST}"),
            ));
        }
        let returning = sobjects.into_iter().map(|sobject| Returning {
            fields: if sobject.fields.is_empty() {
                fields.join(",")
            } else {
                sobject.fields.join(",")
            },
            object: sobject.name,
            conditions: [("WHERE", sobject.condition), ("ORDER BY", sobject.order_by)]
                .into_iter()
                .filter_map(|(keyword, text)| Some(format!("{keyword} {}", text?)))
                .collect::<Vec<_>>()
                .join(" "),
            limit: sobject.limit.or(default_limit),
            offset: 0,
        });
        Ok(Search {
            find: q,
            scope: scope.as_deref().map_or(Ok(Scope::All), Scope::named)?,
            returning: returning.collect(),
            limit: overall_limit,
        })
    }
}

fn malformed(message: impl Into<String>) -> Fault {
    Fault::bad_request("MALFORMED_SEARCH", message)
}
