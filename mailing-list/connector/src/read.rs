//! Reading members: by their ids, by a query, and by a scan in the order of their ids.
//!
//! The service has no query language, so a query is the object with what to look for,
//! as JSON: `Member`, or `Member {"status": "subscribed", "tag": "vip"}`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{
    Advice, Error, Matching, Page, PageRecords, QueryOptions, ScanOptions, Way,
};
use crate::describe::{KEYS, MEMBER, check_fields, check_object};
use crate::fault::{Effect, refused, unexpected};
use crate::host::Host;
use crate::record::from_member;
use crate::wire::{Fields, Members};

/// The service's bound of values in one search.
const MAX_VALUES: usize = 200;

/// The service's bound of members in one page.
const MAX_PAGE: u32 = 500;

/// The one way to read many.
const WAY: &str = "list";

/// What a query may look for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    status: Option<String>,
    tag: Option<String>,
}

/// An answer under way.
#[derive(Debug)]
pub(crate) struct Pages<H> {
    api: Rc<Api<H>>,
    fields: Vec<String>,
    /// What to ask next; none after the last page.
    next: RefCell<Option<Ask>>,
}

/// What a page is asked for with.
#[derive(Clone, Debug)]
enum Ask {
    List {
        filter: Vec<(String, String)>,
        after: Option<String>,
    },
    /// One page has them all.
    Search {
        field: String,
        values: Vec<String>,
        after: Option<String>,
    },
}

/// How it is done.
pub(crate) fn way() -> Way {
    Way {
        name: WAY.to_owned(),
        reason: "it is the only one".to_owned(),
    }
}

/// Reads members; `null` stands for one that is not there.
pub(crate) async fn get<H: Host>(
    api: &Api<H>,
    object: &str,
    ids: &[String],
    fields: &[String],
) -> Result<Vec<u8>, Error> {
    check_object(object)?;
    check_fields(fields)?;
    let mut found = HashMap::new();
    for ids in ids.chunks(MAX_VALUES) {
        for member in search(api, "id", ids).await? {
            found.insert(id_of(&member)?, from_member(member, fields));
        }
    }
    let records = ids.iter().map(|id| found.get(id));
    serde_json::to_vec(&records.collect::<Vec<_>>()).map_err(|_| unexpected("members as JSON"))
}

/// Runs a query.
pub(crate) fn query<H: Host>(
    api: Rc<Api<H>>,
    text: &str,
    options: QueryOptions,
) -> Result<Pages<H>, Error> {
    check_way(options.way.as_deref())?;
    let text = text.trim();
    let (object, wanted) = match text.find(|c: char| c.is_whitespace() || c == '{') {
        Some(at) => text.split_at_checked(at).unwrap_or((text, "")),
        None => (text, "{}"),
    };
    check_object(object)?;
    let wanted: Wanted = serde_json::from_str(wanted).map_err(|error| {
        refused(
            Advice::FixRecord,
            "malformed_query",
            &format!(
                "a query is {MEMBER}, or {MEMBER} with what to look for as JSON, such as \
                 {MEMBER} {{\"status\": \"subscribed\", \"tag\": \"vip\"}}; {error}"
            ),
        )
    })?;
    let mut filter = Vec::new();
    for (name, value) in [("status", wanted.status), ("tag", wanted.tag)] {
        filter.extend(value.map(|value| (name.to_owned(), value)));
    }
    let limit = match options.page_size {
        0 => MAX_PAGE,
        wished => wished.min(MAX_PAGE),
    };
    filter.push(("limit".to_owned(), limit.to_string()));
    Ok(Pages {
        api,
        fields: Vec::new(),
        next: RefCell::new(Some(Ask::List {
            filter,
            after: None,
        })),
    })
}

/// Begins a scan.
pub(crate) fn scan<H: Host>(
    api: Rc<Api<H>>,
    object: &str,
    options: ScanOptions,
) -> Result<Pages<H>, Error> {
    check_object(object)?;
    check_fields(&options.fields)?;
    check_way(options.way.as_deref())?;
    let after = options.after;
    let ask = match options.matching {
        None => Ask::List {
            filter: vec![("limit".to_owned(), MAX_PAGE.to_string())],
            after,
        },
        Some(Matching { field, values }) => {
            if !KEYS.contains(&field.as_str()) {
                return Err(refused(
                    Advice::FixSchema,
                    "no_key",
                    "members are found by id, email or external_key",
                ));
            }
            if values.is_empty() || values.len() > MAX_VALUES {
                return Err(refused(
                    Advice::FixRecord,
                    "wrong_count",
                    "a scan by the value of a field takes 1 to 200 values",
                ));
            }
            Ask::Search {
                field,
                values,
                after,
            }
        }
    };
    // A scan without fields is one of ids alone.
    let mut fields = options.fields;
    fields.insert(0, crate::describe::ID.to_owned());
    Ok(Pages {
        api,
        fields,
        next: RefCell::new(Some(ask)),
    })
}

impl<H: Host> Pages<H> {
    /// The next page. After an error that passes it is asked for again.
    pub(crate) async fn next(&self) -> Result<Option<Page>, Error> {
        let Some(ask) = self.next.borrow().clone() else {
            return Ok(None);
        };
        let (members, next) = match ask {
            Ask::Search {
                field,
                values,
                after,
            } => {
                let mut members = search(&self.api, &field, &values).await?;
                members
                    .retain(|member| member.get("id").and_then(Value::as_str) > after.as_deref());
                (members, None)
            }
            Ask::List { filter, after } => {
                let mut query = filter.clone();
                query.extend(after.map(|after| ("after".to_owned(), after)));
                let page: Members = self.api.get("/v1/members", query).await?;
                let after = page.next.map(Some);
                (page.members, after.map(|after| Ask::List { filter, after }))
            }
        };
        self.next.replace(next);
        let members = members.into_iter();
        let records: Vec<Fields> = members
            .map(|member| from_member(member, &self.fields))
            .collect();
        let records = serde_json::to_vec(&records).map_err(|_| unexpected("members as JSON"))?;
        Ok(Some(Page {
            records: PageRecords::Json(records),
            total: None,
        }))
    }
}

async fn search<H: Host>(
    api: &Api<H>,
    field: &str,
    values: &[String],
) -> Result<Vec<Fields>, Error> {
    let body = json!({ field: values });
    let found: Members = api.post("/v1/members/search", &body, Effect::Read).await?;
    Ok(found.members)
}

fn id_of(member: &Fields) -> Result<String, Error> {
    let id = member.get("id").and_then(Value::as_str);
    id.map(str::to_owned)
        .ok_or_else(|| unexpected("members with ids"))
}

fn check_way(way: Option<&str>) -> Result<(), Error> {
    match way {
        None | Some(WAY) => Ok(()),
        Some(_) => Err(refused(
            Advice::FixRecord,
            "unknown_way",
            "there is no such way to read; the one way is: list",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, Reply, broken, run};

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    fn records(page: Option<Page>) -> Value {
        let PageRecords::Json(records) = page.unwrap().records else {
            panic!("no JSON")
        };
        serde_json::from_slice(&records).unwrap()
    }

    fn scan_options(fields: &[&str]) -> ScanOptions {
        ScanOptions {
            fields: texts(fields),
            after: None,
            matching: None,
            way: None,
        }
    }

    fn code<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
        match outcome.map(|_| ()).unwrap_err() {
            Error::Refused(problem) => problem.code,
            error => panic!("{error:?}"),
        }
    }

    #[test]
    fn members_come_in_the_order_of_the_ids_that_were_asked_for() {
        let found = r#"{"members":[{"id":"m1","email":"a@example.com"},{"id":"m2","email":"b@example.com"}]}"#;
        let fake = Fake::new([Reply::ok(found)]);
        let api = Api::new(fake.clone());
        let got = run(get(
            &api,
            MEMBER,
            &texts(&["m2", "m3", "m1"]),
            &texts(&["email"]),
        ))
        .unwrap();
        let got: Value = serde_json::from_slice(&got).unwrap();
        let expected = json!([
            {"id": "m2", "email": "b@example.com"},
            null,
            {"id": "m1", "email": "a@example.com"},
        ]);
        assert_eq!(got, expected);
        assert_eq!(fake.asked(0), "POST /v1/members/search");
        assert_eq!(fake.body(0), json!({"id": ["m2", "m3", "m1"]}));
    }

    #[test]
    fn a_scan_goes_on_behind_the_last_id_also_after_a_fault() {
        let first =
            r#"{"members":[{"id":"m1","tags":["vip"],"email":"a@example.com"}],"next":"m1"}"#;
        let last = r#"{"members":[],"next":null}"#;
        let fake = Fake::new([Reply::ok(first), Reply::Lost(broken(true)), Reply::ok(last)]);
        let pages = scan(
            Rc::new(Api::new(fake.clone())),
            MEMBER,
            scan_options(&["tags"]),
        )
        .unwrap();
        assert_eq!(
            records(run(pages.next()).unwrap()),
            json!([{"id": "m1", "tags": "vip"}])
        );
        assert!(matches!(run(pages.next()), Err(Error::Unavailable(700))));
        assert_eq!(records(run(pages.next()).unwrap()), json!([]));
        assert!(matches!(run(pages.next()), Ok(None)));
        assert_eq!(fake.asked(2), "GET /v1/members?limit=500&after=m1");
    }

    #[test]
    fn a_scan_by_values_is_a_search() {
        let found = r#"{"members":[{"id":"m1","email":"a@example.com"},{"id":"m2","email":"b@example.com"}]}"#;
        let fake = Fake::new([Reply::ok(found)]);
        let options = ScanOptions {
            after: Some("m1".to_owned()),
            matching: Some(Matching {
                field: "email".to_owned(),
                values: texts(&["a@example.com", "b@example.com"]),
            }),
            ..scan_options(&[])
        };
        let pages = scan(Rc::new(Api::new(fake.clone())), MEMBER, options).unwrap();
        assert_eq!(records(run(pages.next()).unwrap()), json!([{"id": "m2"}]));
        assert!(matches!(run(pages.next()), Ok(None)));
    }

    #[test]
    fn a_query_says_what_to_look_for_as_json() {
        let asked = |text: &str| {
            let fake = Fake::new([Reply::ok(r#"{"members":[],"next":null}"#)]);
            let options = QueryOptions {
                include_deleted: false,
                page_size: 10,
                way: None,
            };
            let pages = query(Rc::new(Api::new(fake.clone())), text, options)?;
            run(pages.next())?;
            Ok(fake.asked(0))
        };
        assert_eq!(asked(" Member "), Ok("GET /v1/members?limit=10".to_owned()));
        assert_eq!(
            asked(r#"Member {"status": "subscribed", "tag": "vip"}"#),
            Ok("GET /v1/members?status=subscribed&tag=vip&limit=10".to_owned())
        );
        assert_eq!(code(asked("Contact")), "unknown_object");
        for text in [
            r#"Member {"shoe_size": 44}"#,
            "Member WHERE status = 1",
            "Member {",
        ] {
            assert_eq!(code(asked(text)), "malformed_query", "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_refused_before_anything_is_asked() {
        let api = || Rc::new(Api::new(Fake::new([])));
        assert_eq!(
            code(scan(api(), "Lead", scan_options(&[]))),
            "unknown_object"
        );
        assert_eq!(
            code(scan(api(), MEMBER, scan_options(&["shoe"]))),
            "unknown_field"
        );
        let matching = |field: &str, count: usize| ScanOptions {
            matching: Some(Matching {
                field: field.to_owned(),
                values: vec!["x".to_owned(); count],
            }),
            ..scan_options(&[])
        };
        assert_eq!(code(scan(api(), MEMBER, matching("status", 1))), "no_key");
        assert_eq!(
            code(scan(api(), MEMBER, matching("email", 201))),
            "wrong_count"
        );
        let bulk = ScanOptions {
            way: Some("bulk".to_owned()),
            ..scan_options(&[])
        };
        assert_eq!(code(scan(api(), MEMBER, bulk)), "unknown_way");
    }
}
