//! Pages: their end, their bytes, their children.

use std::rc::Rc;

use super::*;
use crate::fake::{Fake, broken, run};
use crate::host::{HttpError, Lost};
use crate::query::{Pages, open};

const PLAIN: QueryOptions = QueryOptions {
    include_deleted: false,
    page_size: 0,
    way: None,
};

fn opened(fake: &Fake, text: &str) -> Result<Pages<Fake>, Error> {
    run(open(Rc::new(fake.api()), text, PLAIN))
}

fn next(pages: &Pages<Fake>) -> Result<Option<String>, Error> {
    let page = run(pages.next())?;
    Ok(page.map(|page| page.records.json()))
}

#[test]
fn pages_are_followed_where_salesforce_says_until_it_says_done() {
    let fake = Fake::new()
        .answer(
            200,
            "{ \"totalSize\" : 3, \"done\" : false,\n \"nextRecordsUrl\" : \"/services/data/v62.0/query/0r8xx5R2yF-2000?page=a%2Bb\",\n \"records\" : [ \n {\"Id\":\"1\", \"N\":1.10} , {\"Id\":\"2\"}\n ] }",
        )
        .answer(200, r#"{"totalSize":3,"done":false,"nextRecordsUrl":"/services/data/v62.0/query/0r8-3","records":[]}"#)
        .answer(200, r#"{"totalSize":3,"done":true,"records":[{"Id":"3"}]}"#);
    let pages = opened(&fake, "SELECT Id FROM Lead WHERE Name = 'a+b'").unwrap();
    assert_eq!(
        next(&pages).unwrap().as_deref(),
        Some("[{\"Id\":\"1\", \"N\":1.10} , {\"Id\":\"2\"}]")
    );
    assert_eq!(
        next(&pages).unwrap().as_deref(),
        Some("[]"),
        "an empty page is not the last"
    );
    assert_eq!(next(&pages).unwrap().as_deref(), Some(r#"[{"Id":"3"}]"#));
    assert_eq!(next(&pages).unwrap(), None);
    assert_eq!(next(&pages).unwrap(), None);
    assert_eq!(
        fake.lines(),
        [
            "GET /services/data/v62.0/query?q=SELECT Id FROM Lead WHERE Name = 'a+b'",
            "GET /services/data/v62.0/query/0r8xx5R2yF-2000?page=a+b",
            "GET /services/data/v62.0/query/0r8-3",
        ]
    );
}

#[test]
fn a_count_is_one_row_as_that_of_a_field_is() {
    for (count, text) in [
        (17, "SELECT count() FROM Lead"),
        (0, " select COUNT ( )\nfrom Lead"),
    ] {
        let answer = format!(r#"{{"totalSize":{count},"done":true,"records":[]}}"#);
        let pages = opened(&Fake::new().answer(200, answer), text).unwrap();
        let page = run(pages.next()).unwrap().unwrap();
        let row = format!(r#"[{{"attributes":{{"type":"AggregateResult"}},"expr0":{count}}}]"#);
        assert_eq!(page.total, Some(1));
        assert_eq!(page.records.json(), row);
    }
    let none = r#"{"totalSize":0,"done":true,"records":[]}"#;
    let pages = opened(
        &Fake::new().answer(200, none),
        "SELECT Counter__c FROM Lead",
    )
    .unwrap();
    let page = run(pages.next()).unwrap().unwrap();
    assert_eq!(
        (page.total, page.records.json()),
        (Some(0), "[]".to_owned())
    );
}

#[test]
fn a_page_that_is_not_the_last_and_leads_nowhere_is_an_error_and_not_the_end() {
    let fake = Fake::new().answer(
        200,
        r#"{"totalSize":3,"done":false,"records":[{"Id":"1"}]}"#,
    );
    assert!(matches!(
        opened(&fake, "SELECT Id FROM Lead"),
        Err(Error::Unexpected(_))
    ));
    let elsewhere = r#"{"done":false,"nextRecordsUrl":"https://evil.example/","records":[]}"#;
    let pages = opened(&Fake::new().answer(200, elsewhere), "SELECT Id FROM Lead").unwrap();
    next(&pages).unwrap();
    assert!(matches!(next(&pages), Err(Error::Unexpected(_))));
    assert_eq!(
        next(&pages).unwrap(),
        None,
        "after an error there is nothing more"
    );
}

#[test]
fn a_page_that_is_lost_on_the_way_is_asked_for_again_and_nothing_comes_twice() {
    let fake = Fake::new()
        .answer(
            200,
            r#"{"done":false,"nextRecordsUrl":"/services/data/v62.0/query/x-1","records":[{"Id":"1"}]}"#,
        )
        .lose(broken(true))
        .answer(503, "<html>Service Unavailable</html>")
        .answer(200, r#"{"done":true,"records":[{"Id":"2"}]}"#);
    let pages = opened(&fake, "SELECT Id FROM Lead").unwrap();
    assert_eq!(next(&pages).unwrap().as_deref(), Some(r#"[{"Id":"1"}]"#));
    assert_eq!(next(&pages).unwrap().as_deref(), Some(r#"[{"Id":"2"}]"#));
    assert_eq!(next(&pages).unwrap(), None);
    assert!(fake.is_done());
}

#[test]
fn a_cursor_that_salesforce_dropped_asks_to_read_again() {
    let fake = Fake::new()
        .answer(
            200,
            r#"{"done":false,"nextRecordsUrl":"/services/data/v62.0/query/x-1","records":[]}"#,
        )
        .answer(
            400,
            r#"[{"errorCode":"INVALID_QUERY_LOCATOR","message":"invalid query locator"}]"#,
        );
    let pages = opened(&fake, "SELECT Id FROM Lead").unwrap();
    next(&pages).unwrap();
    let Err(Error::Refused(problem)) = next(&pages) else {
        panic!("not refused");
    };
    assert_eq!(problem.advice, Advice::Refetch);
    assert!(
        problem.message.contains("has expired"),
        "{}",
        problem.message
    );
    assert_eq!(next(&pages), Ok(None), "it is not begun anew");
}

#[test]
fn a_page_that_cannot_be_had_now_is_the_next_one_later() {
    let page = |id: u32, next: &str| {
        format!(
            r#"{{"done":{},"records":[{{"Id":"{id}"}}]{next}}}"#,
            next.is_empty()
        )
    };
    let next_page = r#","nextRecordsUrl":"/services/data/v62.0/query/x-1""#;
    let fake = Fake::new()
        .answer(200, page(1, next_page))
        .lose(Lost::Head(HttpError::OverQuota(60_000)))
        .lose(broken(true))
        .lose(broken(true))
        .lose(broken(true))
        .answer(200, page(2, ""));
    let pages = opened(&fake, "SELECT Id FROM Lead").unwrap();
    assert_eq!(next(&pages).unwrap().as_deref(), Some(r#"[{"Id":"1"}]"#));
    assert_eq!(next(&pages), Err(Error::OverQuota(60_000)));
    assert_eq!(next(&pages), Err(Error::Unavailable(700)));
    assert_eq!(next(&pages).unwrap().as_deref(), Some(r#"[{"Id":"2"}]"#));
    assert_eq!(next(&pages), Ok(None));
}

#[test]
fn children_that_came_before_the_calls_ran_out_are_not_asked_for_again() {
    let account = |at: u32| {
        format!(
            r#"{{"Id":"{at}","Contacts":{{"done":false,"nextRecordsUrl":"/services/data/v62.0/query/c-{at}","records":[]}}}}"#
        )
    };
    let children = |at: u32| format!(r#"{{"done":true,"records":[{{"Id":"c{at}"}}]}}"#);
    let fake = Fake::new()
        .answer(
            200,
            format!(
                r#"{{"done":true,"records":[{},{}]}}"#,
                account(1),
                account(2)
            ),
        )
        .answer(200, children(1))
        .lose(Lost::Head(HttpError::OverQuota(60_000)))
        .lose(Lost::Head(HttpError::OverQuota(60_000)))
        .answer(200, children(2));
    let pages = opened(&fake, "SELECT Id, (SELECT Id FROM Contacts) FROM Account").unwrap();
    assert_eq!(next(&pages), Err(Error::OverQuota(60_000)));
    assert_eq!(
        next(&pages).unwrap().as_deref(),
        Some(
            r#"[{"Id":"1","Contacts":{"done":true,"records":[{"Id":"c1"}]}},{"Id":"2","Contacts":{"done":true,"records":[{"Id":"c2"}]}}]"#
        )
    );
    assert_eq!(next(&pages), Ok(None));
    assert!(fake.is_done());
}

#[test]
fn options_become_the_resource_and_the_page_size_within_salesforces_bounds() {
    let answer = r#"{"done":true,"records":[]}"#;
    for (asked, sent) in [
        (0, None),
        (1, Some("200")),
        (500, Some("500")),
        (9_999, Some("2000")),
    ] {
        let fake = Fake::new().answer(200, answer);
        let options = QueryOptions {
            include_deleted: true,
            page_size: asked,
            way: Some("rest".to_owned()),
        };
        run(open(Rc::new(fake.api()), "SELECT Id FROM Lead", options)).unwrap();
        assert!(fake.lines()[0].starts_with("GET /services/data/v62.0/queryAll?q="));
        let expected = sent.map(|size| format!("batchSize={size}"));
        assert_eq!(fake.header(0, "Sforce-Query-Options"), expected);
    }
}

#[test]
fn children_that_are_paged_themselves_are_completed_in_place() {
    let fake = Fake::new()
        .answer(
            200,
            r#"{"totalSize":2,"done":true,"records":[{"Id":"1","Contacts":{"totalSize":3,"done":false,"nextRecordsUrl":"/services/data/v62.0/query/c-1","records":[{"Id":"c1"}]},"Z":1.0},{"Id":"2","Note":"\"nextRecordsUrl\"","Contacts":null}]}"#,
        )
        .answer(200, r#"{"totalSize":3,"done":false,"nextRecordsUrl":"/services/data/v62.0/query/c-2","records":[{"Id":"c2","Tasks":{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/v62.0/query/t-1","records":[]}}]}"#)
        .answer(200, r#"{"totalSize":2,"done":true,"records":[{"Id":"t1"},{"Id":"t2"}]}"#)
        .answer(200, r#"{"totalSize":3,"done":true,"records":[{"Id":"c3"}]}"#);
    let pages = opened(&fake, "SELECT Id, (SELECT Id FROM Contacts) FROM Account").unwrap();
    assert_eq!(
        next(&pages).unwrap().as_deref(),
        Some(
            r#"[{"Id":"1","Contacts":{"totalSize":3,"done":true,"records":[{"Id":"c1"},{"Id":"c2","Tasks":{"totalSize":2,"done":true,"records":[{"Id":"t1"},{"Id":"t2"}]}},{"Id":"c3"}]},"Z":1.0},{"Id":"2","Note":"\"nextRecordsUrl\"","Contacts":null}]"#
        )
    );
    assert!(fake.is_done());
}

#[test]
fn a_query_too_long_for_an_address_stands_in_a_body() {
    let fake = Fake::new().answer(
        200,
        r#"{"hasErrors":false,"results":[{"statusCode":200,"result":{"totalSize":1,"done":true,"records":[{"Id":"1"}]}}]}"#,
    );
    let text = format!("SELECT Id FROM Lead WHERE Name = '{}'", "ü".repeat(2_500));
    let pages = opened(&fake, &text).unwrap();
    assert_eq!(next(&pages).unwrap().as_deref(), Some(r#"[{"Id":"1"}]"#));
    assert_eq!(fake.lines(), ["POST /services/data/v62.0/composite/batch"]);
    assert!(fake.body(0).starts_with(
        r#"{"batchRequests":[{"method":"GET","url":"v62.0/query?q=SELECT%20Id%20FROM%20Lead%20WHERE%20Name%20%3D%20%27%C3%BC"#
    ));
    let fake = Fake::new().answer(
        200,
        r#"{"hasErrors":true,"results":[{"statusCode":400,"result":[{"errorCode":"MALFORMED_QUERY","message":"unexpected token"}]}]}"#,
    );
    let Err(Error::Refused(problem)) = opened(&fake, &text) else {
        panic!("not refused")
    };
    assert_eq!(problem.code, "MALFORMED_QUERY");
}

#[test]
fn a_timeout_is_told_even_if_it_is_answered_as_a_success() {
    let timeout = r#"[{"errorCode":"QUERY_TIMEOUT","message":"Your query request was running for too long."}]"#;
    for status in [200, 400] {
        let fake = Fake::new().answer(status, timeout);
        let Err(Error::Refused(problem)) = opened(&fake, "SELECT Id FROM Lead") else {
            panic!("not refused");
        };
        assert_eq!(
            (problem.advice, problem.code.as_str()),
            (Advice::Retry, "QUERY_TIMEOUT")
        );
    }
    let fake = Fake::new().answer(200, "<html>");
    assert!(matches!(
        opened(&fake, "SELECT Id FROM Lead"),
        Err(Error::Unexpected(_))
    ));
}

#[test]
fn a_field_that_cannot_be_seen_is_named_with_the_likely_cause() {
    let fake = Fake::new().answer(
        400,
        r#"[{"message":"\nSELECT Id,Secret__c FROM Lead\n          ^\nERROR at Row:1:Column:11\nNo such column 'Secret__c' on entity 'Lead'.","errorCode":"INVALID_FIELD"}]"#,
    );
    let Err(Error::Refused(problem)) = opened(&fake, "SELECT Id,Secret__c FROM Lead") else {
        panic!("not refused");
    };
    assert_eq!(problem.fields, ["Secret__c"]);
    assert_eq!(problem.object.as_deref(), Some("Lead"));
    assert!(problem.message.contains("field-level security"));
}
