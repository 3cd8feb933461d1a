//! What an org, or somebody in its place, hands to the connector, held against what
//! must be true of it whatever it is.
//!
//! Each of these takes any bytes, and panics if a promise is broken.
//! `cargo xtask fuzz` looks for bytes that do so, led by which code they reach; the
//! tests here damage examples at random, in every run. The examples are those in
//! `fuzz/seeds`.

use serde_json::Value as Json;

use crate::actions::invoke;
use crate::api::{Ask, Kind};
use crate::bindings::exports::lockgate::connector::events::Event;
use crate::bindings::exports::lockgate::connector::hooks::{Header, Outcome, Request};
use crate::csv::{Next, Rows};
use crate::fake::{Fake, run};
use crate::host::{Method, Opened};
use crate::{events, hooks, names};

/// The schema of an event and what should be in it, behind a NUL: it is read whole or
/// not at all, and the fields of a change are an object.
pub fn event(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let schema = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let payload = parts.next().unwrap_or_default();
    let Some(told) = events::read_one(&schema, payload) else {
        return;
    };
    let longer = [payload, b"\0"].concat();
    assert!(events::read_one(&schema, &longer).is_none());
    for event in told {
        if let Event::Change(change) = event {
            let fields = serde_json::from_slice::<Json>(&change.fields);
            assert!(fields.is_ok_and(|fields| fields.is_object()));
        }
    }
}

/// What should be an outbound message: each of its events has ids and names as an org
/// has them, and an object as its payload.
pub fn message(data: &[u8]) {
    let fake = Fake::new()
        .answer(
            200,
            r#"{"done":true,"records":[{"Id":"00DdM00000vfgTuUAI"}]}"#,
        )
        .answer(
            200,
            r#"{"name":"Lead","fields":[{"name":"AnnualRevenue","type":"currency"}]}"#,
        );
    let request = Request {
        method: "POST".to_owned(),
        query: String::new(),
        headers: vec![Header {
            name: "content-type".to_owned(),
            value: "text/xml".to_owned(),
        }],
        body: data.to_vec(),
    };
    let Ok(Outcome::Accepted(accepted)) = run(hooks::receive(&fake.api(), &request)) else {
        return;
    };
    assert!(!accepted.events.is_empty());
    for event in accepted.events {
        let Event::Message(told) = event else {
            unreachable!("a notification is a message");
        };
        assert_eq!(names::id(&told.id).ok().as_ref(), Some(&told.id));
        assert!(names::object(&told.name).is_ok());
        let Ok(Json::Object(fields)) = serde_json::from_slice(&told.payload) else {
            unreachable!("a payload is an object");
        };
        assert!(fields.keys().all(|name| names::key_field(name).is_ok()));
    }
}

/// What should be the answer to a conversion of two leads: there are two outcomes, or
/// an error.
pub fn conversion(data: &[u8]) {
    const LEADS: &[u8] = br#"{"leads":[{"lead":"00QdM00003kRs59","status":"Closed"},
        {"lead":"00QdM00001wBXYD","status":"Closed"}]}"#;
    let text = String::from_utf8_lossy(data);
    for status in [200, 500] {
        let fake = Fake::new().answer(status, text.as_ref());
        if let Ok(output) = run(invoke(&fake.api(), "convert-leads", LEADS)) {
            let output = serde_json::from_slice::<Json>(&output).unwrap_or_default();
            let leads = output.get("leads").and_then(Json::as_array);
            assert_eq!(leads.map(Vec::len), Some(2));
        }
    }
}

/// What should be a table: its values are UTF-8, and it ends, or is an error.
pub fn rows(data: &[u8]) {
    let fake = Fake::new().content(None, data);
    let ask = Ask::new(Method::Get, "/x", Kind::Rows);
    let Ok(Opened::Content { body, .. }) = run(fake.api().open(ask)) else {
        unreachable!("the fake gives a content");
    };
    let mut rows = Rows::new(body);
    let mut count = 0;
    while let Ok(next) = rows.next() {
        match next {
            Next::Row => {
                let mut cells = (0..rows.width()).map(|at| rows.cell(at).value());
                assert!(cells.all(|value| str::from_utf8(&value).is_ok()));
                // A byte gives one row at most.
                count += 1;
                assert!(count <= data.len());
            }
            Next::More if run(rows.fill(&fake)).is_err() => break,
            Next::More => {}
            Next::End => break,
        }
    }
}

#[cfg(test)]
#[path = "../../fuzz/damaged.rs"]
mod damaged;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::damaged::damaged;
    use super::*;

    /// What may stand in the place of something else.
    const PIECES: &[&str] = &[
        "\"",
        ",",
        "\n",
        "\r",
        "\\",
        "<!DOCTYPE a [<!ENTITY b 'c'>]>",
        "&b;",
        "&#0;",
        "<a>",
        "</a>",
        "<sf:Id>",
        "]]>",
        "<![CDATA[",
        "<!--",
        "xmlns:sf=''",
        "xsi:nil='1'",
        "<?xml?>",
    ];

    proptest! {
        #[test]
        fn whatever_comes_in_place_of_a_schema_and_its_event_is_read_whole_or_not_at_all(
            data in damaged("event", PIECES),
        ) {
            event(&data);
        }

        #[test]
        fn whatever_comes_in_place_of_a_message_is_one_of_the_org_or_refused(
            data in damaged("message", PIECES),
        ) {
            message(&data);
        }

        #[test]
        fn whatever_answers_a_conversion_gives_an_outcome_for_each_lead_or_an_error(
            data in damaged("conversion", PIECES),
        ) {
            conversion(&data);
        }

        #[test]
        fn whatever_comes_in_place_of_a_result_gives_rows_in_utf8_or_an_error(
            data in damaged("rows", PIECES),
        ) {
            rows(&data);
        }
    }
}
