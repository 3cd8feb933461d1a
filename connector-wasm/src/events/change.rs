//! Changes of records: what the header of a change event says, and what of it is
//! told.
//!
//! Both ways by which events come end here: Avro with bitmaps (`datum.rs`), and
//! JSON (`cometd.rs`).

use crate::bindings::exports::lockgate::connector::events::{Change, ChangeKind, Event, Stale};
use crate::fault::cut;
use crate::names;

/// The contract's bound of an event's id, in bytes.
const MAX_ID_BYTES: usize = 128;

/// The record id of an overflow.
const NO_RECORD: &str = "000000000000000AAA";

/// The header of a change, as far as it is of use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) object: String,
    pub(super) ids: Vec<String>,
    /// `CREATE`, `GAP_UPDATE` and so on.
    pub(super) kind: String,
    /// `com/salesforce/api/rest/62.0;client=acme`
    pub(super) origin: String,
    pub(super) transaction: String,
    pub(super) sequence: i64,
    pub(super) committed_ms: u64,
    pub(super) user: String,
}

/// What a change did to fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// A JSON object.
    pub(super) json: Vec<u8>,
    /// Of some fields it is known only that they changed.
    pub(super) in_part: bool,
}

impl Header {
    /// What the change did, if it is told at all.
    pub(super) fn change(&self) -> Option<ChangeKind> {
        match self.kind.as_str() {
            "CREATE" => Some(ChangeKind::Created),
            "UPDATE" => Some(ChangeKind::Updated),
            "DELETE" => Some(ChangeKind::Deleted),
            "UNDELETE" => Some(ChangeKind::Undeleted),
            // Gaps, and what newer releases may add: something happened.
            _ => None,
        }
    }

    /// The events of a change. `id` is its own, if it has one; `fields` are those
    /// of a change that is told, `None` if they cannot be read.
    pub(super) fn events(self, id: &str, client: &str, fields: Option<Fields>) -> Vec<Event> {
        let id = self.id(id);
        let ids = self.record_ids();
        let kind = self.change();
        let (Some(kind), Some(fields)) = (kind.filter(|_| !ids.is_empty()), fields) else {
            return vec![Event::Stale(self.stale(id, ids))];
        };
        let rest = fields
            .in_part
            .then(|| Event::Stale(self.stale(format!("{id}+"), ids.clone())));
        let change = Event::Change(Change {
            own: self.is_by(client),
            id,
            object: self.object,
            record_ids: ids,
            kind,
            fields: fields.json,
            committed_ms: self.committed_ms,
            transaction: Some(self.transaction).filter(|key| !key.is_empty()),
            user: Some(self.user).filter(|user| !user.is_empty()),
        });
        std::iter::once(change).chain(rest).collect()
    }

    fn stale(&self, id: String, record_ids: Vec<String>) -> Stale {
        Stale {
            id,
            object: self.object.clone(),
            record_ids,
            committed_ms: self.committed_ms,
        }
    }

    /// Events that have no id of their own are known by their place in their
    /// transaction. Room is left for what tells two events of one change apart.
    fn id(&self, own: &str) -> String {
        if own.is_empty() {
            let id = format!("{}/{}", self.transaction, self.sequence);
            cut(id, MAX_ID_BYTES - 1)
        } else {
            own.to_owned()
        }
    }

    /// The ids in their long form; none if it may be any of the object: of an
    /// overflow, and of changes to the type of a field, whose ids are `001*`.
    fn record_ids(&self) -> Vec<String> {
        if self.kind == "GAP_OVERFLOW" || self.ids.iter().any(|id| id == NO_RECORD) {
            return Vec::new();
        }
        let ids: Result<Vec<String>, _> = self.ids.iter().map(|id| names::id(id)).collect();
        ids.unwrap_or_default()
    }

    /// Whether it was written by this client.
    fn is_by(&self, client: &str) -> bool {
        let mut parts = self.origin.split(';');
        parts.any(|part| {
            part.trim()
                .strip_prefix("client=")
                .is_some_and(|name| name.trim_end_matches('/') == client)
        })
    }
}

/// Whether an id is one that the contract takes.
pub(super) const fn is_id(id: &str) -> bool {
    // The mark of a second event comes behind it.
    id.len() < MAX_ID_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0015J000004TNtzQAG";

    fn header(kind: &str, ids: &[&str]) -> Header {
        Header {
            object: "Account".to_owned(),
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            kind: kind.to_owned(),
            origin: "com/salesforce/api/rest/62.0;client=Lockgate".to_owned(),
            transaction: "00001c2f".to_owned(),
            sequence: 3,
            committed_ms: 7,
            user: "0055J000001D89MQAS".to_owned(),
        }
    }

    fn fields(json: &str) -> Option<Fields> {
        Some(Fields {
            json: json.as_bytes().to_vec(),
            in_part: false,
        })
    }

    fn stale(header: Header) -> Stale {
        match header.events("e", "Lockgate", fields("{}")).as_slice() {
            [Event::Stale(stale)] => stale.clone(),
            events => panic!("{events:?}"),
        }
    }

    #[test]
    fn a_change_names_its_records_its_transaction_and_who_made_it() {
        let header = header("UPDATE", &["0015J000004TNtz", "001dM00003kRs59QAC"]);
        let events = header.events("e", "Lockgate", fields(r#"{"Name":"A"}"#));
        let [Event::Change(change)] = events.as_slice() else {
            panic!("{events:?}");
        };
        assert_eq!(change.record_ids, [ID, "001dM00003kRs59QAC"]);
        assert_eq!(change.kind, ChangeKind::Updated);
        assert_eq!(change.id, "e");
        assert_eq!(change.transaction.as_deref(), Some("00001c2f"));
        assert_eq!(change.user.as_deref(), Some("0055J000001D89MQAS"));
        assert!(change.own);
    }

    #[test]
    fn a_gap_is_stale_and_names_its_records() {
        for kind in [
            "GAP_CREATE",
            "GAP_UPDATE",
            "GAP_DELETE",
            "GAP_UNDELETE",
            "SNAPSHOT",
        ] {
            let stale = stale(header(kind, &[ID]));
            assert_eq!(stale.record_ids, [ID], "{kind}");
            assert_eq!((stale.object.as_str(), stale.committed_ms), ("Account", 7));
        }
    }

    #[test]
    fn an_overflow_a_wildcard_and_a_change_of_no_record_make_the_whole_object_stale() {
        for (kind, ids) in [
            ("GAP_OVERFLOW", [NO_RECORD]),
            ("GAP_OVERFLOW", [ID]),
            ("UPDATE", ["001*"]),
            ("GAP_UPDATE", ["001*"]),
            ("UPDATE", [NO_RECORD]),
        ] {
            assert!(
                stale(header(kind, &ids)).record_ids.is_empty(),
                "{kind} {ids:?}"
            );
        }
        assert!(stale(header("UPDATE", &[])).record_ids.is_empty());
        assert!(stale(header("UPDATE", &[ID, "001*"])).record_ids.is_empty());
    }

    #[test]
    fn fields_that_cannot_be_read_leave_the_records_stale() {
        let events = header("UPDATE", &[ID]).events("e", "Lockgate", None);
        assert!(matches!(events.as_slice(), [Event::Stale(stale)] if stale.record_ids == [ID]));
    }

    #[test]
    fn fields_of_which_a_part_is_known_are_told_and_the_record_is_stale_as_well() {
        let partly = Fields {
            json: b"{}".to_vec(),
            in_part: true,
        };
        let events = header("UPDATE", &[ID]).events("e", "Lockgate", Some(partly));
        let [Event::Change(change), Event::Stale(stale)] = events.as_slice() else {
            panic!("{events:?}");
        };
        assert_ne!(change.id, stale.id);
        assert_eq!(change.record_ids, stale.record_ids);
    }

    #[test]
    fn an_event_without_an_id_is_known_by_its_place_in_the_transaction() {
        let events = header("DELETE", &[ID]).events("", "Lockgate", fields("{}"));
        assert!(matches!(&events[0], Event::Change(change) if change.id == "00001c2f/3"));
    }

    #[test]
    fn only_changes_of_the_same_client_are_ones_own() {
        for (origin, own) in [
            ("com/salesforce/api/rest/62.0;client=Lockgate", true),
            ("com/salesforce/api/soap/60.0;client=Lockgate/", true),
            ("com/salesforce/api/rest/62.0;client=Lockgate2", false),
            ("com/salesforce/api/rest/62.0;client=acme/Lockgate", false),
            ("com/salesforce/api/rest/62.0", false),
            ("", false),
        ] {
            let header = Header {
                origin: origin.to_owned(),
                ..header("UPDATE", &[ID])
            };
            assert_eq!(header.is_by("Lockgate"), own, "{origin}");
        }
    }
}
