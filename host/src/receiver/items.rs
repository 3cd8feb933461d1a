//! What is kept of a request: items for the inbox.

use serde_json::value::RawValue;

use super::Shape;
use crate::events::Event;
use crate::store::NewItem;

/// Records of one request.
const MAX_RECORDS: usize = 1_000;

/// The longest id of a signed webhook, in bytes: that of a record in it is longer.
const MAX_ID_BYTES: usize = 240;

/// The items of events, each under the event's id.
pub(super) fn of_events(events: &[Event], shape: Shape) -> Result<Vec<NewItem>, serde_json::Error> {
    let item = |event: &Event| {
        let bytes = match (shape, event) {
            (Shape::Records, Event::Message(message)) => message.payload.get().into(),
            (Shape::Records, Event::Change(change)) => change.fields.get().into(),
            // Of what is stale there is no record: whoever takes it sees the event.
            _ => serde_json::to_vec(event)?,
        };
        let id = event.id().to_owned();
        Ok(NewItem { id, bytes })
    };
    events.iter().map(item).collect()
}

/// The items of a signed webhook, or why there are none.
pub(super) fn of_signed(id: &str, body: &[u8], shape: Shape) -> Result<Vec<NewItem>, &'static str> {
    if id.len() > MAX_ID_BYTES {
        return Err("the webhook-id is longer than 240 bytes");
    }
    let item = |id: String, bytes: &[u8]| NewItem {
        id,
        bytes: bytes.to_vec(),
    };
    if shape == Shape::Whole {
        return Ok(vec![item(id.to_owned(), body)]);
    }
    if let Ok(record) = serde_json::from_slice::<&RawValue>(body)
        && record.get().starts_with('{')
    {
        return Ok(vec![item(id.to_owned(), record.get().as_bytes())]);
    }
    let records: Vec<&RawValue> = serde_json::from_slice(body)
        .map_err(|_| "the body is neither a JSON object nor an array of them")?;
    if records.len() > MAX_RECORDS {
        return Err("the body has more than 1,000 records");
    }
    if !records.iter().all(|record| record.get().starts_with('{')) {
        return Err("the body is neither a JSON object nor an array of them");
    }
    let items = records.iter().enumerate();
    // No id of a webhook has a full stop in it.
    let items = items.map(|(at, record)| item(format!("{id}.{at}"), record.get().as_bytes()));
    Ok(items.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(items: &[NewItem]) -> Vec<(String, String)> {
        let items = items.iter();
        let text = |item: &NewItem| str::from_utf8(&item.bytes).unwrap().to_owned();
        items.map(|item| (item.id.clone(), text(item))).collect()
    }

    fn of(id: &str, text: &str) -> (String, String) {
        (id.to_owned(), text.to_owned())
    }

    #[test]
    fn each_record_of_a_body_is_an_item_with_an_id_of_its_own() {
        let one = of_signed("msg_1", b" {\"b\": 1.10, \"a\": 2} ", Shape::Records).unwrap();
        assert_eq!(texts(&one), [of("msg_1", "{\"b\": 1.10, \"a\": 2}")]);
        let two = of_signed("msg_1", b"[{\"a\":1}, {}]", Shape::Records).unwrap();
        assert_eq!(
            texts(&two),
            [of("msg_1.0", "{\"a\":1}"), of("msg_1.1", "{}")]
        );
        assert_eq!(of_signed("msg_1", b"[]", Shape::Records), Ok(Vec::new()));
        let whole = of_signed("msg_1", b"[{\"a\":1}, {}]", Shape::Whole).unwrap();
        assert_eq!(texts(&whole), [of("msg_1", "[{\"a\":1}, {}]")]);
    }

    #[test]
    fn what_holds_no_records_is_refused_with_the_reason() {
        for body in ["", "text", "7", "[1]", "[{}, null]", "{} {}", "{\"a\":"] {
            let refused = of_signed("msg_1", body.as_bytes(), Shape::Records);
            assert_eq!(
                refused.unwrap_err(),
                "the body is neither a JSON object nor an array of them",
                "{body}"
            );
        }
        let many = format!("[{}{{}}]", "{},".repeat(MAX_RECORDS));
        assert!(of_signed("msg_1", many.as_bytes(), Shape::Records).is_err());
        let long = "i".repeat(MAX_ID_BYTES + 1);
        assert!(of_signed(&long, b"{}", Shape::Records).is_err());
    }
}
