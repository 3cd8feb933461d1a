//! How much is held of jobs: pushes look at them, and wait for them in the end.

use super::*;
use crate::write::bulk::JOB_BYTES;
use crate::write::jobs::Room;

/// A writer that may hold little beside one large row: three others that have gone
/// up, and with some patience six.
fn writer_of_large_rows(fake: &Fake) -> Writer<Fake> {
    let mut writer = writer(fake, None);
    // What is kept of such a row.
    let row = 72;
    writer.room = Room {
        some: JOB_BYTES / 2 + 3 * row,
        most: JOB_BYTES / 2 + 6 * row,
    };
    writer
}

/// A record of which two do not go into one job.
fn push(writer: &Writer<Fake>, key: usize) -> Result<Vec<RowResult>, Error> {
    let text = "x".repeat(JOB_BYTES / 2);
    let row = format!(r#"[{{"Key__c":"{key}","Name":"{text}"}}]"#);
    run(writer.push(row.as_bytes()))
}

fn done(fake: Fake, key: usize) -> Fake {
    fake.answer(200, info("JobComplete", 1, 0)).answer(
        200,
        format!("sf__Id,sf__Created,Key__c,Name\n001{key},true,{key},as it was\n"),
    )
}

fn works(fake: Fake) -> Fake {
    fake.answer(200, info("InProgress", 0, 0))
}

#[test]
fn a_push_looks_at_the_job_in_front_when_jobs_take_much_memory_and_gives_its_results() {
    let fake = started(Fake::new());
    let fake = works(started(fake));
    let fake = done(works(started(fake)), 0);
    let writer = writer_of_large_rows(&fake);
    // With each row but the first the job of the one before it begins.
    assert_eq!(push(&writer, 0), Ok(Vec::new()));
    assert_eq!(push(&writer, 1), Ok(Vec::new()));
    assert_eq!(*fake.0.waits.borrow(), [] as [u32; 0]);
    assert_eq!(push(&writer, 2), Ok(Vec::new()));
    assert_eq!(*fake.0.waits.borrow(), [500]);
    assert_eq!(push(&writer, 3), Ok(Vec::new()));
    assert_eq!(told(&run(writer.push(b"[]")).unwrap()), ["created 0010"]);
    assert!(fake.is_done());
}

#[test]
fn a_push_that_finds_no_room_is_told_to_come_later_and_loses_nothing() {
    let fake = started(Fake::new());
    let fake = (2..5).fold(fake, |fake, _| works(started(fake)));
    let fake = (0..24).fold(started(fake), |fake, _| works(fake));
    let writer = writer_of_large_rows(&fake);
    for key in 0..5 {
        assert_eq!(push(&writer, key), Ok(Vec::new()), "{key}");
    }
    assert_eq!(push(&writer, 5), Err(Error::Unavailable(10_000)));
    assert!(fake.is_done());
    let fake = started(done(done(fake, 0), 1));
    let _fake = (2..6).fold(fake, done);
    let mut all = run(writer.push(b"[]")).unwrap();
    all.extend(run(writer.push(b"[]")).unwrap());
    all.extend(finish(&writer).unwrap());
    let rows: Vec<u64> = all.iter().map(|result| result.row).collect();
    assert_eq!(rows, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn results_of_a_large_job_come_in_parts() {
    let rows: Vec<String> = (0..25_000)
        .map(|at| format!(r#"{{"Key__c":"{at}"}}"#))
        .collect();
    let lines: String = (0..25_000)
        .rev()
        .map(|at| format!("001,true,{at}\n"))
        .collect();
    let fake = started(Fake::new())
        .answer(200, info("JobComplete", 25_000, 0))
        .answer(200, format!("sf__Id,sf__Created,Key__c\n{lines}"));
    let writer = writer(&fake, None);
    run(writer.push(format!("[{}]", rows.join(",")).as_bytes())).unwrap();
    let mut parts = Vec::new();
    while let Some(part) = run(writer.finish()).unwrap() {
        parts.push(part.len());
    }
    assert_eq!(parts, [0, 10_000, 10_000, 5_000]);
}
