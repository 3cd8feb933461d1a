//! Subscriptions: what a connector tells of events reaches the app whole, in its
//! order and as fast as it is asked for, and what is malformed, endless or too
//! much does not.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockgate::{
    Advice, Blame, ChangeKind, Checkpoint, Connection, Deliveries, Delivery, Error, Event, Limit,
    Parking, QuotaWait, Start, SubscribeOptions,
};
use lockgate_tests::events::{Events, FLOOD_BYTES};
use lockgate_tests::loopback::Loopback;

use crate::attack::{connector, is_pending, is_plain, stopped_by};

async fn subscribe(crm: &Connection, command: &str) -> Deliveries {
    let options = SubscribeOptions::default();
    crm.subscribe(&[command], options).await.unwrap()
}

async fn subscribe_from(crm: &Connection, command: &str, start: Start) -> Deliveries {
    let options = SubscribeOptions { start, way: None };
    crm.subscribe(&[command], options).await.unwrap()
}

async fn next(deliveries: &mut Deliveries) -> Delivery {
    deliveries.next_delivery().await.unwrap().unwrap()
}

fn ids(delivery: &Delivery) -> Vec<&str> {
    delivery.events.iter().map(Event::id).collect()
}

fn checkpoint(text: &str) -> Checkpoint {
    Checkpoint::from_bytes(text.to_owned()).unwrap()
}

/// Shows that the host still serves.
async fn still_serves(crm: &Connection) {
    let mut deliveries = subscribe(crm, "count 1").await;
    assert_eq!(ids(&next(&mut deliveries).await), ["event-1000"]);
}

#[tokio::test]
async fn deliveries_come_in_order_and_a_subscription_goes_on_behind_a_checkpoint() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let mut newest = subscribe(&crm, "count 3").await;
    let first = next(&mut newest).await;
    assert_eq!(ids(&first), ["event-1000", "event-1001", "event-1002"]);
    assert_eq!(first.checkpoint, checkpoint("1003"));
    let second = next(&mut newest).await;
    assert_eq!(ids(&second)[0], "event-1003");

    let after = Start::After(first.checkpoint);
    let mut again = subscribe_from(&crm, "count 3", after).await;
    assert_eq!(ids(&next(&mut again).await), ids(&second));
    let mut oldest = subscribe_from(&crm, "count 1", Start::Oldest).await;
    assert_eq!(ids(&next(&mut oldest).await), ["event-0"]);

    let mut quiet = subscribe(&crm, "quiet").await;
    let delivery = next(&mut quiet).await;
    assert!(delivery.events.is_empty());
    assert_eq!(delivery.checkpoint, checkpoint("1000"));
}

#[tokio::test]
async fn each_kind_of_event_comes_as_it_was_told() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let mut deliveries = subscribe(&crm, "kinds").await;
    let delivery = next(&mut deliveries).await;
    let [
        Event::Change(change),
        Event::Stale(stale),
        Event::Message(message),
    ] = &delivery.events[..]
    else {
        panic!("{delivery:?}");
    };
    assert_eq!(change.id, "event-1");
    assert_eq!(change.object, "Thing");
    assert_eq!(change.record_ids, ["record-1"]);
    assert_eq!(change.kind, ChangeKind::Updated);
    // No number has become another, and none of the fields has moved.
    assert_eq!(change.fields.get(), r#"{ "Number": 1.50, "Gone": null }"#);
    assert_eq!(change.committed_ms, 1_700_000_000_001);
    assert_eq!(change.transaction, None);
    assert_eq!(change.user.as_deref(), Some("user-1"));
    assert!(!change.own);
    assert_eq!(
        (stale.id.as_str(), stale.object.as_str()),
        ("event-2", "Thing")
    );
    assert!(stale.record_ids.is_empty());
    assert_eq!(message.name, "Thing_Told__e");
    assert_eq!(message.payload.get(), "{}");
    assert_eq!(message.published_ms, 1_700_000_000_003);
}

#[tokio::test]
async fn the_way_is_the_one_that_was_asked_for_and_its_reason_is_plain() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let options = SubscribeOptions {
        start: Start::Newest,
        way: Some("my-way".to_owned()),
    };
    let deliveries = crm.subscribe(&["quiet"], options).await.unwrap();
    assert_eq!(deliveries.way().name, "my-way");
    assert!(is_plain(&deliveries.way().reason));
}

#[tokio::test]
async fn nothing_of_a_delivery_that_lies_reaches_the_app() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for kind in [
        "no-id",
        "long-id",
        "forging-id",
        "no-object",
        "long-object",
        "no-records",
        "empty-record",
        "long-record",
        "forging-record",
        "empty-transaction",
        "long-user",
        "late",
        "flood",
        "no-checkpoint",
        "long-checkpoint",
    ] {
        let mut deliveries = subscribe(&crm, &format!("lie {kind}")).await;
        let error = deliveries.next_delivery().await.unwrap_err();
        let is_broken = matches!(error, Error::BrokenContract { .. });
        assert!(is_broken, "{kind}: {error:?}");
        assert_eq!(error.blame(), Blame::Guest);
        let text = error.to_string();
        assert!(text.len() < 1_500 && is_plain(&text), "{kind}: {text}");
        let end = deliveries.next_delivery().await.unwrap();
        assert!(end.is_none(), "{kind}: after an error there is nothing");
    }
    for place in ["fields", "payload"] {
        for kind in ["utf8", "array", "two", "cut", "none"] {
            let mut deliveries = subscribe(&crm, &format!("lie {place}-{kind}")).await;
            let error = deliveries.next_delivery().await.unwrap_err();
            let is_unexpected = matches!(error, Error::Unexpected { .. });
            assert!(is_unexpected, "{place} {kind}: {error:?}");
            assert_eq!(error.blame(), Blame::Upstream);
            let text = error.to_string();
            assert!(text.contains(place) && text.contains("event 1"), "{text}");
            assert!(deliveries.next_delivery().await.unwrap().is_none());
        }
    }
    still_serves(&crm).await;
}

#[tokio::test]
async fn a_delivery_of_more_bytes_than_a_guest_may_hand_over_is_stopped() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("memory_mib = 128")).await;
    let mut deliveries = subscribe(&crm, "lie endless-checkpoint").await;
    let (limit, _) = stopped_by(deliveries.next_delivery().await);
    assert_eq!(limit, Limit::HostCallBytes);
    still_serves(&crm).await;
}

#[tokio::test]
async fn a_checkpoint_behind_which_events_are_gone_is_refused_with_what_to_do() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let options = SubscribeOptions {
        start: Start::After(checkpoint("nowhere")),
        way: None,
    };
    let error = crm.subscribe(&["count 1"], options).await.unwrap_err();
    let Error::Refused { problem, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(problem.advice, Advice::Refetch);
}

#[tokio::test]
async fn sources_that_are_none_never_reach_the_guest() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for sources in [&[][..], &["now panic", "now panic"], &["now panic", "\n"]] {
        let outcome = crm.subscribe(sources, SubscribeOptions::default()).await;
        assert!(matches!(outcome, Err(Error::Input(_))), "{outcome:?}");
    }
}

#[tokio::test]
async fn limits_begin_afresh_with_each_delivery() {
    let server = Loopback::start().await;
    let limits = "cpu_ms = 300\nhttp_requests = 30\nhost_calls = 200";
    let (_host, crm) = server.attacked_by(&connector(limits)).await;
    for command in ["do wait 1", "do send-many 25 /ok"] {
        let mut deliveries = subscribe(&crm, command).await;
        for _ in 0..6 {
            next(&mut deliveries).await;
        }
    }
    assert_eq!(server.heads().len(), 150);
    let limits = "cpu_ms = 300";
    let (_host, crm) = server.attacked_by(&connector(limits)).await;
    let mut deliveries = subscribe(&crm, "do burn 100").await;
    for _ in 0..6 {
        next(&mut deliveries).await;
    }
    let mut deliveries = subscribe(&crm, "do burn 3000").await;
    assert_eq!(stopped_by(deliveries.next_delivery().await).0, Limit::Cpu);
    still_serves(&crm).await;
}

#[tokio::test]
async fn nothing_is_asked_of_the_product_until_the_app_asks() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let mut deliveries = subscribe(&crm, "do send-many 1 /ok").await;
    assert_eq!(server.heads().len(), 0);
    for asked in 1..=3 {
        next(&mut deliveries).await;
        assert_eq!(server.heads().len(), asked);
    }
}

#[tokio::test]
async fn a_next_that_comes_to_no_end_is_stopped_whatever_it_hears_meanwhile() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("wall_ms = 500")).await;
    for command in ["do exchange-ignore Hold", "exchange Lazy", "listen Echo"] {
        let mut deliveries = subscribe(&crm, command).await;
        // Two minutes pass as soon as all that is left is to wait.
        tokio::time::pause();
        let stopped = stopped_by(deliveries.next_delivery().await);
        tokio::time::resume();
        assert_eq!(stopped, (Limit::Wall, "120500 ms".to_owned()), "{command}");
    }
    still_serves(&crm).await;
}

#[tokio::test]
async fn a_connector_has_its_two_minutes_whatever_time_other_calls_have() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("wall_ms = 500")).await;
    let mut deliveries = subscribe(&crm, "do wait 60000").await;
    tokio::time::pause();
    assert!(next(&mut deliveries).await.events.is_empty());
}

#[tokio::test]
async fn a_trap_in_the_midst_ends_the_subscription_behind_what_was_delivered() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let mut deliveries = subscribe(&crm, "then panic").await;
    let delivery = next(&mut deliveries).await;
    let error = deliveries.next_delivery().await.unwrap_err();
    assert!(matches!(error, Error::Crashed { .. }), "{error:?}");
    assert!(deliveries.next_delivery().await.unwrap().is_none());
    let after = Start::After(delivery.checkpoint);
    let mut again = subscribe_from(&crm, "count 1", after).await;
    assert_eq!(ids(&next(&mut again).await), ["event-1001"]);
}

#[tokio::test]
async fn a_passing_fault_keeps_the_place_and_any_other_ends_the_subscription() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for (kind, keeps) in [
        ("unavailable", true),
        ("over-quota", true),
        ("reconnect", false),
        ("refused", false),
        ("unexpected", false),
    ] {
        let mut deliveries = subscribe(&crm, &format!("fail {kind}")).await;
        let error = deliveries.next_delivery().await.unwrap_err();
        assert_eq!(error.retry_after().is_some(), keeps, "{kind}: {error:?}");
        let more = deliveries.next_delivery().await.unwrap();
        assert_eq!(more.is_some(), keeps, "{kind}: {more:?}");
    }
}

#[tokio::test]
async fn a_subscription_that_may_wait_is_parked_and_goes_on() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let wait = QuotaWait::up_to(Duration::from_secs(60)).telling(move |parking| {
        let is_parked = matches!(parking, Parking::Parked { .. });
        telling.lock().unwrap().push(is_parked);
    });
    let crm = crm.with_quota_wait(wait);
    let mut deliveries = subscribe(&crm, "fail over-quota-soon").await;
    assert_eq!(ids(&next(&mut deliveries).await), ["event-1000"]);
    assert_eq!(*told.lock().unwrap(), [true, false]);
}

#[tokio::test]
async fn an_exchange_lasts_from_delivery_to_delivery_at_the_pace_of_the_app() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let mut deliveries = subscribe(&crm, "exchange Flood").await;
    for at in 0..10 {
        let delivery = next(&mut deliveries).await;
        assert_eq!(ids(&delivery), [format!("event-{}", 1_000 + at)]);
    }
    assert_eq!(server.exchanges().len(), 1);
    // What was read, what the window holds, and what the server keeps to send.
    let ahead = server.flooded_bytes() - 10 * FLOOD_BYTES;
    assert!(ahead <= 2 * 1024 * 1024, "{ahead}");
}

#[tokio::test]
async fn a_subscription_that_is_dropped_closes_its_exchange_at_once() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let mut between = subscribe(&crm, "exchange Hold").await;
    next(&mut between).await;
    drop(between);
    server.until_closed(1).await;

    let mut awaited = subscribe(&crm, "exchange Hold").await;
    next(&mut awaited).await;
    {
        let mut next = pin!(awaited.next_delivery());
        assert!(is_pending(next.as_mut()).await);
    }
    drop(awaited);
    server.until_closed(2).await;
}
