//! Outbound messages: what a workflow sends by SOAP to an address of its own when
//! records are saved. Each save leaves a notification; up to 100 of them go in a
//! message, again and again until the receiver says that it has them.

mod message;
mod send;

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

pub(crate) use self::send::run;
use crate::id::{self, Id};
use crate::org::{Done, Listener, Org};
use crate::schema::Schema;
use crate::value::DAY_MS;

/// The key prefix of notifications.
const NOTIFICATION: &str = "04l";
/// The key prefix of the actions that send them.
const ACTION: &str = "04k";
/// The first serial number, large enough for ids to look lived-in.
const FIRST_SERIAL: u64 = 916_132_832;
/// Most notifications of a message.
const MOST: usize = 100;
/// How long a notification is tried.
const KEPT_MS: i64 = DAY_MS;
/// The wait after the first failure; each further one is twice as long.
const FIRST_WAIT_MS: i64 = 15_000;
/// The longest wait.
const LONGEST_WAIT_MS: i64 = 2 * 60 * 60 * 1000;

/// An outbound message that is sent for an object's records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboundMessage {
    /// The object whose records are told of, when they are created or changed.
    pub object: String,
    /// Where to: an `http://` address. Other schemes are not spoken.
    pub endpoint: String,
    /// The fields that are sent beside the id.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Whether messages carry a session of the administrator.
    #[serde(default)]
    pub send_session_id: bool,
}

/// Why outbound messages cannot be as somebody wants them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadOutboundMessage(String);

impl fmt::Display for BadOutboundMessage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for BadOutboundMessage {}

/// What became of notifications so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutboundCounts {
    /// Not acknowledged yet.
    pub pending: usize,
    /// Of these, how many were sent in vain and wait for another try.
    pub waiting: usize,
    /// Acknowledged.
    pub delivered: u64,
    /// Given up after 24 hours.
    pub dropped: u64,
}

/// The outbound messages of an org.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    actions: Vec<Arc<Action>>,
    queue: VecDeque<Notification>,
    made: u64,
    counts: OutboundCounts,
}

/// A message that was set up.
#[derive(Debug)]
struct Action {
    id: Id,
    message: OutboundMessage,
}

/// One record that a receiver is to hear of.
#[derive(Clone, Debug)]
struct Notification {
    id: Id,
    action: Arc<Action>,
    record: Id,
    made_ms: i64,
    due_ms: i64,
    failures: u32,
}

/// What is to be done next.
enum Due {
    /// These go now, in one message.
    Now(Vec<Notification>),
    /// Nothing before this time.
    At(i64),
}

impl Outbound {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets up these messages in the place of those before, whose notifications
    /// are forgotten.
    pub(crate) fn set(
        &self,
        org: &mut Org,
        messages: Vec<OutboundMessage>,
    ) -> Result<(), BadOutboundMessage> {
        let objects = messages.iter().map(|message| check(&org.schema, message));
        let objects = objects.collect::<Result<_, _>>()?;
        org.listen_to(Listener::Messages, objects);
        let mut state = self.state();
        state.queue.clear();
        state.actions.clear();
        for message in messages {
            state.made += 1;
            let id = id::make(ACTION, FIRST_SERIAL + state.made);
            state.actions.push(Arc::new(Action { id, message }));
        }
        Ok(())
    }

    /// The messages that are set up.
    pub(crate) fn messages(&self) -> Vec<OutboundMessage> {
        let state = self.state();
        let actions = state.actions.iter();
        actions.map(|action| action.message.clone()).collect()
    }

    /// What became of notifications.
    pub(crate) fn counts(&self, now_ms: i64) -> OutboundCounts {
        let state = self.state();
        let queue = state.queue.iter();
        OutboundCounts {
            pending: state.queue.len(),
            waiting: queue.filter(|waiting| waiting.due_ms > now_ms).count(),
            ..state.counts
        }
    }

    /// Notes the records that a transaction saved.
    pub(crate) fn told(&self, org: &Org, done: &[Done]) {
        let mut seen = HashSet::new();
        for done in done {
            if let Done::Changed {
                object,
                before,
                after,
            } = done
                && !after.is_deleted()
                && before.as_ref().is_none_or(|before| !before.is_deleted())
                && seen.insert(after.id())
                && let Some(object) = org.schema.objects().nth(*object)
            {
                self.saved(&object.name, &after.shared_id(), org.now_ms());
            }
        }
    }

    /// A record was saved.
    fn saved(&self, object: &str, record: &Id, now_ms: i64) {
        let mut state = self.state();
        let state = &mut *state;
        for action in &state.actions {
            if !action.message.object.eq_ignore_ascii_case(object) {
                continue;
            }
            state.made += 1;
            state.queue.push_back(Notification {
                id: id::make(NOTIFICATION, FIRST_SERIAL + state.made),
                action: Arc::clone(action),
                record: Arc::clone(record),
                made_ms: now_ms,
                due_ms: now_ms,
                failures: 0,
            });
        }
    }

    /// Gives up what is too old. Whether there was any.
    fn give_up(&self, now_ms: i64) -> bool {
        let mut state = self.state();
        let before = state.queue.len();
        state
            .queue
            .retain(|waiting| now_ms - waiting.made_ms < KEPT_MS);
        let dropped = before - state.queue.len();
        state.counts.dropped += dropped as u64;
        dropped > 0
    }

    /// Takes what is to be sent now.
    fn due(&self, now_ms: i64) -> Due {
        let state = self.state();
        let is_due = |waiting: &&Notification| waiting.due_ms <= now_ms;
        let Some(first) = state.queue.iter().find(is_due) else {
            let next = state.queue.iter().map(|waiting| waiting.due_ms).min();
            return Due::At(next.unwrap_or(i64::MAX));
        };
        let action = Arc::clone(&first.action);
        let due = state.queue.iter().filter(is_due);
        let due = due.filter(|waiting| Arc::ptr_eq(&waiting.action, &action));
        Due::Now(due.take(MOST).cloned().collect())
    }

    /// What came of a message.
    fn sent(&self, batch: &[Notification], acknowledged: bool, now_ms: i64) {
        let mut state = self.state();
        let is_sent =
            |waiting: &Notification| batch.iter().any(|sent| Arc::ptr_eq(&sent.id, &waiting.id));
        if acknowledged {
            let before = state.queue.len();
            state.queue.retain(|waiting| !is_sent(waiting));
            state.counts.delivered += (before - state.queue.len()) as u64;
            return;
        }
        for waiting in state.queue.iter_mut().filter(|waiting| is_sent(waiting)) {
            let factor = 1_i64.checked_shl(waiting.failures).unwrap_or(i64::MAX);
            let wait_ms = FIRST_WAIT_MS.saturating_mul(factor).min(LONGEST_WAIT_MS);
            waiting.failures += 1;
            waiting.due_ms = now_ms + wait_ms;
        }
    }
}

/// The place of the object in the schema, when all is well.
fn check(schema: &Schema, message: &OutboundMessage) -> Result<usize, BadOutboundMessage> {
    let bad = |text: String| Err(BadOutboundMessage(text));
    let Some(object) = schema
        .object(&message.object)
        .filter(|object| !object.is_event())
    else {
        return bad(format!("there is no object {}", message.object));
    };
    for field in &message.fields {
        if object.field(field).is_none() {
            return bad(format!("{} has no field {field}", object.name));
        }
    }
    match url::Url::parse(&message.endpoint) {
        Ok(url) if url.scheme() == "http" && url.has_host() => Ok(object.index),
        _ => bad(format!("{} is no http:// address", message.endpoint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbound(records: usize) -> Outbound {
        let outbound = Outbound::default();
        let message = OutboundMessage {
            object: "Account".to_owned(),
            endpoint: "http://127.0.0.1:1/".to_owned(),
            fields: vec!["Name".to_owned()],
            send_session_id: false,
        };
        let mut org = Org::new(Schema::standard().unwrap());
        outbound.set(&mut org, vec![message]).unwrap();
        for _ in 0..records {
            outbound.saved("Account", &"001Lg0000010000AAA".into(), 0);
            outbound.saved("Contact", &"003Lg0000010000AAA".into(), 0);
        }
        outbound
    }

    fn batch(outbound: &Outbound, now_ms: i64) -> Vec<Notification> {
        match outbound.due(now_ms) {
            Due::Now(batch) => batch,
            Due::At(at_ms) => panic!("nothing before {at_ms}"),
        }
    }

    #[test]
    fn a_hundred_go_in_one_message_and_the_rest_in_the_next() {
        let outbound = outbound(130);
        let first = batch(&outbound, 0);
        outbound.sent(&first, true, 0);
        let second = batch(&outbound, 0);
        assert_eq!((first.len(), second.len()), (100, 30));
        outbound.sent(&second, true, 0);
        assert!(matches!(outbound.due(0), Due::At(i64::MAX)));
        assert_eq!(outbound.counts(0).delivered, 130);
    }

    #[test]
    fn waits_double_up_to_two_hours_and_after_a_day_it_is_given_up() {
        let outbound = outbound(1);
        let (mut now_ms, mut waits_s) = (0, Vec::new());
        while !outbound.give_up(now_ms) {
            let batch = batch(&outbound, now_ms);
            outbound.sent(&batch, false, now_ms);
            let Due::At(next_ms) = outbound.due(now_ms) else {
                panic!("it is due again at once");
            };
            waits_s.push((next_ms - now_ms) / 1000);
            now_ms = next_ms;
        }
        assert_eq!(waits_s[..4], [15, 30, 60, 120]);
        assert_eq!(*waits_s.last().unwrap(), 7200);
        assert!(now_ms >= DAY_MS);
        let counts = outbound.counts(now_ms);
        assert_eq!((counts.pending, counts.dropped), (0, 1));
    }
}
