//! Jobs of records that nobody has read: the host makes their files and finds their
//! lines, and what becomes of each record is told as of all others.

mod filling;

use super::*;
use crate::fake::interrupted;

const PLAIN: &str =
    r#"[{"Name":"A \"x\"","Size":3},{"Name":"B","Size":null},{"Size":-4.50,"Name":""}]"#;
const PLAIN_FILE: &str = "\"Name\",\"Size\"\n\"A \"\"x\"\"\",3\n\"B\",#N/A\n#N/A,-4.50\n";
const PLAIN_WRITTEN: &str =
    "sf__Id,sf__Created,Name,Size\n001C,true,,-4.50\n001A,true,\"A \"\"x\"\"\",3\n001B,true,B,\n";
const LOCKED: &str = "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--";

fn creator(fake: &Fake) -> Writer<Fake> {
    let api = Rc::new(fake.api());
    open(api, "Account", Operation::Create, options(None)).unwrap()
}

fn created(fake: &Fake, json: &str) -> Result<Vec<RowResult>, Error> {
    let writer = creator(fake);
    assert_eq!(run(writer.push(json.as_bytes()))?, []);
    finish(&writer)
}

/// Records with these names.
fn named(names: &[&str]) -> String {
    let rows = names.iter().map(|name| format!(r#"{{"Name":"{name}"}}"#));
    format!("[{}]", rows.collect::<Vec<_>>().join(","))
}

/// A job that is done, and has written records with these names.
fn done(fake: Fake, names: &[&str]) -> Fake {
    let rows = names.iter().map(|name| format!("001{name},true,{name}\n"));
    let rows = rows.collect::<String>();
    fake.answer(200, info("JobComplete", names.len() as u32, 0))
        .answer(200, format!("sf__Id,sf__Created,Name\n{rows}"))
}

/// The files that went up.
fn files(fake: &Fake) -> Vec<String> {
    let lines = fake.lines().into_iter().enumerate();
    let sent = lines.filter(|(_, line)| line.starts_with("PUT"));
    sent.map(|(at, _)| fake.body(at)).collect()
}

fn rows(results: &[RowResult]) -> Vec<u64> {
    results.iter().map(|result| result.row).collect()
}

#[test]
fn records_go_up_unread_and_results_find_their_lines_in_any_order() {
    let fake = started(Fake::new())
        .answer(200, info("InProgress", 1, 0))
        .answer(200, info("JobComplete", 3, 1))
        .answer(
            200,
            "sf__Id,sf__Created,Size,NAME\n001C,true,-4.50,\n001A,true,3,\"A \"\"x\"\"\"\n",
        )
        .answer(
            200,
            "sf__Id,sf__Error,Name,Size\n,REQUIRED_FIELD_MISSING:Required fields are missing: [Size]:Size --,B,\n",
        );
    let results = created(&fake, PLAIN).unwrap();
    assert_eq!(
        told(&results),
        [
            "created 001A",
            "REQUIRED_FIELD_MISSING Size",
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
        r#"{"object":"Account","contentType":"CSV","lineEnding":"LF","operation":"insert"}"#
    );
    assert_eq!(fake.body(1), PLAIN_FILE);
    assert_eq!(
        fake.header(1, "Content-Type").unwrap(),
        "text/csv; charset=UTF-8"
    );
    assert_eq!(fake.header(5, "Accept").unwrap(), "text/csv");
    assert_eq!((fake.0.n_read.get(), fake.0.n_batches.get()), (0, 0));
    assert_eq!(fake.0.sheets.get(), 0);
    assert!(fake.is_done());
}

#[test]
fn a_file_of_records_that_were_read_is_the_same() {
    let fake = started(Fake::new());
    let writer = creator(&fake);
    run(writer.push(
        PLAIN
            .replace("\"Name\":\"B\"", "\"N\\u0061me\":\"B\"")
            .as_bytes(),
    ))
    .unwrap();
    run(writer.finish()).unwrap();
    assert_eq!(files(&fake), [PLAIN_FILE]);
    assert!(fake.0.n_read.get() > 0);
}

#[test]
fn of_records_that_are_alike_each_has_one_result_and_the_rest_is_in_doubt() {
    let fake = started(Fake::new())
        .answer(200, info("JobComplete", 3, 0))
        .answer(
            200,
            "sf__Id,sf__Created,Name\n0011,true,A\n0012,true,A\n0013,true,other\n",
        );
    let results = created(&fake, &named(&["A", "B", "A", "A"])).unwrap();
    assert_eq!(
        told(&results),
        [
            "created 0011",
            "UNKNOWN_OUTCOME ",
            "created 0012",
            "UNKNOWN_OUTCOME "
        ]
    );
    assert_eq!(rows(&results), [0, 1, 2, 3]);
}

#[test]
fn a_job_that_failed_tells_of_rows_that_were_written_refused_and_not_processed() {
    let state = r#"{"state":"Failed","numberRecordsProcessed":2,"numberRecordsFailed":1,"errorMessage":"TooManyLockFailure"}"#;
    let fake = started(Fake::new())
        .answer(200, state)
        .answer(200, "sf__Id,sf__Created,Name\n001B,true,B\n")
        .answer(
            200,
            "sf__Id,sf__Error,Name\n,DUPLICATE_VALUE:twice:Name --,A\n",
        )
        .answer(200, "Name\nD\n");
    let results = created(&fake, &named(&["A", "B", "C", "D"])).unwrap();
    assert_eq!(
        told(&results),
        [
            "DUPLICATE_VALUE Name",
            "created 001B",
            "UNKNOWN_OUTCOME ",
            "UNPROCESSED_RECORD "
        ]
    );
    let Outcome::Failed(problems) = &results[3].outcome.outcome else {
        panic!("not failed")
    };
    assert!(problems[0].message.contains("TooManyLockFailure"));
    assert!(fake.is_done());
}

#[test]
fn records_that_were_locked_go_again_by_collections_as_they_came() {
    let collection =
        r#"[{"id":"001B","success":true,"errors":[]},{"id":"001C","success":true,"errors":[]}]"#;
    let failed = format!(
        "sf__Id,sf__Error,Name,Size\n,{LOCKED},,-4.50\n,OTHER:o:--,\"A \"\"x\"\"\",3\n,{LOCKED},B,\n"
    );
    let fake = started(Fake::new())
        .answer(200, info("JobComplete", 3, 3))
        .answer(200, failed)
        .answer(200, collection);
    let results = created(&fake, PLAIN).unwrap();
    assert_eq!(told(&results), ["OTHER ", "created 001C", "created 001B"]);
    assert_eq!(
        fake.lines()[5],
        "POST /services/data/v62.0/composite/sobjects"
    );
    let attributes = r#"{"attributes":{"type":"Account"},"#;
    let records =
        format!(r#"[{attributes}"Size":-4.50,"Name":""}},{attributes}"Name":"B","Size":null}}]"#);
    assert!(fake.body(5).contains(&records), "{}", fake.body(5));
    assert!(fake.is_done());
}

#[test]
fn records_that_were_locked_and_cannot_be_told_again_stay_locked() {
    // Numbers and texts look the same in a file.
    let fake = started(Fake::new())
        .answer(200, info("JobComplete", 2, 1))
        .answer(200, "sf__Id,sf__Created,Name\n001A,true,A\n")
        .answer(200, format!("sf__Id,sf__Error,Name\n,{LOCKED},7\n"));
    let results = created(&fake, r#"[{"Name":"A"},{"Name":7}]"#).unwrap();
    assert_eq!(told(&results), ["created 001A", "UNABLE_TO_LOCK_ROW "]);
    assert!(fake.is_done());
}

#[test]
fn no_more_records_that_were_locked_go_again_than_one_call_sends() {
    let rows = |row: fn(usize) -> String| (0..8_001).map(row).collect::<Vec<_>>();
    let failed = rows(|at| format!(",{LOCKED},{at}\n")).concat();
    let fake = started(Fake::new())
        .answer(200, info("JobComplete", 8_001, 8_001))
        .answer(200, format!("sf__Id,sf__Error,Size\n{failed}"));
    let written = vec![r#"{"id":"001A","success":true,"errors":[]}"#; 200].join(",");
    let fake = (0..40).fold(fake, |fake, _| fake.answer(200, format!("[{written}]")));
    let json = rows(|at| format!(r#"{{"Size":{at}}}"#)).join(",");
    let results = created(&fake, &format!("[{json}]")).unwrap();
    let told = told(&results);
    assert!(told[..8_000].iter().all(|told| told == "created 001A"));
    assert_eq!(told[8_000..], ["UNABLE_TO_LOCK_ROW "]);
    assert!(fake.is_done());
}

#[test]
fn records_that_were_written_are_handed_on_unread_so_many_at_a_time() {
    let lines: String = (0..25_000).map(|at| format!("001,true,{at}\n")).collect();
    let fake = started(Fake::new())
        .answer(200, info("JobComplete", 25_001, 1))
        .answer(200, format!("sf__Id,sf__Created,Size\n{lines}"))
        .answer(200, "sf__Id,sf__Error,Size\n,A:b:--,25000\n");
    let rows: Vec<String> = (0..25_001)
        .map(|at| format!(r#"{{"Size":{at}}}"#))
        .collect();
    let writer = creator(&fake);
    run(writer.push(format!("[{}]", rows.join(",")).as_bytes())).unwrap();
    let mut parts = Vec::new();
    while let Some(part) = run(writer.next_results()).unwrap() {
        let written = part.written.iter().map(|(_, rows)| rows.len());
        parts.push((part.rows.len(), written.collect::<Vec<_>>()));
    }
    let written = |rows: usize| (0, vec![rows]);
    let wanted = [
        (0, Vec::new()),
        written(10_000),
        written(10_000),
        (1, vec![5_000]),
    ];
    assert_eq!(parts, wanted);
}

#[test]
fn a_push_looks_at_the_job_in_front_when_many_files_are_under_way() {
    let fake = started(started(started(Fake::new())));
    let fake = fake.answer(200, info("InProgress", 0, 0));
    let fake = done(started(fake), &["a"]);
    fake.0.max_lines.set(Some(1));
    let mut writer = creator(&fake);
    writer.room.some = 8 * 1024 * 1024;
    for name in ["a", "b", "c"] {
        assert_eq!(run(writer.push(named(&[name]).as_bytes())), Ok(Vec::new()));
    }
    assert_eq!(*fake.0.waits.borrow(), [] as [u32; 0]);
    assert_eq!(run(writer.push(named(&["d"]).as_bytes())), Ok(Vec::new()));
    assert_eq!(*fake.0.waits.borrow(), [500]);
    let results = run(writer.push(named(&["e"]).as_bytes())).unwrap();
    assert_eq!(told(&results), ["created 001a"]);
    // The host holds what is under way, and what comes next.
    assert_eq!(fake.0.sheets.get(), 4);
    assert!(fake.is_done());
}

#[test]
fn an_upload_whose_answer_was_lost_is_made_again_with_the_same_file() {
    let fake = Fake::new()
        .lose(broken(true))
        .answer(200, CREATED)
        .lose(broken(true))
        .answer(200, "{}");
    let fake = started(fake)
        .answer(200, info("JobComplete", 3, 0))
        .answer(200, PLAIN_WRITTEN);
    let writer = creator(&fake);
    run(writer.push(PLAIN.as_bytes())).unwrap();
    let error = finish(&writer).unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!(fake.body(3), r#"{"state":"Aborted"}"#);
    let results = finish(&writer).unwrap();
    assert_eq!(
        told(&results),
        ["created 001A", "created 001B", "created 001C"]
    );
    assert_eq!(files(&fake), [PLAIN_FILE, PLAIN_FILE]);
    assert!(fake.is_done());
}

#[test]
fn a_job_whose_closing_was_lost_is_closed_once_more_if_it_is_open() {
    let fake = Fake::new()
        .answer(200, CREATED)
        .answer(201, "")
        .lose(broken(true))
        .answer(200, info("Open", 0, 0))
        .answer(200, CLOSED)
        .answer(200, info("JobComplete", 3, 0))
        .answer(200, PLAIN_WRITTEN);
    assert_eq!(created(&fake, PLAIN).unwrap().len(), 3);
    assert!(fake.is_done());
}

#[test]
fn results_that_break_off_are_read_anew_and_no_record_is_told_of_twice() {
    let head = "sf__Id,sf__Created,Name\n";
    let rows = ["0011,true,A\n", "0012,true,A\n", "0013,true,B\n"];
    let failed = "sf__Id,sf__Error,Name\n,A:b:--,A\n";
    let done = || info("JobComplete", 4, 1);
    let torn = format!("{head}{}00", rows[0]);
    let all = format!("{head}{}", rows.concat());
    let fake = started(Fake::new())
        .answer(200, done())
        .torn(torn, "", interrupted(true))
        .answer(200, done())
        .answer(200, &*all)
        .torn("sf__Id,sf__Er", "", interrupted(true))
        .lose(broken(false))
        .answer(200, "<html>\"")
        .answer(200, done())
        .answer(200, all)
        .answer(200, failed);
    let results = created(&fake, &named(&["A", "A", "A", "B"])).unwrap();
    assert_eq!(
        told(&results),
        ["created 0011", "created 0012", "A ", "created 0013"]
    );
    assert!(fake.is_done());
}

#[test]
fn what_is_no_file_of_results_is_not_taken_for_one() {
    let fake = started(Fake::new())
        .answer(200, info("JobComplete", 3, 0))
        .answer(200, "<html></html>")
        .answer(200, "Name,Size\n")
        .answer(200, "sf__Id,sf__Created\n")
        .answer(200, info("JobComplete", 3, 0))
        .answer(200, "sf__Id,sf__Created,Name,Size\n001A,true,B\n")
        .answer(200, info("JobComplete", 3, 0))
        .answer(200, PLAIN_WRITTEN);
    let results = created(&fake, PLAIN).unwrap();
    assert_eq!(
        told(&results),
        ["created 001A", "created 001B", "created 001C"]
    );
    assert!(fake.is_done());
}

#[test]
fn records_that_come_while_a_job_cannot_begin_wait_and_keep_their_numbers() {
    let lost = |fake: Fake| (0..3).fold(fake, |fake, _| fake.lose(broken(true)));
    let fake = lost(lost(Fake::new()));
    fake.0.max_lines.set(Some(2));
    let fake = done(started(started(fake)), &["A", "B"]);
    let fake = done(fake, &["C", "D"]);
    let writer = creator(&fake);
    let push = |names: &[&str]| run(writer.push(named(names).as_bytes()));
    // The third is in the next file.
    assert!(matches!(push(&["A", "B", "C"]), Err(Error::Unavailable(_))));
    assert!(matches!(push(&["D"]), Err(Error::Unavailable(_))));
    assert_eq!(push(&[]), Ok(Vec::new()));
    let results = finish(&writer).unwrap();
    let wanted = ["A", "B", "C", "D"].map(|name| format!("created 001{name}"));
    assert_eq!(told(&results), wanted);
    assert_eq!(rows(&results), [0, 1, 2, 3]);
    assert_eq!(files(&fake).len(), 2);
    assert!(fake.is_done());
}

#[test]
fn no_more_is_taken_while_two_files_wait_to_go_up() {
    let lost = |fake: Fake| (0..3).fold(fake, |fake, _| fake.lose(broken(true)));
    let fake = lost(lost(Fake::new()));
    fake.0.max_lines.set(Some(1));
    let fake = (0..4).fold(fake, |fake, _| started(fake));
    let names = ["A", "B", "C", "D"];
    let fake = names.iter().fold(fake, |fake, name| done(fake, &[*name]));
    let writer = creator(&fake);
    let push = |names: &[&str]| run(writer.push(named(names).as_bytes()));
    assert_eq!(push(&["A", "B", "C"]), Ok(Vec::new()));
    assert_eq!(fake.0.sheets.get(), 2);
    assert!(matches!(push(&["D"]), Err(Error::Unavailable(_))));
    assert_eq!(push(&[]), Ok(Vec::new()));
    let results = finish(&writer).unwrap();
    let wanted = names.map(|name| format!("created 001{name}"));
    assert_eq!(told(&results), wanted);
    assert_eq!(rows(&results), [0, 1, 2, 3]);
    assert_eq!(files(&fake).len(), 4);
    assert!(fake.is_done());
}
