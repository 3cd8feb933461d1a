//! Bulk jobs step by step, what becomes of each row, and how a job is found
//! again.

mod faults;
mod memory;
mod unread;

use std::rc::Rc;

use crate::bindings::exports::lockgate::connector::records::{
    Advice, Error, Operation, Outcome, RowResult, WriteOptions,
};
use crate::fake::{Fake, broken, run};
use crate::write::{Writer, open};

const ROWS: &str =
    r#"[{"Key__c":"a","Name":"A"},{"Key__c":"b","Name":null},{"Key__c":"c","Name":"C"}]"#;

/// What Salesforce answers to each step of a job that goes well.
const CREATED: &str = r#"{"id":"750A","state":"Open","apiVersion":62.0}"#;
const CLOSED: &str = r#"{"id":"750A","state":"UploadComplete"}"#;
const ALL_WRITTEN: &str =
    "sf__Id,sf__Created,Key__c,Name\n001A,true,a,A\n001B,true,b,\n001C,true,c,C\n";

fn info(state: &str, processed: u32, failed: u32) -> String {
    format!(
        r#"{{"id":"750A","state":"{state}","numberRecordsProcessed":{processed},"numberRecordsFailed":{failed}}}"#
    )
}

fn started(fake: Fake) -> Fake {
    fake.answer(200, CREATED)
        .answer(201, "")
        .answer(200, CLOSED)
}

fn options(name: Option<&str>) -> WriteOptions {
    WriteOptions {
        all_or_none: false,
        way: Some("bulk".to_owned()),
        name: name.map(str::to_owned),
        dry_run: false,
    }
}

fn writer(fake: &Fake, name: Option<&str>) -> Writer<Fake> {
    let operation = Operation::Upsert("Key__c".to_owned());
    open(Rc::new(fake.api()), "Account", operation, options(name)).unwrap()
}

fn finish(writer: &Writer<Fake>) -> Result<Vec<RowResult>, Error> {
    run(async {
        let mut results = Vec::new();
        while let Some(more) = writer.finish().await? {
            results.extend(more);
        }
        results.sort_by_key(|result| result.row);
        Ok(results)
    })
}

fn written(fake: &Fake, name: Option<&str>) -> Result<Vec<RowResult>, Error> {
    let writer = writer(fake, name);
    let pushed = run(writer.push(ROWS.as_bytes()))?;
    assert_eq!(pushed, []);
    finish(&writer)
}

/// One letter and the id or code for each row.
fn told(results: &[RowResult]) -> Vec<String> {
    results
        .iter()
        .map(|result| {
            let id = result.outcome.id.clone().unwrap_or_default();
            match &result.outcome.outcome {
                Outcome::Created => format!("created {id}"),
                Outcome::Updated => format!("updated {id}"),
                Outcome::Deleted => format!("deleted {id}"),
                Outcome::Checked => "checked".to_owned(),
                Outcome::Failed(problems) => {
                    let fields = problems[0].fields.join(",");
                    format!("{} {fields}", problems[0].code)
                }
            }
        })
        .collect()
}

#[test]
fn rows_go_up_as_one_file_and_results_find_their_rows_in_any_order() {
    let fake = started(Fake::new())
        .answer(200, info("InProgress", 1, 0))
        .answer(200, info("JobComplete", 3, 1))
        .answer(
            200,
            "\"sf__Id\",\"sf__Created\",\"Key__c\",\"Name\"\n\"001C\",\"true\",\"c\",\"C\"\n\"001A\",\"false\",\"a\",\"A\"\n",
        )
        .answer(
            200,
            "\"sf__Id\",\"sf__Error\",\"Key__c\",\"Name\"\n\"\",\"REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --\",\"b\",\"\"\n",
        );
    let results = written(&fake, None).unwrap();
    assert_eq!(
        told(&results),
        [
            "updated 001A",
            "REQUIRED_FIELD_MISSING Name",
            "created 001C"
        ]
    );
    assert_eq!(
        fake.lines(),
        [
            "POST /services/data/v62.0/jobs/ingest",
            "PUT /services/data/v62.0/jobs/ingest/750A/batches",
            "PATCH /services/data/v62.0/jobs/ingest/750A",
            "GET /services/data/v62.0/jobs/ingest/750A",
            "GET /services/data/v62.0/jobs/ingest/750A",
            "GET /services/data/v62.0/jobs/ingest/750A/successfulResults",
            "GET /services/data/v62.0/jobs/ingest/750A/failedResults",
        ]
    );
    assert_eq!(
        fake.body(0),
        r#"{"object":"Account","contentType":"CSV","lineEnding":"LF","operation":"upsert","externalIdFieldName":"Key__c"}"#
    );
    assert_eq!(
        fake.body(1),
        "\"Key__c\",\"Name\"\n\"a\",\"A\"\n\"b\",#N/A\n\"c\",\"C\"\n"
    );
    assert_eq!(
        fake.header(1, "Content-Type").unwrap(),
        "text/csv; charset=UTF-8"
    );
    assert_eq!(fake.header(5, "Accept").unwrap(), "text/csv");
    assert_eq!(fake.body(2), r#"{"state":"UploadComplete"}"#);
    // Each look is a call: the pauses grow.
    assert_eq!(*fake.0.waits.borrow(), [500, 750]);
    assert!(fake.is_done());
}

#[test]
fn a_row_that_no_result_speaks_of_is_in_doubt_and_not_a_success() {
    let fake = started(Fake::new())
        .answer(200, info("JobComplete", 3, 0))
        .answer(200, "sf__Id,sf__Created,Key__c,Name\n001A,true,a,A\n");
    let results = written(&fake, None).unwrap();
    assert_eq!(
        told(&results),
        ["created 001A", "UNKNOWN_OUTCOME ", "UNKNOWN_OUTCOME "]
    );
}

#[test]
fn a_job_that_failed_tells_which_rows_were_not_written_and_why() {
    let state = r#"{"state":"Failed","numberRecordsProcessed":1,"numberRecordsFailed":0,"errorMessage":"TooManyLockFailure"}"#;
    let fake = started(Fake::new())
        .answer(200, state)
        .answer(200, "sf__Id,sf__Created,Key__c,Name\n001A,true,a,A\n")
        .answer(200, "Key__c,Name\nb,\nc,C\n");
    let results = written(&fake, None).unwrap();
    assert_eq!(
        told(&results),
        ["created 001A", "UNPROCESSED_RECORD ", "UNPROCESSED_RECORD "]
    );
    let Outcome::Failed(problems) = &results[1].outcome.outcome else {
        panic!("not failed")
    };
    assert!(problems[0].message.contains("TooManyLockFailure"));
    assert_eq!(problems[0].advice, Advice::Retry);
}

#[test]
fn rows_that_were_locked_are_written_again_by_collections() {
    let collection = r#"[{"id":"001B","success":true,"created":true,"errors":[]},{"id":"001C","success":true,"created":false,"errors":[]}]"#;
    let fake = started(Fake::new())
        .answer(200, info("JobComplete", 3, 2))
        .answer(200, "sf__Id,sf__Created,Key__c,Name\n001A,true,a,A\n")
        .answer(
            200,
            "sf__Id,sf__Error,Key__c,Name\n,UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--,b,\n,UNABLE_TO_LOCK_ROW:unable:--,c,C\n",
        )
        .answer(200, collection);
    let results = written(&fake, None).unwrap();
    assert_eq!(
        told(&results),
        ["created 001A", "created 001B", "updated 001C"]
    );
    assert!(fake.lines()[6].starts_with("PATCH /services/data/v62.0/composite/sobjects/Account"));
    // As they came, though the file says nothing where there was null.
    let attributes = r#"{"attributes":{"type":"Account"},"#;
    let records =
        format!(r#"{attributes}"Key__c":"b","Name":null}},{attributes}"Key__c":"c","Name":"C"}}"#);
    assert!(fake.body(6).contains(&records), "{}", fake.body(6));
}

#[test]
fn a_locked_row_that_came_back_changed_stays_locked() {
    let fake = started(Fake::new())
        .answer(200, info("JobComplete", 3, 1))
        .answer(
            200,
            "sf__Id,sf__Created,Key__c,Name\n001A,true,a,A\n001B,true,b,\n",
        )
        .answer(
            200,
            "sf__Id,sf__Error,Key__c,Name\n,UNABLE_TO_LOCK_ROW:unable:--,c,changed\n",
        );
    let results = written(&fake, None).unwrap();
    assert_eq!(
        told(&results),
        ["created 001A", "created 001B", "UNABLE_TO_LOCK_ROW "]
    );
    assert!(fake.is_done());
}

#[test]
fn a_job_with_a_name_is_noted_before_its_rows_go_up_and_taken_up_again() {
    let fake = Fake::new().answer(200, CREATED).answer(201, "");
    let fake = (0..28).fold(fake, |fake, _| fake.lose(broken(false)));
    // The crash: the job is closed, and nobody is left to hear of it.
    written(&fake, Some("night")).unwrap_err();
    let note = fake
        .0
        .stored
        .borrow()
        .get("write/night/0")
        .cloned()
        .unwrap();
    assert!(String::from_utf8(note.clone()).unwrap().contains("750A"));

    let again = Fake::new()
        .answer(200, info("JobComplete", 3, 0))
        .answer(200, info("JobComplete", 3, 0))
        .answer(200, ALL_WRITTEN);
    again
        .0
        .stored
        .borrow_mut()
        .insert("write/night/0".to_owned(), note.clone());
    let results = written(&again, Some("night")).unwrap();
    assert_eq!(
        told(&results),
        ["created 001A", "created 001B", "created 001C"]
    );
    assert!(again.lines().iter().all(|line| line.starts_with("GET")));

    // A job that was not closed wrote nothing: it is given up and made anew.
    let anew = started(
        Fake::new()
            .answer(200, info("Open", 0, 0))
            .answer(200, "{}"),
    )
    .answer(200, info("JobComplete", 3, 0))
    .answer(200, ALL_WRITTEN);
    anew.0
        .stored
        .borrow_mut()
        .insert("write/night/0".to_owned(), note.clone());
    assert_eq!(written(&anew, Some("night")).unwrap().len(), 3);
    assert_eq!(anew.body(1), r#"{"state":"Aborted"}"#);

    // Other records under the name are refused, and so is a job that is gone.
    let other = Fake::new();
    other
        .0
        .stored
        .borrow_mut()
        .insert("write/night/0".to_owned(), note.clone());
    let writer = writer(&other, Some("night"));
    run(writer.push(br#"[{"Key__c":"z"}]"#)).unwrap();
    assert!(matches!(finish(&writer), Err(Error::Refused(_))));
    let gone = Fake::new().answer(404, r#"[{"errorCode":"NOT_FOUND","message":"m"}]"#);
    gone.0
        .stored
        .borrow_mut()
        .insert("write/night/0".to_owned(), note);
    let Err(Error::Refused(problem)) = written(&gone, Some("night")) else {
        panic!("not refused")
    };
    assert_eq!(problem.advice, Advice::CheckOutcome);
}

#[test]
fn a_row_that_has_no_place_in_a_file_gets_its_own_result() {
    let fake = started(Fake::new())
        .answer(200, info("JobComplete", 1, 0))
        .answer(200, "sf__Id,sf__Created,Key__c,Name\n001B,true,b,B\n");
    let writer = writer(&fake, None);
    let rows = r#"[{"Name":"no key"},{"Key__c":"b","Name":"B"},{"Key__c":"c","Tags":[1]}]"#;
    run(writer.push(rows.as_bytes())).unwrap();
    let results = finish(&writer).unwrap();
    assert_eq!(
        told(&results),
        [
            "MISSING_ARGUMENT Key__c",
            "created 001B",
            "INVALID_FIELD Tags"
        ]
    );
}

#[test]
fn many_rows_go_by_a_job_and_few_by_collections_unless_a_setting_forbids() {
    let rows = |n: usize| {
        let rows: Vec<String> = (0..n).map(|at| format!(r#"{{"Name":"n{at}"}}"#)).collect();
        format!("[{}]", rows.join(","))
    };
    let any = WriteOptions {
        dry_run: false,
        all_or_none: false,
        way: None,
        name: None,
    };
    let way = |fake: &Fake, settings: &str, object: &str, n: usize| {
        let api = Rc::new(fake.api_with(settings));
        let writer = open(api, object, Operation::Create, any.clone()).unwrap();
        // What is sent does not matter here, only how.
        let _answer = run(writer.push(rows(n).as_bytes()));
        writer.way().map(|way| way.name)
    };
    assert_eq!(way(&Fake::new(), "{}", "Account", 1_999), None);
    assert_eq!(
        way(&Fake::new(), "{}", "Account", 2_000).as_deref(),
        Some("bulk")
    );
    assert_eq!(
        way(&Fake::new(), "{}", "ContentVersion", 0).as_deref(),
        Some("collections")
    );
    let settings = r#"{"duplicate_rule":{"allow_save":true}}"#;
    assert_eq!(
        way(&Fake::new(), settings, "Account", 0).as_deref(),
        Some("collections")
    );
}

#[test]
fn options_that_contradict_each_other_are_refused_before_anything_is_sent() {
    let refused = |all_or_none, way: Option<&str>, name: Option<&str>| {
        let options = WriteOptions {
            dry_run: false,
            all_or_none,
            way: way.map(str::to_owned),
            name: name.map(str::to_owned),
        };
        let fake = Fake::new();
        let opened = open(Rc::new(fake.api()), "Account", Operation::Create, options);
        matches!(opened, Err(Error::Refused(_)))
    };
    assert!(refused(true, Some("bulk"), None));
    assert!(refused(false, Some("collections"), Some("n")));
    assert!(refused(true, None, Some("n")));
    assert!(refused(false, Some("soap"), None));
    assert!(refused(false, None, Some("a/b")));
    assert!(!refused(false, None, Some("a.b_c-1")));
}

#[test]
fn locked_creations_of_a_write_with_a_name_stay_locked() {
    let failed =
        "sf__Id,sf__Error,Name\n,UNABLE_TO_LOCK_ROW:unable to obtain exclusive access: --,A\n";
    let fake = started(Fake::new())
        .answer(200, info("JobComplete", 1, 1))
        .answer(200, failed);
    let api = Rc::new(fake.api());
    let writer = open(api, "Account", Operation::Create, options(Some("n"))).unwrap();
    run(writer.push(br#"[{"Name":"A"}]"#)).unwrap();
    assert_eq!(told(&finish(&writer).unwrap()), ["UNABLE_TO_LOCK_ROW "]);
    assert!(fake.is_done());
}

#[test]
fn the_name_of_a_write_to_one_object_does_not_answer_for_another() {
    let first = started(Fake::new())
        .answer(200, info("JobComplete", 1, 0))
        .answer(200, "sf__Id,sf__Created,Name\n001A,true,A\n");
    let write = |fake: &Fake, object: &str| {
        let api = Rc::new(fake.api());
        let writer = open(api, object, Operation::Create, options(Some("n"))).unwrap();
        run(writer.push(br#"[{"Name":"A"}]"#)).unwrap();
        finish(&writer)
    };
    assert_eq!(write(&first, "Account").unwrap().len(), 1);
    let stored = first.0.stored.borrow().clone();
    let other = Fake::new();
    other.0.stored.borrow_mut().extend(stored);
    assert!(matches!(write(&other, "Campaign"), Err(Error::Refused(_))));
    assert!(other.lines().is_empty());
}

#[test]
fn a_column_that_fails_the_whole_job_is_named_and_not_to_be_tried_again() {
    let failed = r#"{"id":"750A","state":"Failed","errorMessage":"InvalidBatch : Field name not found : Nope__c"}"#;
    let fake = started(Fake::new())
        .answer(200, failed)
        .answer(200, "Key__c,Name\na,A\nb,\nc,C\n");
    for row in written(&fake, None).unwrap() {
        let Outcome::Failed(problems) = row.outcome.outcome else {
            panic!("not failed")
        };
        assert_eq!(problems[0].advice, Advice::FixSchema);
        assert_eq!(problems[0].fields, ["Nope__c"]);
    }
}
