//! Which way a query goes, and what is said of it.

use super::*;

/// How many records the next page has.
fn n_records(pages: &Pages<Fake>) -> usize {
    next(pages).unwrap().unwrap().len()
}

#[test]
fn a_way_that_is_not_known_or_not_possible_is_refused_and_nothing_else_asked() {
    let fake = Fake::new();
    let problem = refusal(opened(
        &fake,
        "SELECT Id FROM Contact",
        asked(Some("soap"), 0),
    ));
    assert_eq!(
        (problem.advice, problem.code.as_str()),
        (Advice::FixRecord, "UNKNOWN_WAY")
    );
    assert!(problem.message.contains("rest, bulk"));
    assert!(fake.lines().is_empty());
    for (field, named) in [
        ("Owner.Name", "several objects"),
        ("MailingAddress", "type address"),
        ("Nothing.Name", "no relationship"),
        ("COUNT(Id)", "function"),
    ] {
        let fake = Fake::new().answer(200, CONTACT);
        let text = format!("SELECT {field} FROM Contact");
        let problem = refusal(opened(&fake, &text, asked(Some("bulk"), 0)));
        assert_eq!(problem.code, "WAY_NOT_POSSIBLE");
        assert!(problem.message.contains(named), "{problem:?}");
    }
    let fake = Fake::new().answer(200, CONTACT);
    let problem = refusal(opened(
        &fake,
        "SELECT Secret__c FROM Contact",
        asked(Some("bulk"), 0),
    ));
    assert_eq!(
        (problem.code.as_str(), problem.fields.as_slice()),
        ("INVALID_FIELD", &["Secret__c".to_owned()][..])
    );
    assert!(problem.message.contains("field-level security"));
}

fn first_page(total: u32, is_done: bool) -> String {
    let more = if is_done {
        ""
    } else {
        r#""nextRecordsUrl":"/services/data/v62.0/query/0r8-2","#
    };
    let rows = vec![r#"{"Id":"1","Name":"a"}"#; 200].join(",");
    format!(r#"{{"totalSize":{total},"done":{is_done},{more}"records":[{rows}]}}"#)
}

#[test]
fn a_job_is_chosen_only_if_it_is_possible_and_saves_many_calls() {
    for (text, total, is_done, named) in [
        ("SELECT Id FROM Contact", 200, true, "holds all"),
        (
            "SELECT Id FROM Contact",
            6_000,
            false,
            "29 more calls are few",
        ),
        (
            "SELECT Id FROM Contact",
            14_000,
            false,
            "69 more calls, and by Bulk about 22",
        ),
        ("SELECT Id FROM Contact c", 1_000_000, false, "alias"),
    ] {
        let fake = Fake::new().answer(200, first_page(total, is_done));
        let pages = opened(&fake, text, asked(None, 200)).unwrap();
        let way = pages.way();
        assert_eq!(way.name, "rest");
        assert!(way.reason.contains(named), "{}", way.reason);
        assert_eq!(fake.lines().len(), 1);
        assert_eq!(n_records(&pages), 200);
    }
    let fake = Fake::new()
        .answer(200, first_page(20_000, false))
        .answer(200, CONTACT)
        .answer(200, STARTED)
        .answer(200, DONE)
        .rows(rows(&["1"]), "null")
        .answer(204, "");
    let pages = opened(&fake, "SELECT Id, Name FROM Contact", asked(None, 200)).unwrap();
    assert_eq!(pages.way().name, "bulk");
    assert_eq!(pages.way().reason, "about 22 calls, and by REST 99 more");
    assert_eq!(
        next(&pages).unwrap().unwrap(),
        ["1"],
        "not the page of REST as well"
    );
}

#[test]
fn a_job_that_the_org_refuses_leaves_it_to_rest_with_the_page_that_is_here() {
    let fake = Fake::new()
        .answer(200, first_page(20_000, false))
        .answer(200, CONTACT)
        .answer(400, r#"[{"errorCode":"INVALIDENTITY","message":"Entity 'Contact' is not supported by the Bulk API."}]"#)
        .answer(200, r#"{"totalSize":201,"done":true,"records":[{"Id":"2","Name":"b"}]}"#);
    let pages = opened(&fake, "SELECT Id, Name FROM Contact", asked(None, 200)).unwrap();
    assert_eq!(pages.way().name, "rest");
    assert!(pages.way().reason.contains("INVALIDENTITY"));
    assert_eq!(n_records(&pages), 200);
    assert_eq!(next(&pages).unwrap().unwrap(), ["b"]);
    assert_eq!(next(&pages).unwrap(), None);
}
