//! Telling echoes from changes.
//!
//! What was sent comes back as an event, later, in the order in which it was sent.
//! Until then, whatever an event says of the fields that were sent is older than
//! what was sent: it must not be taken for a change, or the row would jump back for
//! a moment, and with it whatever was written to it in that moment. So each send is
//! remembered from before it goes out to the event that tells of it, and shields its
//! fields from the org's answer on.
//!
//! What an event says of the fields of its own send is compared with what was sent,
//! not with what the base was before: what the row has become meanwhile is a change of
//! that, and no conflict with it.
//!
//! An event that never comes must not shield for ever, and the memory of its send goes
//! once products repeat it no more. A shielded field that is told
//! with another value marks the record to be read again, and what is read after the
//! send is the truth, whatever the shields say.

use std::collections::BTreeSet;

use crate::error::DatabaseError;
use crate::rows::stored_fields;
use crate::sql::{Row, Sql};
use crate::value::{Fields, fields_to_json};

/// Something that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Its number.
    pub(crate) send: i64,
    /// What was sent, in the org's words.
    pub(crate) fields: Fields,
    /// What the base had for these fields then.
    pub(crate) bases: Fields,
    pub(crate) state: State,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It may have reached the org or not.
    UnderWay,
    /// So may this one, and nobody will say: it was asked for again. It shields
    /// nothing, and an event may still tell of it.
    Lost,
    /// An event has told of it before the org's answer was known.
    Told,
    /// The org has said that it is done. It shields its fields.
    Done,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::UnderWay => "under-way",
            Self::Lost => "lost",
            Self::Told => "told",
            Self::Done => "done",
        }
    }

    fn of(word: &str) -> Result<Self, DatabaseError> {
        [Self::UnderWay, Self::Lost, Self::Told, Self::Done]
            .into_iter()
            .find(|state| state.word() == word)
            .ok_or_else(|| DatabaseError::damaged(format!("no send is {word}")))
    }
}

/// The sends of a row that events have not told of yet, the oldest first.
pub(crate) fn list(
    sql: &mut dyn Sql,
    object: &str,
    local_key: &str,
) -> Result<Vec<Sent>, DatabaseError> {
    let rows = sql.rows(
        "SELECT send, fields, bases, state FROM ~sent \
         WHERE object = ?1 AND local_key = ?2 ORDER BY send",
        &[object.into(), local_key.into()],
    )?;
    let sent = |row: &Row| {
        Ok(Sent {
            send: row.int(0)?,
            fields: stored_fields(&row.text(1)?)?,
            bases: stored_fields(&row.text(2)?)?,
            state: State::of(&row.text(3)?)?,
        })
    };
    rows.iter().map(sent).collect()
}

/// Remembers a send before it goes out.
pub(crate) fn remember(
    sql: &mut dyn Sql,
    object: &str,
    local_key: &str,
    op: &str,
    sent: &Sent,
    now_ms: i64,
) -> Result<(), DatabaseError> {
    sql.run(
        "INSERT INTO ~sent (send, object, local_key, op, fields, bases, state, \
         sent_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        &[
            sent.send.into(),
            object.into(),
            local_key.into(),
            op.into(),
            fields_to_json(&sent.fields).into(),
            fields_to_json(&sent.bases).into(),
            sent.state.word().into(),
            now_ms.into(),
        ],
    )
    .map(|_| ())
}

/// Remembers a send with other fields than at first.
pub(crate) fn replace(sql: &mut dyn Sql, sent: &Sent) -> Result<(), DatabaseError> {
    sql.run(
        "UPDATE ~sent SET fields = ?2, bases = ?3 WHERE send = ?1",
        &[
            sent.send.into(),
            fields_to_json(&sent.fields).into(),
            fields_to_json(&sent.bases).into(),
        ],
    )
    .map(|_| ())
}

pub(crate) fn set_state(sql: &mut dyn Sql, send: i64, state: State) -> Result<(), DatabaseError> {
    sql.run(
        "UPDATE ~sent SET state = ?2 WHERE send = ?1",
        &[send.into(), state.word().into()],
    )
    .map(|_| ())
}

pub(crate) fn forget(sql: &mut dyn Sql, send: i64) -> Result<(), DatabaseError> {
    sql.run("DELETE FROM ~sent WHERE send = ?1", &[send.into()])
        .map(|_| ())
}

/// What is under way is not waited for any more: it was asked for again and was never
/// settled, or is of no use. True if there is such.
pub(crate) fn lose(
    sql: &mut dyn Sql,
    object: &str,
    local_key: &str,
) -> Result<bool, DatabaseError> {
    let mut is_any = false;
    for sent in list(sql, object, local_key)? {
        is_any |= sent.state != State::Done;
        match sent.state {
            State::UnderWay => set_state(sql, sent.send, State::Lost)?,
            State::Told => forget(sql, sent.send)?,
            State::Lost | State::Done => (),
        }
    }
    Ok(is_any)
}

/// Forgets all sends of a row.
pub(crate) fn forget_all(
    sql: &mut dyn Sql,
    object: &str,
    local_key: &str,
) -> Result<(), DatabaseError> {
    sql.run(
        "DELETE FROM ~sent WHERE object = ?1 AND local_key = ?2",
        &[object.into(), local_key.into()],
    )
    .map(|_| ())
}

/// The send that an event of our own making tells of: the oldest that it agrees
/// with in a field, or else, since flows may have rewritten them, the oldest that
/// the org has confirmed and that has a field in common with it. One that is under way
/// may not have arrived, and the event may be of somebody who writes through the same
/// client: another value is a change then, and never taken for ours.
pub(crate) fn told_by<'a>(sent: &'a [Sent], fields: &Fields) -> Option<&'a Sent> {
    let open = || sent.iter().filter(|sent| sent.state != State::Told);
    let agrees = |sent: &&Sent| {
        sent.fields
            .iter()
            .any(|(field, value)| fields.get(field) == Some(value))
    };
    let meets = |sent: &&Sent| sent.fields.keys().any(|field| fields.contains_key(field));
    let mut confirmed = open().filter(|sent| sent.state == State::Done);
    open().find(agrees).or_else(|| confirmed.find(meets))
}

/// The fields of which nobody knows whether the org has them as they were last sent.
pub(crate) fn in_doubt(sent: &[Sent]) -> BTreeSet<String> {
    let mut doubtful = BTreeSet::new();
    for sent in sent {
        for field in sent.fields.keys() {
            match sent.state {
                State::Lost => doubtful.insert(field.clone()),
                State::Done => doubtful.remove(field),
                State::UnderWay | State::Told => false,
            };
        }
    }
    doubtful
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn fields(pairs: &[(&str, i64)]) -> Fields {
        let pairs = pairs.iter();
        pairs
            .map(|(field, value)| ((*field).to_owned(), Value::int(*value)))
            .collect()
    }

    fn sent(send: i64, pairs: &[(&str, i64)]) -> Sent {
        Sent {
            send,
            fields: fields(pairs),
            bases: Fields::new(),
            state: State::Done,
        }
    }

    #[test]
    fn another_value_is_no_echo_of_what_may_not_have_arrived() {
        let mut all = [sent(1, &[("A", 1)])];
        for (state, told) in [
            (State::UnderWay, None),
            (State::Lost, None),
            (State::Done, Some(1)),
        ] {
            all[0].state = state;
            let found = told_by(&all, &fields(&[("A", 7)])).map(|sent| sent.send);
            assert_eq!(found, told, "{state:?}");
            assert!(told_by(&all, &fields(&[("A", 1)])).is_some());
        }
    }

    #[test]
    fn an_echo_is_of_the_oldest_send_that_it_agrees_with() {
        let all = [sent(1, &[("A", 1)]), sent(2, &[("A", 2), ("B", 1)])];
        let told = |pairs: &[(&str, i64)]| told_by(&all, &fields(pairs)).map(|sent| sent.send);
        assert_eq!(told(&[("A", 1)]), Some(1));
        assert_eq!(told(&[("A", 2), ("C", 9)]), Some(2));
        // A flow has rewritten it.
        assert_eq!(told(&[("A", 7)]), Some(1));
        assert_eq!(told(&[("C", 9)]), None);
    }
}
