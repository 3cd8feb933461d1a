//! Events: changes of members, by asking the service what happened behind a cursor.
//! It answers once something has, or after a while, so a change is heard of at once.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serde_json::Value;

use crate::api::Api;
use crate::bindings::exports::lockgate::connector::events::{
    Change, ChangeKind, Delivery, Event, Start, SubscriptionOptions,
};
use crate::bindings::exports::lockgate::connector::records::{self, Advice, Error, Way};
use crate::describe::MEMBER;
use crate::fault::{refused, unexpected};
use crate::host::Host;
use crate::record::from_member;
use crate::wire::{self, Changes, Kind};

/// The one way to hear of changes.
const WAY: &str = "polling";

/// How long one delivery may be waited for, in milliseconds: with the last question less
/// than the two minutes of the contract.
const NEXT_MS: u64 = 80_000;

/// How long the service may wait for something before it answers, in milliseconds.
const WAIT_MS: u64 = 25_000;

/// Changes of one delivery; the service's bound of a page.
const MAX_CHANGES: usize = 500;

/// Stands before the cursor in a checkpoint, should its form ever change.
const FORM: &str = "1:";

/// Events under way.
#[derive(Debug)]
pub(crate) struct Subscription<H> {
    api: Rc<Api<H>>,
    cursor: RefCell<String>,
    /// It began with what is new, and nobody has its cursor yet.
    is_new: Cell<bool>,
}

/// How it is done.
pub(crate) fn way() -> Way {
    Way {
        name: WAY.to_owned(),
        reason: "it is the only one, at one call for each change or each 25 s".to_owned(),
    }
}

/// The kinds of event, as `describe` lists them.
pub(crate) fn list() -> Vec<records::Event> {
    vec![records::Event {
        name: MEMBER.to_owned(),
        summary: "Members were created, changed or deleted".to_owned(),
        payload_schema:
            r#"{"type":"object","description":"The fields that changed, as a query gives them"}"#
                .to_owned(),
    }]
}

/// Subscribes. A checkpoint behind which something is gone shows with the first
/// delivery.
pub(crate) async fn subscribe<H: Host>(
    api: Rc<Api<H>>,
    sources: &[String],
    options: SubscriptionOptions,
) -> Result<Subscription<H>, Error> {
    if sources != [MEMBER] {
        return Err(refused(
            Advice::FixSchema,
            "unknown_source",
            "the mailing list tells of one source, Member",
        ));
    }
    if options.way.is_some_and(|way| way != WAY) {
        return Err(refused(
            Advice::FixRecord,
            "unknown_way",
            "there is no such way to hear of events; the one way is: polling",
        ));
    }
    let is_new = options.start == Start::Newest;
    let cursor = match options.start {
        Start::Newest => first(&api, "newest").await?,
        Start::Oldest => first(&api, "oldest").await?,
        Start::After(checkpoint) => read(&checkpoint)?,
    };
    Ok(Subscription {
        api,
        cursor: RefCell::new(cursor),
        is_new: Cell::new(is_new),
    })
}

/// A cursor for who has none.
async fn first<H: Host>(api: &Api<H>, from: &str) -> Result<String, Error> {
    let query = vec![("from".to_owned(), from.to_owned())];
    let changes: Changes = api.get("/v1/changes", query).await?;
    Ok(changes.cursor)
}

fn read(checkpoint: &[u8]) -> Result<String, Error> {
    let text = str::from_utf8(checkpoint).ok();
    let cursor = text.and_then(|text| text.strip_prefix(FORM));
    cursor.map(str::to_owned).ok_or_else(|| {
        refused(
            Advice::Refetch,
            "unknown_checkpoint",
            "this is no checkpoint of the mailing list: subscribe to what is new, then read \
             everything once",
        )
    })
}

impl<H: Host> Subscription<H> {
    /// The next delivery; of a new subscription first where it begins. After an error
    /// that passes it goes on where it was.
    pub(crate) async fn next(&self) -> Result<Delivery, Error> {
        if self.is_new.take() {
            return Ok(self.delivery(Vec::new()));
        }
        let began_ms = self.api.host.monotonic_ms();
        loop {
            let after = self.cursor.borrow().clone();
            let query = vec![
                ("after".to_owned(), after),
                ("wait_ms".to_owned(), WAIT_MS.to_string()),
                ("limit".to_owned(), MAX_CHANGES.to_string()),
            ];
            let told: Changes = self.api.get("/v1/changes", query).await?;
            let took_ms = self.api.host.monotonic_ms().saturating_sub(began_ms);
            if told.changes.is_empty() && took_ms < NEXT_MS {
                continue;
            }
            let events = told
                .changes
                .into_iter()
                .map(event)
                .collect::<Result<_, _>>()?;
            self.cursor.replace(told.cursor);
            return Ok(self.delivery(events));
        }
    }

    fn delivery(&self, events: Vec<Event>) -> Delivery {
        let checkpoint = format!("{FORM}{}", self.cursor.borrow()).into_bytes();
        Delivery { events, checkpoint }
    }
}

fn event(change: wire::Change) -> Result<Event, Error> {
    let fields = Value::Object(from_member(change.fields, &[]));
    let fields = serde_json::to_vec(&fields).map_err(|_| unexpected("members as JSON"))?;
    Ok(Event::Change(Change {
        id: change.id,
        object: MEMBER.to_owned(),
        record_ids: vec![change.member],
        kind: match change.kind {
            Kind::Created => ChangeKind::Created,
            Kind::Updated => ChangeKind::Updated,
            Kind::Deleted => ChangeKind::Deleted,
        },
        fields,
        committed_ms: change.at_ms,
        transaction: None,
        user: None,
        own: change.own,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake::{Fake, Reply, broken, run};

    fn options(start: Start) -> SubscriptionOptions {
        SubscriptionOptions { start, way: None }
    }

    fn begin(fake: &Fake, start: Start) -> Result<Subscription<Fake>, Error> {
        let api = Rc::new(Api::new(fake.clone()));
        run(subscribe(api, &[MEMBER.to_owned()], options(start)))
    }

    fn changes(cursor: &str, changes: Value) -> Reply {
        Reply::ok(&json!({ "changes": changes, "cursor": cursor }).to_string())
    }

    #[test]
    fn a_change_is_told_with_its_fields_and_whose_it_is() {
        let change = json!([{
            "id": "7-3", "kind": "updated", "member": "m1",
            "fields": {"tags": ["vip"], "first_name": null}, "at_ms": 1_700, "own": true,
        }]);
        let fake = Fake::new([changes("7-2", json!([])), changes("7-3", change)]);
        let subscription = begin(&fake, Start::Newest).unwrap();
        // Where it begins is told before anything has happened.
        let place = run(subscription.next()).unwrap();
        assert_eq!(
            (place.events.len(), &place.checkpoint[..]),
            (0, &b"1:7-2"[..])
        );
        let delivery = run(subscription.next()).unwrap();
        assert_eq!(delivery.checkpoint, b"1:7-3");
        let [Event::Change(change)] = &delivery.events[..] else {
            panic!("{delivery:?}")
        };
        assert_eq!(
            (change.id.as_str(), change.kind),
            ("7-3", ChangeKind::Updated)
        );
        assert!(change.own);
        let fields: Value = serde_json::from_slice(&change.fields).unwrap();
        assert_eq!(fields, json!({"tags": "vip", "first_name": null}));
        assert_eq!(fake.asked(0), "GET /v1/changes?from=newest");
        assert_eq!(
            fake.asked(1),
            "GET /v1/changes?after=7-2&wait_ms=25000&limit=500"
        );
    }

    #[test]
    fn where_nothing_happens_the_checkpoint_comes_alone_within_two_minutes() {
        let nothing = || changes("7-2", json!([]));
        let fake = Fake::new([nothing(), nothing(), nothing(), nothing()]);
        fake.each_answer_takes(WAIT_MS);
        let subscription = begin(&fake, Start::After(b"1:7-2".to_vec())).unwrap();
        let delivery = run(subscription.next()).unwrap();
        assert!(delivery.events.is_empty());
        assert_eq!(delivery.checkpoint, b"1:7-2");
        assert_eq!(fake.now_ms(), 4 * WAIT_MS);
    }

    #[test]
    fn after_a_passing_fault_it_goes_on_where_it_was() {
        let change = json!([{
            "id": "7-3", "kind": "deleted", "member": "m1", "fields": {}, "at_ms": 1, "own": false,
        }]);
        let fake = Fake::new([Reply::Lost(broken(true)), changes("7-3", change)]);
        let subscription = begin(&fake, Start::After(b"1:7-2".to_vec())).unwrap();
        assert_eq!(run(subscription.next()), Err(Error::Unavailable(700)));
        assert_eq!(run(subscription.next()).unwrap().events.len(), 1);
        assert_eq!(fake.asked(0), fake.asked(1));
    }

    #[test]
    fn what_is_gone_or_no_checkpoint_is_to_be_read_anew() {
        let gone = r#"{"error":{"code":"cursor_gone","message":"gone"}}"#;
        let fake = Fake::new([Reply::Answer(410, gone.to_owned())]);
        let subscription = begin(&fake, Start::After(b"1:1-1".to_vec())).unwrap();
        for refused in [
            run(subscription.next()).map(|_| ()),
            begin(&Fake::new([]), Start::After(b"other".to_vec())).map(|_| ()),
        ] {
            let Err(Error::Refused(problem)) = refused else {
                panic!("{refused:?}")
            };
            assert_eq!(problem.advice, Advice::Refetch);
        }
    }

    #[test]
    fn other_sources_and_ways_are_refused() {
        let api = || Rc::new(Api::new(Fake::new([])));
        let sources = vec![MEMBER.to_owned(), "Lead".to_owned()];
        assert!(run(subscribe(api(), &sources, options(Start::Newest))).is_err());
        let pubsub = SubscriptionOptions {
            start: Start::Newest,
            way: Some("pubsub".to_owned()),
        };
        assert!(run(subscribe(api(), &[MEMBER.to_owned()], pubsub)).is_err());
    }
}
