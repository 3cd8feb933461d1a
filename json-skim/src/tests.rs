//! What is accepted, and where what is not goes wrong: held against serde_json.

use serde_json::value::RawValue;

use crate::{MAX_DEPTH, Malformed, Skim};

fn skim(text: &str) -> Result<&str, Malformed> {
    let mut skim = Skim::new(text);
    let value = skim.value()?;
    skim.end()?;
    Ok(value)
}

#[test]
fn a_value_is_given_as_it_is_written() {
    for text in [
        "0",
        "-0.5e+10",
        "1E9",
        "123456789012345678901234567890",
        "true",
        "false",
        "null",
        r#""""#,
        r#""a string that is longer than eight bytes""#,
        r#""\u00e9 \" \\ \/ \n""#,
        r#""\ud800""#,
        "\"ä€𝄞 and more after it\"",
        "[]",
        "{}",
        "[ ]",
        "[[],{},[{}]]",
        r#"{"a" : [ 1 , {"b":null} ] , "c":"]}"}"#,
    ] {
        assert_eq!(skim(text), Ok(text));
        assert_eq!(skim(&format!(" \r\n\t{text}\n")), Ok(text));
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let cases = [
        ("", 0, "a value"),
        ("[1,]", 3, "a value"),
        ("{\"a\" 1}", 5, "a colon"),
        ("{\"a\":1,}", 7, "a key"),
        ("[1 2]", 3, "a comma or the closing bracket"),
        ("[1}", 2, "a comma or the closing bracket"),
        ("{} x", 3, "the end"),
        ("01", 1, "the end"),
        ("-", 1, "a digit"),
        ("\"\\x\"", 2, "an escape"),
        ("\"\\u12g4\"", 2, "four hexadecimal digits"),
        ("\"a\nb\"", 2, "no control character"),
        ("\"abc", 4, "the end of a string"),
        ("nul", 0, "a value"),
    ];
    for (text, at, expected) in cases {
        assert_eq!(skim(text), Err(Malformed { at, expected }), "{text}");
    }
}

#[test]
fn nesting_ends_where_serde_json_would_end_it() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let deepest = MAX_DEPTH as usize;
    for depth in [1, deepest, deepest + 1, 1_000_000] {
        let text = nested(depth);
        assert_eq!(skim(&text).is_ok(), depth <= deepest);
        let parsed = serde_json::from_str::<serde_json::Value>(&text);
        assert_eq!(skim(&text).is_ok(), parsed.is_ok(), "{depth}");
    }
}

#[test]
fn elements_and_members_are_cut_where_they_are() {
    let mut cut = Vec::new();
    let mut skim = Skim::new(r#" [ {"a" : 1 , "b": [ 2 ]} , { } ] "#);
    skim.elements(|skim| {
        skim.members(|key, skim| {
            cut.push((key, skim.value()?));
            Ok::<(), Malformed>(())
        })
    })
    .unwrap();
    skim.end().unwrap();
    assert_eq!(cut, [(r#""a""#, "1"), (r#""b""#, "[ 2 ]")]);
}

/// Texts that are nearly JSON: every one that serde_json takes is taken, and no
/// other.
#[test]
fn texts_are_accepted_exactly_when_serde_json_accepts_them() {
    let seed = r#"[{"Id":"00Q\u00e9","n":-12.5e+3,"t":[true,false,null,{}],"s":"a\"b\\c and so on"},{"x":{"y":[]}}]"#;
    let noise = [
        "", " ", "\"", "\\", "\\u", "{", "}", "[", "]", ",", ":", "0", "1", "-", ".", "e", "E+",
        "true", "nul", "\n", "\u{1}", "é", "\u{7f}",
    ];
    // A linear congruential generator: the same texts in each run.
    let mut state: u64 = 7;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut taken = 0;
    for _ in 0..200_000 {
        let mut text = seed.to_owned();
        for _ in 0..=random(3) {
            let from = random(text.len());
            let to = (from + random(4)).min(text.len());
            if text.is_char_boundary(from) && text.is_char_boundary(to) {
                text.replace_range(from..to, noise[random(noise.len())]);
            }
        }
        let ours = skim(&text);
        let theirs = serde_json::from_str::<&RawValue>(&text);
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{text}\n{ours:?}\n{theirs:?}");
        taken += usize::from(ours.is_ok());
    }
    assert!(taken > 10_000, "too few texts were sound: {taken}");
}
