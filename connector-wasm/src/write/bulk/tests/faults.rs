//! Bulk jobs through lost answers, storms, and answers that make no sense.

use super::*;

#[test]
fn an_upload_whose_answer_was_lost_is_given_up_before_it_is_made_again() {
    let fake = started(
        Fake::new()
            .answer(200, CREATED)
            .lose(broken(true))
            .answer(200, "{}"),
    )
    .answer(200, info("JobComplete", 3, 0))
    .answer(200, ALL_WRITTEN);
    let writer = writer(&fake, None);
    run(writer.push(ROWS.as_bytes())).unwrap();
    let error = finish(&writer).unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!(fake.body(2), r#"{"state":"Aborted"}"#);
    let results = finish(&writer).unwrap();
    assert_eq!(
        told(&results),
        ["created 001A", "created 001B", "created 001C"]
    );
    assert!(fake.is_done());
}

#[test]
fn a_page_for_people_in_place_of_an_upload_is_not_taken_for_one() {
    let fake = Fake::new()
        .answer(200, CREATED)
        .answer(200, "<html></html>")
        .answer(200, "{}");
    let error = written(&fake, None).unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!(fake.body(2), r#"{"state":"Aborted"}"#);
}

#[test]
fn closing_a_job_is_not_done_twice_if_the_first_time_arrived() {
    let fake = Fake::new()
        .answer(200, CREATED)
        .answer(201, "")
        .lose(broken(true))
        .answer(200, info("InProgress", 0, 0))
        .answer(200, info("JobComplete", 3, 0))
        .answer(200, ALL_WRITTEN);
    assert_eq!(written(&fake, None).unwrap().len(), 3);
    let closed = fake
        .lines()
        .iter()
        .filter(|line| line.starts_with("PATCH"))
        .count();
    assert_eq!(closed, 1);
}

#[test]
fn a_file_of_results_that_does_not_come_loses_none_of_the_others() {
    let done = || info("JobComplete", 3, 1);
    let written = "sf__Id,sf__Created,Key__c,Name\n001A,true,a,A\n001C,true,c,C\n";
    let refused = "sf__Id,sf__Error,Key__c,Name\n,REQUIRED_FIELD_MISSING:m:Name --,b,\n";
    let fake = started(Fake::new())
        .answer(200, done())
        .answer(200, written)
        .lose(broken(false))
        .lose(broken(false))
        .lose(broken(false))
        .answer(200, done())
        .answer(200, written)
        .answer(200, refused);
    let writer = writer(&fake, None);
    run(writer.push(ROWS.as_bytes())).unwrap();
    let results = finish(&writer).unwrap();
    assert_eq!(
        told(&results),
        [
            "created 001A",
            "REQUIRED_FIELD_MISSING Name",
            "created 001C"
        ]
    );
    assert!(fake.is_done());
}

#[test]
fn a_job_is_looked_at_again_through_storms_pages_for_people_and_garbage() {
    let page = "<html><body>Down for maintenance</body></html>";
    let gone = r#"[{"errorCode":"SERVER_UNAVAILABLE","message":"later"}]"#;
    let rows = ALL_WRITTEN;
    let fake = Fake::new()
        .answer(200, page)
        .answer(200, CREATED)
        .answer(201, "")
        .answer(500, page)
        .answer(200, info("Open", 0, 0))
        .answer(200, CLOSED);
    let stormy = (0..12).fold(fake, |fake, at| match at % 3 {
        0 => fake.answer(503, gone),
        1 => fake.answer(200, page),
        _ => fake.answer(200, "{\"state\":\"Job"),
    });
    let fake = stormy
        .answer(200, info("JobComplete", 3, 0))
        .answer(200, page)
        .answer(200, "")
        .answer(200, rows);
    let results = told(&written(&fake, None).unwrap());
    assert_eq!(results, ["created 001A", "created 001B", "created 001C"]);
    assert!(fake.is_done());
}

#[test]
fn a_job_that_cannot_be_asked_for_long_is_told_and_can_be_asked_again() {
    let storm = |fake: Fake| {
        (0..27).fold(fake, |fake, _| {
            fake.answer(503, "<html>Service Unavailable</html>")
        })
    };
    let fake = storm(started(Fake::new()))
        .answer(200, info("JobComplete", 3, 0))
        .answer(200, ALL_WRITTEN);
    let writer = writer(&fake, None);
    run(writer.push(ROWS.as_bytes())).unwrap();
    let error = finish(&writer).unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!(finish(&writer).unwrap().len(), 3);
}

#[test]
fn a_job_whose_closing_was_lost_is_under_way_until_a_look_says_that_it_is_open() {
    let fake = Fake::new()
        .answer(200, CREATED)
        .answer(201, "")
        .lose(broken(true))
        .lose(broken(true))
        .lose(broken(true))
        .lose(broken(true))
        .answer(200, info("Open", 0, 0))
        .lose(broken(true))
        .answer(200, info("JobComplete", 3, 0))
        .answer(200, ALL_WRITTEN);
    let writer = writer(&fake, None);
    run(writer.push(ROWS.as_bytes())).unwrap();
    // No error that would read as if nothing was written.
    assert_eq!(run(writer.finish()), Ok(Some(Vec::new())));
    assert_eq!(finish(&writer).unwrap().len(), 3);
    assert!(fake.is_done());
}

#[test]
fn a_job_that_cannot_begin_does_not_hide_that_another_one_is_under_way() {
    let fake = started(Fake::new());
    let fake = (0..6).fold(fake, |fake, _| fake.lose(broken(true)));
    let writer = writer(&fake, None);
    let text = "x".repeat(crate::write::bulk::JOB_BYTES * 2 / 3);
    let row = |key: &str| format!(r#"{{"Key__c":"{key}","Name":"{text}"}}"#);
    let rows = format!("[{},{},{}]", row("a"), row("b"), row("c"));
    assert_eq!(run(writer.push(rows.as_bytes())), Ok(Vec::new()));
    let error = run(writer.finish()).unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(fake.is_done());
}
