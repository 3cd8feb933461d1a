//! How much is held of jobs: pushes look at them, and wait for them in the end.

use super::*;
use crate::write::bulk::JOB_BYTES;

/// A record of which three go into one job.
fn row(key: usize) -> String {
    let text = "x".repeat(JOB_BYTES / 4);
    format!(r#"[{{"Key__c":"{key}","Name":"{text}"}}]"#)
}

fn push(writer: &Writer<Fake>, key: usize) -> Result<Vec<RowResult>, Error> {
    run(writer.push(row(key).as_bytes()))
}

fn results(keys: std::ops::Range<usize>) -> String {
    let lines = keys.map(|key| format!("001{key},true,{key},as it was\n"));
    format!(
        "sf__Id,sf__Created,Key__c,Name\n{}",
        lines.collect::<String>()
    )
}

#[test]
fn a_push_looks_at_the_job_in_front_when_jobs_take_much_memory_and_gives_its_results() {
    let fake = started(started(Fake::new()).answer(200, info("InProgress", 0, 0)))
        .answer(200, info("JobComplete", 3, 0))
        .answer(200, results(0..3));
    let writer = writer(&fake, None);
    // Two jobs are full with the sixth; the first of them is done with the next.
    for key in 0..6 {
        assert_eq!(push(&writer, key), Ok(Vec::new()), "{key}");
    }
    assert_eq!(*fake.0.waits.borrow(), [500]);
    let told = told(&push(&writer, 6).unwrap());
    assert_eq!(told, ["created 0010", "created 0011", "created 0012"]);
    // There is room again.
    assert_eq!(push(&writer, 7), Ok(Vec::new()));
    assert!(fake.is_done());
}

#[test]
fn a_push_that_finds_no_room_is_told_to_come_later_and_loses_nothing() {
    let fake = (0..16).fold(Fake::new(), |fake, key| {
        let fake = match key {
            3 | 6 | 9 | 12 | 15 => started(fake),
            _ => fake,
        };
        let looks = match key {
            0..5 => 0,
            5..15 => 1,
            _ => 24,
        };
        (0..looks).fold(fake, |fake, _| fake.answer(200, info("InProgress", 0, 0)))
    });
    let writer = writer(&fake, None);
    let mut key = 0;
    let error = loop {
        match push(&writer, key) {
            Ok(results) => assert_eq!(results, []),
            Err(error) => break error,
        }
        key += 1;
    };
    assert_eq!((key, error), (15, Error::Unavailable(10_000)));
    assert!(fake.is_done());
    let done = |fake: Fake, keys: std::ops::Range<usize>| {
        let rows = u32::try_from(keys.len()).unwrap();
        fake.answer(200, info("JobComplete", rows, 0))
            .answer(200, results(keys))
    };
    let fake = started(done(fake, 0..3));
    let rest = [3..6, 6..9, 9..12, 12..15, 15..16];
    let fake = rest.into_iter().fold(fake, done);
    let mut all = run(writer.push(b"[]")).unwrap();
    all.extend(finish(&writer).unwrap());
    let rows: Vec<u64> = all.iter().map(|result| result.row).collect();
    assert_eq!(rows, (0..16).collect::<Vec<_>>());
    assert!(fake.is_done());
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
