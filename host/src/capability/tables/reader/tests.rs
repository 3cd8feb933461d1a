//! Tables out of bodies that come in parts.

use futures_util::stream;

use super::*;

/// A body that comes in parts of this size, and perhaps breaks off.
fn reader(text: &[u8], part: usize, lost: Option<wit::Error>) -> Reader {
    let parts = text
        .chunks(part)
        .map(|part| Ok(Bytes::copy_from_slice(part)));
    let parts: Vec<_> = parts.chain(lost.map(Err)).collect();
    Reader::new(stream::iter(parts).boxed())
}

/// Each column as a text.
fn shape(width: u32) -> wit::Shape {
    let member = |column| wit::Member {
        name: format!("c{column}"),
        value: wit::Value::Text(column),
    };
    wit::Shape {
        objects: vec![wit::Object {
            present: None,
            members: (0..width).map(member).collect(),
        }],
    }
}

/// The records of the next rows as JSON, and whether they are the last.
async fn next(reader: &mut Reader, width: u32, most: u32) -> Result<(String, bool), String> {
    match reader.next(shape(width), most).await {
        Ok(read) => {
            let json = read.records?.as_bytes().to_vec();
            Ok((String::from_utf8(json).unwrap(), read.is_last))
        }
        Err(Stop::Lost(lost)) => Err(format!("{lost:?}")),
        Err(Stop::Shape(rule)) => Err(rule.to_owned()),
    }
}

#[tokio::test]
async fn rows_come_as_many_as_are_asked_for_wherever_the_body_is_cut() {
    let text =
        "\u{feff}\"A\",\"B \"\"b\"\"\"\r\n\"1\",\"x,\ny\"\r\n\r\n2,ü\r\n3,\r\n\r\n".as_bytes();
    for part in 1..=text.len() {
        let mut reader = reader(text, part, None);
        let names = reader.header().await.unwrap().unwrap();
        assert_eq!(names, ["A", "B \"b\""], "parts of {part}");
        assert_eq!(reader.header().await.unwrap().unwrap(), names);
        let (two, is_last) = next(&mut reader, 2, 2).await.unwrap();
        assert_eq!(two, r#"[{"c0":"1","c1":"x,\ny"},{"c0":"2","c1":"ü"}]"#);
        assert!(!is_last);
        let (one, mut is_last) = next(&mut reader, 2, 2).await.unwrap();
        assert_eq!(one, r#"[{"c0":"3","c1":null}]"#);
        if !is_last {
            let (none, last) = next(&mut reader, 2, 2).await.unwrap();
            assert_eq!(none, "[]");
            is_last = last;
        }
        assert!(is_last);
    }
}

#[tokio::test]
async fn rows_that_came_whole_are_given_before_the_error() {
    let lost = wit::Error::Unavailable(7);
    for part in [1, 5, 100] {
        let mut reader = reader(b"A\n1\n2\n3", part, Some(lost));
        let (rows, is_last) = next(&mut reader, 1, 10).await.unwrap();
        assert_eq!((&*rows, is_last), (r#"[{"c0":"1"},{"c0":"2"}]"#, false));
        for _ in 0..2 {
            let error = next(&mut reader, 1, 10).await.unwrap_err();
            assert_eq!(error, format!("{lost:?}"));
        }
        let mut reader = super::tests::reader(b"A", part, Some(lost));
        assert!(reader.header().await.is_err());
        assert!(reader.next(shape(1), 1).await.is_err());
    }
}

#[tokio::test]
async fn what_is_no_table_is_told_with_its_row_and_never_ends_well() {
    for (text, told) in [
        (
            "A,B\n1,2\n3\n4,5\n",
            "as many values as the header has in row 2",
        ),
        (
            "A,B\n1,2\n\"3\"x,4\n",
            "a comma behind a value in quotes in row 2",
        ),
        ("A,B\n1,2\n\"3,4\n", "the end of a value in quotes in row 2"),
        ("", "the names of its columns"),
        ("\"A", "the names of its columns"),
    ] {
        let mut reader = reader(text.as_bytes(), 3, None);
        let mut flaw = String::new();
        for _ in 0..4 {
            match reader.next(shape(2), 1).await {
                Ok(Read {
                    records: Err(told),
                    is_last,
                    ..
                }) => {
                    assert!(!is_last);
                    flaw = told;
                }
                Ok(read) => assert!(flaw.is_empty() && !read.is_last),
                Err(_) => panic!("{text}"),
            }
        }
        assert!(flaw.contains(told), "{text}: {flaw}");
    }
}

#[tokio::test]
async fn flaws_in_what_was_given_before_are_counted_from_the_beginning() {
    let mut reader = reader(b"A\n1\n2\n\xff\n", 100, None);
    next(&mut reader, 1, 2).await.unwrap();
    let flaw = next(&mut reader, 1, 2).await.unwrap_err();
    assert_eq!(flaw, "a table: expected UTF-8 in row 3");
}

#[tokio::test]
async fn a_part_is_no_larger_than_some_megabytes_and_a_row_than_sixteen() {
    let row = format!("\"{}\"\n", "x".repeat(1_000_000));
    let text = format!("A\n{}", row.repeat(10));
    let mut reader = reader(text.as_bytes(), 64 * 1024, None);
    let mut counts = Vec::new();
    loop {
        let read = reader.next(shape(1), 10_000).await;
        let read = read.unwrap_or_else(|_| panic!("no rows"));
        counts.push(read.records.unwrap().len());
        if read.is_last {
            break;
        }
    }
    counts.retain(|count| *count > 0);
    assert_eq!(counts, [5, 5]);
    let endless = format!("A\n\"{}", "x".repeat(MAX_ROW_BYTES + 1));
    let mut reader = super::tests::reader(endless.as_bytes(), 1 << 20, None);
    let flaw = next(&mut reader, 1, 1).await.unwrap_err();
    assert!(flaw.contains("16 MiB in row 1"), "{flaw}");
}

#[tokio::test]
async fn what_a_shape_adds_to_each_row_counts_as_well() {
    let text = format!("A\n{}", "1\n".repeat(10_000));
    let mut reader = reader(text.as_bytes(), 1_000, None);
    let mut shape = shape(1);
    shape.objects[0].members.push(wit::Member {
        name: "c".to_owned(),
        value: wit::Value::Constant("x".repeat(100_000)),
    });
    let Ok(read) = reader.next(shape, 10_000).await else {
        panic!("no rows")
    };
    let records = read.records.unwrap();
    assert!(records.len() < 50 && records.as_bytes().len() < 5_000_000);
}

#[tokio::test]
async fn lines_are_found_in_rows_that_came_whole_and_nothing_else() {
    let lost = wit::Error::Unavailable(7);
    /// The rows in which something is to be found, as texts.
    async fn rows(reader: &mut Reader, most: u32) -> Result<Option<(Vec<String>, bool)>, String> {
        let names = reader.rows_to_search(most).await;
        if names.map_err(|error| format!("{error:?}"))?.is_none() {
            return Ok(None);
        }
        Ok(reader.found(|(text, spans)| {
            let text = |span: &Span| String::from_utf8(span.of(text).value().into_owned()).unwrap();
            spans.iter().map(text).collect()
        }))
    }

    for part in [1, 3, 100] {
        let mut reader = reader(b"A\n1\n2\n3\n4", part, Some(lost));
        let (two, is_last) = rows(&mut reader, 2).await.unwrap().unwrap();
        assert_eq!(
            (two, is_last),
            (vec!["1".to_owned(), "2".to_owned()], false)
        );
        let (one, is_last) = rows(&mut reader, 2).await.unwrap().unwrap();
        assert_eq!((one, is_last), (vec!["3".to_owned()], false));
        assert!(rows(&mut reader, 2).await.is_err());

        let mut reader = super::tests::reader(b"A\n1\n\n", part, None);
        let (one, is_last) = rows(&mut reader, 2).await.unwrap().unwrap();
        assert_eq!((one.len(), is_last), (1, true));
        let (none, is_last) = rows(&mut reader, 2).await.unwrap().unwrap();
        assert_eq!((none.len(), is_last), (0, true));
        for no_table in [&b""[..], b"A\n1,2\n", b"A\n\"1"] {
            let mut reader = super::tests::reader(no_table, part, None);
            assert_eq!(rows(&mut reader, 2).await.unwrap(), None, "{no_table:?}");
        }
    }
}
