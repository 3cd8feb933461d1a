//! What is read of texts that are CSV, and of texts that nearly are.

use super::*;

/// All rows of a text, with their values.
fn rows(text: &[u8]) -> Result<Vec<Vec<String>>, Malformed> {
    let mut rows = Vec::new();
    let (mut at, mut spans) = (0, Vec::new());
    while let Next::Row { end, .. } = row(text, at, true, &mut spans)? {
        let values = spans.drain(..).map(|span| span.of(text).value());
        rows.push(
            values
                .map(|value| String::from_utf8_lossy(&value).into_owned())
                .collect(),
        );
        at = end;
    }
    Ok(rows)
}

#[test]
fn values_keep_their_commas_quotes_and_lines() {
    let text = "a,\"b \"\"c\"\", d\",\"x\r\ny\",\"\"\n\r\n,  ,\"\"\"\",e\\f\r\"last\",ü,\t,z";
    assert_eq!(
        rows(text.as_bytes()).unwrap(),
        [
            ["a", "b \"c\", d", "x\r\ny", ""],
            ["", "  ", "\"", "e\\f"],
            ["last", "ü", "\t", "z"]
        ]
    );
}

#[test]
fn plain_is_what_json_writes_alike() {
    let text =
        b"\"plain, though with a comma\",\"a\"\"b\",\"a\\b\",\"a\nb\",plain and longer,a\\b\n";
    let mut spans = Vec::new();
    row(text, 0, true, &mut spans).unwrap();
    let plain: Vec<bool> = spans.iter().map(|span| span.is_plain()).collect();
    assert_eq!(plain, [true, false, false, false, true, false]);
}

#[test]
fn a_row_tells_whether_it_is_more_than_ascii_and_says_nothing_of_the_next() {
    let mut spans = Vec::new();
    for (text, expected) in [
        ("\"some words\",\"more words\"\n\"ü\"\n", true),
        ("\"some words ü\",\"more words\"\n", false),
        ("some words ü,more words\n", false),
        ("a\\ü\n", false),
        ("a,b\nü,ü,ü,ü\n", true),
    ] {
        let next = row(text.as_bytes(), 0, true, &mut spans).unwrap();
        assert!(
            matches!(next, Next::Row { is_ascii, .. } if is_ascii == expected),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_value_is_named_with_its_place() {
    for (text, at, expected) in [
        ("a,\"b", 4, "the end of a value in quotes"),
        ("\"a\"b,c\n", 3, "a comma behind a value in quotes"),
    ] {
        assert_eq!(rows(text.as_bytes()), Err(Malformed { at, expected }));
    }
}

/// Wherever a text is cut, the rows of its first part are rows of the whole.
#[test]
fn a_row_is_only_given_once_it_is_whole() {
    let text = b"\"a\"\"\",\"b, c\"\r\nd,e\n\n\"f\ng\",";
    let whole = rows(text).unwrap();
    for cut in 0..text.len() {
        let part = &text[..cut];
        let (mut at, mut spans, mut count) = (0, Vec::new(), 0);
        while let Next::Row { end, .. } = row(part, at, false, &mut spans).unwrap() {
            let values: Vec<String> = spans
                .drain(..)
                .map(|span| String::from_utf8_lossy(&span.of(part).value()).into_owned())
                .collect();
            assert_eq!(values, whole[count], "cut at {cut}");
            (at, count) = (end, count + 1);
        }
        assert_eq!(row(part, at, false, &mut spans), Ok(Next::More));
        assert!(spans.is_empty());
    }
}

/// Held against a reader that looks at one byte at a time.
#[test]
fn whatever_comes_is_read_as_byte_by_byte() {
    // A linear congruential generator: the same texts in each run.
    let mut state: u64 = 7;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (mut sound, mut broken) = (0, 0);
    for _ in 0..50_000 {
        let text: Vec<u8> = (0..random(60))
            .map(|_| b"\"\"\"\",,,,\n\r\\abcdefghijklmnop\xc3\xbc"[random(29)])
            .collect();
        let ours = rows(&text);
        assert_eq!(ours.as_ref().ok(), slow_rows(&text).as_ref(), "{text:?}");
        sound += usize::from(ours.is_ok());
        broken += usize::from(ours.is_err());
    }
    assert!(sound > 1_000 && broken > 1_000, "{sound} {broken}");
}

fn slow_rows(text: &[u8]) -> Option<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    let mut rest = text.iter().copied().peekable();
    loop {
        while rest.next_if(|byte| matches!(byte, b'\n' | b'\r')).is_some() {}
        if rest.peek().is_none() {
            return Some(rows);
        }
        let mut row = Vec::new();
        loop {
            let mut value = Vec::new();
            if rest.next_if_eq(&b'"').is_some() {
                loop {
                    let byte = rest.next()?;
                    if byte == b'"' && rest.next_if_eq(&b'"').is_none() {
                        break;
                    }
                    value.push(byte);
                }
            } else {
                while let Some(byte) = rest.next_if(|byte| !matches!(byte, b',' | b'\n' | b'\r')) {
                    value.push(byte);
                    // A doubled quote is one here as well.
                    if byte == b'"' {
                        rest.next_if_eq(&b'"');
                    }
                }
            }
            row.push(String::from_utf8_lossy(&value).into_owned());
            match rest.peek() {
                Some(b',') => rest.next(),
                None | Some(b'\n' | b'\r') => break,
                Some(_) => return None,
            };
        }
        rows.push(row);
    }
}
