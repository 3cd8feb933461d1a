//! Golden tests: each folder below `golden/` is a batch that went in, and what
//! must come out of it to the byte.
//!
//! A folder holds `input.json`, `expected.json` and `verdicts.txt`, and if need
//! be `settings.json` and `object.txt` (otherwise `{}` and `Contact`). The JSON
//! files have one record on a line; the line breaks between are not compared.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: what goes wrong here is the test's failure"
)]

use std::fs;
use std::path::Path;

use contact_normalizer::{Settings, Verdict, transform};

#[test]
fn every_golden_batch_comes_out_as_expected() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut cases = 0;
    for entry in fs::read_dir(golden).unwrap() {
        check(&entry.unwrap().path());
        cases += 1;
    }
    assert!(cases > 0, "there is no golden batch");
}

#[test]
fn what_came_out_goes_through_again_unchanged() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    for entry in fs::read_dir(golden).unwrap() {
        let case = entry.unwrap().path();
        let (settings, object) = (settings(&case), object(&case));
        let first = transform(&settings, &object, &read(&case, "input.json")).unwrap();
        let second = transform(&settings, &object, &first.records).unwrap();
        assert_eq!(text(&second.records), text(&first.records), "{case:?}");
    }
}

fn check(case: &Path) {
    let outcome = transform(&settings(case), &object(case), &read(case, "input.json")).unwrap();
    let expected: String = text(&read(case, "expected.json"))
        .lines()
        .map(str::trim)
        .collect();
    assert_eq!(text(&outcome.records), expected, "{case:?}");
    let verdicts: Vec<String> = outcome.verdicts.iter().map(describe).collect();
    let expected = text(&read(case, "verdicts.txt"));
    assert_eq!(verdicts.join("\n"), expected.trim_end(), "{case:?}");
}

fn settings(case: &Path) -> Settings {
    match fs::read_to_string(case.join("settings.json")) {
        Ok(text) => Settings::parse(&text).unwrap(),
        Err(_) => Settings::default(),
    }
}

fn object(case: &Path) -> String {
    match fs::read_to_string(case.join("object.txt")) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => "Contact".to_owned(),
    }
}

fn describe(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Keep => "keep".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Reject(reason) => format!("reject: {reason}"),
    }
}

fn read(case: &Path, file: &str) -> Vec<u8> {
    fs::read(case.join(file)).unwrap_or_else(|error| panic!("{case:?}/{file}: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
