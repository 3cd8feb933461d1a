//! A job from its start to its end.

mod choice;

use super::*;
use crate::bindings::lockgate::connector::tables::{EditedText, Member, Object, Shape, Value};
use crate::fake::{Fake, broken, interrupted, run};
use crate::host::{HttpError, Lost};

const CONTACT: &str = r#"{"name":"Contact","fields":[
    {"name":"Id","type":"id"},{"name":"Name","type":"string","length":121},
    {"name":"Score__c","type":"double"},{"name":"Active__c","type":"boolean"},
    {"name":"CreatedDate","type":"datetime"},{"name":"Birthdate","type":"date"},
    {"name":"MailingAddress","type":"address"},
    {"name":"AccountId","type":"reference","relationshipName":"Account","referenceTo":["Account"]},
    {"name":"OwnerId","type":"reference","relationshipName":"Owner","referenceTo":["Group","User"]}]}"#;
const ACCOUNT: &str = r#"{"name":"Account","fields":[
    {"name":"Id","type":"id"},{"name":"Name","type":"string"},{"name":"Phone","type":"phone"}]}"#;

const STARTED: &str = r#"{"id":"750dM00000aYaE3QAK","state":"UploadComplete"}"#;
const WORKING: &str = r#"{"id":"750dM00000aYaE3QAK","state":"InProgress"}"#;
const DONE: &str =
    r#"{"id":"750dM00000aYaE3QAK","state":"JobComplete","numberRecordsProcessed":3}"#;

const JOB: &str = "/services/data/v62.0/jobs/query/750dM00000aYaE3QAK";

fn asked(way: Option<&str>, page_size: u32) -> QueryOptions {
    QueryOptions {
        include_deleted: false,
        page_size,
        way: way.map(str::to_owned),
    }
}

fn opened(fake: &Fake, text: &str, options: QueryOptions) -> Result<Pages<Fake>, Error> {
    run(open(Rc::new(fake.api()), text, options))
}

/// A job for `SELECT Id, Name FROM Contact` that has been started.
fn started(script: impl FnOnce(Fake) -> Fake, page_size: u32) -> (Fake, Pages<Fake>) {
    let fake = Fake::new().answer(200, CONTACT).answer(200, STARTED);
    let fake = script(fake);
    let options = asked(Some("bulk"), page_size);
    let pages = opened(&fake, "SELECT Id, Name FROM Contact", options).unwrap();
    (fake, pages)
}

/// The names in the records of the next page.
fn next(pages: &Pages<Fake>) -> Result<Option<Vec<String>>, Error> {
    let page = run(pages.next())?;
    Ok(page.map(|page| match page.records {
        Records::Rows(rows) => rows.into_iter().map(|mut row| row.remove(1)).collect(),
        json => {
            let records: Vec<serde_json::Value> = serde_json::from_str(&json.json()).unwrap();
            let name = |record: &serde_json::Value| record["Name"].as_str().unwrap().to_owned();
            records.iter().map(name).collect()
        }
    }))
}

fn rows(names: &[&str]) -> String {
    let rows = names
        .iter()
        .map(|name| format!("\"00{name}\",\"{name}\"\n"));
    format!("\"Id\",\"Name\"\n{}", rows.collect::<String>())
}

fn refusal<T: std::fmt::Debug>(
    answer: Result<T, Error>,
) -> crate::bindings::exports::lockgate::connector::records::Problem {
    match answer {
        Err(Error::Refused(problem)) => problem,
        other => panic!("not refused: {other:?}"),
    }
}

fn text(column: u32) -> Value {
    Value::Text(column)
}

fn moment(column: u32) -> Value {
    Value::EditedText(EditedText {
        column,
        prefix: String::new(),
        ending: Some(("Z".to_owned(), "+0000".to_owned())),
    })
}

/// An object with its members; a record is there if this column says so.
fn object(
    present: Option<u32>,
    members: impl IntoIterator<Item = (&'static str, Value)>,
) -> Object {
    let member = |(name, value): (&str, Value)| Member {
        name: name.to_owned(),
        value,
    };
    Object {
        present,
        members: members.into_iter().map(member).collect(),
    }
}

/// The attributes of a record whose id stands in this column.
fn attributes(kind: &str, id: u32) -> Object {
    let url = EditedText {
        column: id,
        prefix: format!("/services/data/v62.0/sobjects/{kind}/"),
        ending: None,
    };
    let kind = Value::Constant(kind.to_owned());
    object(None, [("type", kind), ("url", Value::EditedText(url))])
}

/// What comes of such a shape, byte for byte, is tested where the host makes it.
#[test]
fn the_rows_of_a_job_are_said_to_be_the_records_that_rest_gives() {
    let csv = "\"Name\",\"ACCOUNT.Phone\",\"Score__c\",\"Active__c\",\"CreatedDate\",\"Birthdate\",\"Account.Name\",\"Id\",\"Account.Id\"\n\
        \"O'Hara\",\"\",\"1.39E8\",\"true\",\"2026-05-01T07:25:37.000Z\",\"2026-05-01\",\"Acme\",\"0031\",\"0011\"\n\
        \"N/A\",\"\",\"\",\"false\",\"\",\"\",\"\",\"0032\",\"\"\n";
    let fake = Fake::new()
        .answer(200, CONTACT)
        .answer(200, ACCOUNT)
        .answer(200, STARTED)
        .answer(200, DONE)
        .rows(csv, "null")
        .answer(204, "");
    let text_of_query = "SELECT name, Account.Phone, Score__c, Active__c, CreatedDate, Birthdate, account.Name FROM contact LIMIT 3";
    let pages = opened(&fake, text_of_query, asked(Some("bulk"), 0)).unwrap();
    assert_eq!(
        (pages.way().name.as_str(), pages.way().reason.as_str()),
        ("bulk", "asked for")
    );
    let page = run(pages.next()).unwrap().unwrap();
    assert_eq!(page.total, Some(3));
    let Records::Rows(rows) = page.records else {
        panic!("no rows")
    };
    assert_eq!(rows.len(), 2);
    let contact = object(
        Some(7),
        [
            ("attributes", Value::Object(2)),
            ("Name", text(0)),
            ("Account", Value::Object(1)),
            ("Score__c", Value::Number(2)),
            ("Active__c", Value::Boolean(3)),
            ("CreatedDate", moment(4)),
            ("Birthdate", text(5)),
        ],
    );
    let account = object(
        Some(8),
        [
            ("attributes", Value::Object(3)),
            ("Phone", text(1)),
            ("Name", text(6)),
        ],
    );
    let objects = vec![
        contact,
        account,
        attributes("Contact", 7),
        attributes("Account", 8),
    ];
    assert_eq!(*fake.0.shapes.borrow(), [Shape { objects }]);
    assert_eq!(next(&pages).unwrap(), None);
    assert_eq!(
        fake.body(2),
        r#"{"operation":"query","query":"SELECT name, Account.Phone, Score__c, Active__c, CreatedDate, Birthdate, account.Name, Id, Account.Id FROM contact LIMIT 3"}"#
    );
    assert_eq!(fake.header(4, "Accept").as_deref(), Some("text/csv"));
    assert_eq!(fake.lines()[5], format!("DELETE {JOB}"));
    assert!(fake.is_done());
}

#[test]
fn a_job_is_looked_at_less_and_less_often_and_a_page_does_not_wait_for_ever() {
    let (fake, pages) = started(
        |mut fake| {
            for _ in 0..9 {
                fake = fake.answer(200, WORKING);
            }
            fake.answer(200, DONE)
                .rows(rows(&["1"]), "null")
                .answer(204, "")
        },
        0,
    );
    assert_eq!(next(&pages).unwrap(), Some(Vec::new()));
    let waits = fake.0.waits.borrow().clone();
    assert_eq!(
        waits,
        [
            250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 5_000, 5_000
        ][..waits.len()]
    );
    assert!(waits.iter().sum::<u32>() >= 30_000);
    assert_eq!(next(&pages).unwrap().unwrap(), ["1"]);
    assert_eq!(next(&pages).unwrap(), None);
}

#[test]
fn a_large_answer_is_handed_on_in_pages_as_they_were_wished() {
    let (fake, pages) = started(
        |fake| {
            fake.answer(200, DONE)
                .rows(rows(&["1", "2", "3"]), "MTAwMDA")
                .rows(rows(&["4"]), "null")
                .answer(204, "")
        },
        2,
    );
    for expected in [&["1", "2"][..], &["3"], &["4"]] {
        assert_eq!(next(&pages).unwrap().unwrap(), expected);
    }
    assert_eq!(next(&pages).unwrap(), None);
    let fetches: Vec<String> = fake
        .lines()
        .into_iter()
        .filter(|l| l.contains("/results"))
        .collect();
    assert_eq!(
        fetches,
        [
            format!("GET {JOB}/results?maxRecords=50000"),
            format!("GET {JOB}/results?maxRecords=50000&locator=MTAwMDA"),
        ]
    );
}

#[test]
fn an_answer_without_rows_is_one_empty_page() {
    let (fake, pages) = started(
        |fake| {
            fake.answer(200, DONE)
                .rows(rows(&[]), "null")
                .answer(204, "")
        },
        0,
    );
    assert_eq!(next(&pages).unwrap(), Some(Vec::new()));
    assert_eq!(next(&pages).unwrap(), None);
    assert!(fake.is_done());
}

#[test]
fn what_was_lost_on_the_way_is_asked_for_again_and_too_much_is_asked_for_in_parts() {
    let (fake, pages) = started(
        |fake| {
            fake.lose(broken(true))
                .answer(200, WORKING)
                .answer(503, "")
                .answer(200, DONE)
                .lose(Lost::Body(HttpError::TooLarge(9)))
                .lose(broken(true))
                .rows(rows(&["1"]), "null")
                .answer(500, "")
        },
        0,
    );
    assert_eq!(next(&pages).unwrap().unwrap(), ["1"]);
    assert_eq!(next(&pages).unwrap(), None, "a job that stays is no error");
    assert!(
        fake.lines()
            .contains(&format!("GET {JOB}/results?maxRecords=12500"))
    );
    let (_, pages) = started(
        |fake| {
            let lost = |fake: Fake| fake.lose(broken(false));
            let fake = lost(lost(lost(lost(fake)))).answer(200, DONE);
            fake.rows(rows(&["1"]), "null").answer(204, "")
        },
        0,
    );
    assert_eq!(next(&pages), Err(Error::Unavailable(700)));
    assert_eq!(next(&pages).unwrap().unwrap(), ["1"]);
}

#[test]
fn a_job_keeps_its_place_while_there_are_no_calls() {
    let spent = || Lost::Head(HttpError::OverQuota(60_000));
    let (fake, pages) = started(
        |fake| {
            fake.lose(spent())
                .answer(200, DONE)
                .lose(spent())
                .rows(rows(&["1", "2"]), "two")
                .lose(spent())
                .rows(rows(&["3"]), "null")
                .answer(204, "")
        },
        0,
    );
    let mut read = Vec::new();
    let mut refusals = 0;
    loop {
        match next(&pages) {
            Ok(Some(page)) => read.extend(page),
            Ok(None) => break,
            Err(error) => {
                assert_eq!(error, Error::OverQuota(60_000));
                refusals += 1;
            }
        }
    }
    assert_eq!((read.concat().as_str(), refusals), ("123", 3));
    assert!(fake.is_done());
}

#[test]
fn a_job_that_is_gone_is_told_with_how_far_it_was_read() {
    let (_, pages) = started(
        |fake| {
            let gone =
                r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#;
            fake.answer(200, DONE)
                .rows(rows(&["1", "2"]), "two")
                .answer(404, gone)
        },
        0,
    );
    next(&pages).unwrap();
    let problem = refusal(next(&pages));
    assert_eq!(problem.advice, Advice::Refetch);
    assert!(
        problem.message.contains("after 2 of its rows"),
        "{}",
        problem.message
    );
    assert_eq!(next(&pages), Ok(None));
}

#[test]
fn a_storm_and_pages_for_people_do_not_end_a_job_or_its_rows() {
    let page = "<html><body>Down for maintenance</body></html>";
    let gone = r#"[{"errorCode":"SERVER_UNAVAILABLE","message":"later"}]"#;
    let (fake, pages) = started(
        |fake| {
            fake.answer(200, page)
                .answer(200, "{\"id\":\"750d")
                .answer(200, DONE)
                .rows(rows(&["1"]), "MQ")
                .answer(503, gone)
                .answer(500, page)
                .answer(200, page)
                .rows(rows(&["2"]), "null")
                .answer(204, "")
        },
        0,
    );
    assert_eq!(next(&pages).unwrap().unwrap(), ["1"]);
    assert_eq!(next(&pages).unwrap().unwrap(), ["2"]);
    assert_eq!(next(&pages).unwrap(), None);
    assert!(fake.is_done());
}

#[test]
fn a_place_that_has_expired_is_found_again_and_no_row_comes_twice() {
    let expired = r#"[{"errorCode":"INVALID_QUERY_LOCATOR","message":"invalid query locator"}]"#;
    let (fake, pages) = started(
        |fake| {
            fake.answer(200, DONE)
                .rows(rows(&["1", "2"]), "Mg")
                .answer(400, expired)
                .rows(rows(&["1"]), "MQ")
                .rows(rows(&["2", "3"]), "null")
                .answer(204, "")
        },
        0,
    );
    let mut all = Vec::new();
    while let Some(page) = next(&pages).unwrap() {
        all.extend(page);
    }
    assert_eq!(all, ["1", "2", "3"]);
    assert!(fake.is_done());
    let (_, pages) = started(
        |fake| {
            fake.answer(200, DONE)
                .rows(rows(&["1"]), "MQ")
                .answer(400, expired)
                .rows(rows(&[]), "MA")
                .answer(400, expired)
        },
        0,
    );
    next(&pages).unwrap();
    assert_eq!(refusal(next(&pages)).code, "INVALID_QUERY_LOCATOR");
}

#[test]
fn of_an_answer_that_broke_off_what_was_handed_on_is_passed_over() {
    let (fake, pages) = started(
        |fake| {
            let torn = rows(&["1", "2", "3"]);
            fake.answer(200, DONE)
                .torn(&torn[..torn.len() - 1], "three", interrupted(true))
                .torn("\"Id\",\"Na", "two", interrupted(true))
                .rows(rows(&["1", "2"]), "two")
                .torn(rows(&["3"]), "null", HttpError::TooLarge(9))
                .rows(rows(&["3"]), "null")
                .answer(204, "")
        },
        1,
    );
    let mut all = Vec::new();
    while let Some(page) = next(&pages).unwrap() {
        all.extend(page);
    }
    assert_eq!(all, ["1", "2", "3"]);
    let asked: Vec<String> = fake.lines().into_iter().skip(3).collect();
    let results = format!("GET {JOB}/results?maxRecords=");
    assert_eq!(
        asked,
        [
            format!("{results}50000"),
            format!("{results}2"),
            format!("{results}2"),
            format!("{results}8&locator=two"),
            format!("{results}1&locator=two"),
            format!("DELETE {JOB}"),
        ]
    );
    assert!(fake.is_done());
}

#[test]
fn answers_that_always_break_off_are_an_error_in_the_end_and_lose_no_place() {
    let torn = |fake: Fake| fake.torn("\"Id\"", "null", interrupted(true));
    let (fake, pages) = started(
        |fake| {
            let fake = (0..5).fold(fake.answer(200, DONE), |fake, _| torn(fake));
            fake.rows(rows(&["1"]), "null").answer(204, "")
        },
        0,
    );
    assert_eq!(next(&pages), Err(Error::Unavailable(700)));
    assert_eq!(next(&pages).unwrap().unwrap(), ["1"]);
    assert_eq!(next(&pages).unwrap(), None);
    assert!(fake.is_done());
}

#[test]
fn a_job_that_fails_or_is_aborted_tells_why() {
    let failed = r#"{"id":"750dM00000aYaE3QAK","state":"Failed","errorMessage":"QUERY_TIMEOUT: Your query request was running for too long."}"#;
    let (_, pages) = started(|fake| fake.answer(200, failed), 0);
    let problem = refusal(next(&pages));
    assert_eq!(
        (problem.advice, problem.code.as_str()),
        (Advice::Retry, "QUERY_TIMEOUT")
    );
    assert_eq!(
        problem.message,
        "Your query request was running for too long."
    );
    let failed = r#"{"id":"750dM00000aYaE3QAK","state":"Failed","errorMessage":"something: odd"}"#;
    let (_, pages) = started(|fake| fake.answer(200, failed), 0);
    let problem = refusal(next(&pages));
    assert_eq!(
        (problem.code.as_str(), problem.message.as_str()),
        ("JOB_FAILED", "something: odd")
    );
    let aborted = r#"{"id":"750dM00000aYaE3QAK","state":"Aborted"}"#;
    let (_, pages) = started(|fake| fake.answer(200, aborted), 0);
    assert_eq!(refusal(next(&pages)).code, "JOB_ABORTED");
    assert_eq!(next(&pages), Ok(None));
}

#[test]
fn a_table_that_the_host_cannot_read_is_handed_on_and_its_job_stays() {
    let (fake, pages) = started(
        |fake| {
            fake.answer(200, DONE)
                .rows("Id,Name\n1,a\n2,\"b\"c\n", "null")
        },
        0,
    );
    assert_eq!(next(&pages).unwrap(), Some(Vec::new()));
    assert_eq!(next(&pages).unwrap(), Some(Vec::new()), "it is not over");
    assert!(fake.is_done());
    for header in ["", "Id,Surname\n1,a\n"] {
        let (_, pages) = started(|fake| fake.answer(200, DONE).rows(header, "null"), 0);
        assert!(matches!(next(&pages), Err(Error::Unexpected(_))));
        assert_eq!(next(&pages).unwrap(), None);
    }
}
