//! An event as one line, for people and for programs.

use std::io::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use lockgate::{Checkpoint, Delivery, Event};
use serde::Serialize;

use crate::args::Shape;
use crate::calls::moment;
use crate::{output, table, text};

/// Ids of records that a line for people shows.
const SHOWN_IDS: usize = 5;

/// An event as programs get it.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    event: &'a Event,
    /// Only behind the last event of a delivery: before it, what it stands for has
    /// not all been told.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<&'a Checkpoint>,
}

/// The line of a delivery without events.
#[derive(Serialize)]
#[serde(tag = "event", rename = "checkpoint")]
struct Quiet<'a> {
    checkpoint: &'a Checkpoint,
}

/// Writes a delivery to standard output, whole and at once.
pub(super) fn tell(delivery: &Delivery, shape: Shape) -> Result<()> {
    let lines = if shape.is_json() {
        for_programs(delivery).context("cannot write an event as JSON")?
    } else {
        let width = table::screen_width();
        let lines = delivery.events.iter().map(for_people);
        lines.map(|line| cut(line, width)).collect()
    };
    let mut out = output::stdout();
    for line in lines {
        writeln!(out, "{line}").context("cannot write to standard output")?;
    }
    out.flush().context("cannot write to standard output")
}

fn for_programs(delivery: &Delivery) -> serde_json::Result<Vec<String>> {
    let checkpoint = &delivery.checkpoint;
    let Some(last) = delivery.events.len().checked_sub(1) else {
        return Ok(vec![serde_json::to_string(&Quiet { checkpoint })?]);
    };
    let events = delivery.events.iter().enumerate();
    let lines = events.map(|(at, event)| Line {
        event,
        checkpoint: (at == last).then_some(checkpoint),
    });
    lines.map(|line| serde_json::to_string(&line)).collect()
}

fn for_people(event: &Event) -> String {
    let (ms, what, object, ids, values) = match event {
        Event::Change(change) => {
            let own = if change.own { " (own)" } else { "" };
            let what = format!("{}{own}", change.kind.as_str());
            let ids = shown(&change.record_ids);
            let values = change.fields.get();
            (change.committed_ms, what, &change.object, ids, values)
        }
        Event::Stale(stale) if stale.record_ids.is_empty() => {
            let (what, ids) = ("stale".to_owned(), "any of them".to_owned());
            (stale.committed_ms, what, &stale.object, ids, "")
        }
        Event::Stale(stale) => {
            let (what, ids) = ("stale".to_owned(), shown(&stale.record_ids));
            (stale.committed_ms, what, &stale.object, ids, "")
        }
        Event::Message(message) => {
            let (what, values) = ("message".to_owned(), message.payload.get());
            (
                message.published_ms,
                what,
                &message.name,
                String::new(),
                values,
            )
        }
    };
    let at = moment(UNIX_EPOCH + Duration::from_millis(ms));
    let mut line = format!("{at}  {what:<15}  {object}");
    for part in [ids.as_str(), values] {
        if !part.is_empty() {
            line.push_str("  ");
            line.push_str(part);
        }
    }
    text::clean(&line).into_owned()
}

fn shown(ids: &[String]) -> String {
    let first = ids.get(..SHOWN_IDS).unwrap_or(ids).join(",");
    match ids.len().saturating_sub(SHOWN_IDS) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// On a screen a line stays one line; in a pipe nothing is cut.
fn cut(line: String, width: Option<usize>) -> String {
    match width {
        Some(width) if line.chars().count() > width => {
            let head: String = line.chars().take(width.saturating_sub(1)).collect();
            format!("{head}…")
        }
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use lockgate::{Change, ChangeKind, Stale};
    use serde_json::value::RawValue;

    use super::*;

    fn change(count: usize) -> Event {
        Event::Change(Change {
            id: "e-1".to_owned(),
            object: "Contact".to_owned(),
            record_ids: (1..=count).map(|n| format!("r{n}")).collect(),
            kind: ChangeKind::Updated,
            fields: RawValue::from_string("{\"A\":1.10}".to_owned()).unwrap(),
            committed_ms: 1_800_000_012_345,
            transaction: None,
            user: None,
            own: true,
        })
    }

    #[test]
    fn people_see_when_what_where_and_the_values() {
        assert_eq!(
            for_people(&change(7)),
            "2027-01-15T08:00:12Z  updated (own)    Contact  r1,r2,r3,r4,r5 and 2 more  {\"A\":1.10}"
        );
        let stale = Event::Stale(Stale {
            id: "e-2".to_owned(),
            object: "Lead".to_owned(),
            record_ids: Vec::new(),
            committed_ms: 0,
        });
        assert_eq!(
            for_people(&stale),
            "1970-01-01T00:00:00Z  stale            Lead  any of them"
        );
        assert_eq!(cut("abcdef".to_owned(), Some(4)), "abc…");
        assert_eq!(cut("abcd".to_owned(), Some(4)), "abcd");
    }

    #[test]
    fn a_checkpoint_stands_in_the_last_line_of_what_came_at_one_time() {
        let checkpoint = Checkpoint::from_bytes("x").unwrap();
        let mut delivery = Delivery {
            events: vec![change(1), change(1)],
            checkpoint,
        };
        let event = r#"{"event":"change","id":"e-1","object":"Contact","record_ids":["r1"],"kind":"updated","fields":{"A":1.10},"committed_ms":1800000012345,"own":true"#;
        assert_eq!(
            for_programs(&delivery).unwrap(),
            [
                format!("{event}}}"),
                format!("{event},\"checkpoint\":\"eA==\"}}")
            ]
        );
        delivery.events.clear();
        assert_eq!(
            for_programs(&delivery).unwrap(),
            [r#"{"event":"checkpoint","checkpoint":"eA=="}"#]
        );
    }
}
