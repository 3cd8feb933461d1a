//! Rows out of bodies that come in small parts.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::fake::{Down, Fake, interrupted, run};
use crate::host::Opened;

/// The rows of a body, with their header read.
fn rows(body: impl Into<String>) -> (Fake, Rows<Down>) {
    let fake = Fake::new().content(None, body.into().as_bytes());
    let rows = opened(&fake);
    (fake, rows)
}

fn opened(fake: &Fake) -> Rows<Down> {
    let ask = crate::api::Ask::new(crate::host::Method::Get, "/x", crate::api::Kind::Rows);
    let Ok(Opened::Content { body, .. }) = run(fake.api().open(ask)) else {
        panic!("no content")
    };
    Rows::new(body)
}

fn next(fake: &Fake, rows: &mut Rows<Down>) -> Result<Next, Stop> {
    run(async {
        loop {
            match rows.next()? {
                Next::More => rows.fill(fake).await?,
                next => return Ok(next),
            }
        }
    })
}

fn text(rows: &Rows<Down>, at: usize) -> String {
    String::from_utf8(rows.cell(at).value().into_owned()).unwrap()
}

#[test]
fn values_keep_their_commas_quotes_and_lines() {
    let long = "ü".repeat(10_000);
    let (fake, mut rows) = rows(format!(
        "\u{feff}\"B\",\"Account.Name\",A\n\"a \"\"b\"\", c\",\"x\r\ny\",\"\"\n\r\n\"\",\"{long}\",\"N/A\""
    ));
    assert!(run(rows.header(&fake)).unwrap());
    assert_eq!(
        [0, 1, 2].map(|at| text(&rows, at)),
        ["B", "Account.Name", "A"]
    );
    assert_eq!(next(&fake, &mut rows).unwrap(), Next::Row);
    assert_eq!(
        [0, 1, 2].map(|at| text(&rows, at)),
        ["a \"b\", c", "x\r\ny", ""]
    );
    assert_eq!(next(&fake, &mut rows).unwrap(), Next::Row);
    assert_eq!([0, 1, 2].map(|at| text(&rows, at)), ["", &long, "N/A"]);
    assert_eq!(next(&fake, &mut rows).unwrap(), Next::End);
    assert_eq!(rows.width(), 3);
}

#[test]
fn a_body_without_any_line_has_no_header() {
    for body in ["", "\u{feff}", "\n"] {
        let (fake, mut rows) = rows(body);
        assert!(!run(rows.header(&fake)).unwrap(), "{body:?}");
    }
}

#[test]
fn what_is_no_table_is_an_error_and_no_shorter_row() {
    for row in ["3\n", "1,2,3\n", "\"1", "\"1\"2,3\n"] {
        let (fake, mut rows) = rows(format!("A,B\n1,2\n{row}"));
        assert!(run(rows.header(&fake)).unwrap());
        assert_eq!(next(&fake, &mut rows).unwrap(), Next::Row);
        assert!(
            matches!(next(&fake, &mut rows), Err(Stop::Error(_))),
            "{row}"
        );
    }
    let fake = Fake::new().content(
        None,
        b"\"A\"\n\"\xff is no text that is longer than a word\"\n",
    );
    let mut rows = opened(&fake);
    assert!(run(rows.header(&fake)).unwrap());
    assert!(matches!(next(&fake, &mut rows), Err(Stop::Error(_))));
}

#[test]
fn a_row_that_is_cut_off_with_its_body_is_not_taken_for_a_whole_one() {
    let fake = Fake::new().torn("A,B\n1,2\n3,4", "null", interrupted(true));
    let mut rows = opened(&fake);
    assert!(run(rows.header(&fake)).unwrap());
    assert_eq!(next(&fake, &mut rows).unwrap(), Next::Row);
    assert!(matches!(next(&fake, &mut rows), Err(Stop::Lost(_))));
}

/// Bytes of which tables are made, and now and then any other.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let usual = prop::sample::select(b"\"\",,\n\n\r\\ab".to_vec());
    vec(prop_oneof![12 => usual, 1 => any::<u8>()], 0..200)
}

proptest! {
    #[test]
    fn whatever_comes_in_place_of_a_table_gives_rows_as_wide_as_their_header_or_an_error(
        body in noise(),
    ) {
        let fake = Fake::new().content(None, &body);
        let mut rows = opened(&fake);
        // It is over when it says so, or at the first error; a byte gives one row at most.
        for _ in 0..=body.len() {
            match next(&fake, &mut rows) {
                Ok(Next::Row) => {}
                Ok(_) | Err(_) => return Ok(()),
            }
            prop_assert_eq!(rows.values.len(), rows.width());
        }
        prop_assert!(false, "more rows than bytes");
    }
}
