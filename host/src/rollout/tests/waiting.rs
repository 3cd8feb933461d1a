//! Connections that were not granted what a newer version asks for.

use super::*;
use crate::grant::GrantChange;

const LITTLE: &[Grant] = &[Grant::Http];
const MORE: &[Grant] = &[Grant::Http, Grant::Stream];
const MOST: &[Grant] = &[Grant::Http, Grant::Storage, Grant::Stream];

/// A connection that was given all that it was asked for so far.
fn given(name: &str, grants: &[Grant]) -> Live {
    let grants: Grants = grants.iter().copied().collect();
    Live::new(
        connection(name),
        1,
        ConnectionGrants::decided(&grants, &grants),
    )
}

/// Gives it one more, or refuses it.
fn decide(live: &Live, give: &[Grant], refuse: &[Grant]) {
    let change = GrantChange {
        give: give.iter().copied().collect(),
        refuse: refuse.iter().copied().collect(),
        ..GrantChange::default()
    };
    live.learn(1, &live.grants().changed(&change));
}

fn route(rollout: &Rollout<Fake>, live: &Live) -> String {
    let loaded = rollout.route(Caller::Granted(live), Lasting::Once).unwrap();
    loaded.version().to_owned()
}

/// 1.0.0, and 2.0.0 that asks for more.
fn two_that_ask() -> Rollout<Fake> {
    let rollout = Rollout::new(asking("1.0.0", LITTLE), None);
    rollout.stage(asking("2.0.0", MORE));
    rollout
}

#[tokio::test(start_paused = true)]
async fn a_connection_stays_where_it_is_until_it_is_granted_what_a_swap_asks_for() {
    let rollout = two_that_ask();
    let (waits, has) = (given("crm", LITTLE), given("other", MORE));
    rollout.steer(&Step::swap("2.0.0")).unwrap();
    for _ in 0..5 {
        assert_eq!(route(&rollout, &waits), "1.0.0");
        assert_eq!(route(&rollout, &has), "2.0.0");
    }
    // After its trial as well, in which the version before was told to end.
    advance(Duration::from_secs(100_000)).await;
    assert_eq!(route(&rollout, &has), "2.0.0");
    assert_eq!(route(&rollout, &waits), "1.0.0");
    let (wanted, goes_to) = rollout.standing(&waits);
    assert_eq!(
        (wanted.version(), goes_to.unwrap().version()),
        ("2.0.0", "1.0.0")
    );
    decide(&waits, &[Grant::Stream], &[]);
    assert_eq!(route(&rollout, &waits), "2.0.0");
}

#[tokio::test(start_paused = true)]
async fn canaries_pins_and_ways_back_wait_for_grants_too() {
    let rollout = two_that_ask();
    let waits = given("crm", LITTLE);
    let keys = BTreeSet::from([connection("crm")]);
    let all = Step::canary("2.0.0", Reach::Share(1.0));
    for canary in [all, Step::canary("2.0.0", Reach::Connections(keys))] {
        rollout.steer(&canary).unwrap();
        assert_eq!(route(&rollout, &waits), "1.0.0");
    }
    rollout.steer(&Step::Rollback).unwrap();
    let pin = Step::Pin {
        connection: connection("crm"),
        version: "2.0.0".to_owned(),
    };
    rollout.steer(&pin).unwrap();
    assert_eq!(route(&rollout, &waits), "1.0.0");
    let connection = connection("crm");
    rollout.steer(&Step::Unpin { connection }).unwrap();
    // Back to one that asks for more than the one that connections began with.
    let rollout = Rollout::new(asking("1.0.0", MORE), None);
    rollout.stage(asking("2.0.0", LITTLE));
    rollout.steer(&swap_at_once("2.0.0")).unwrap();
    assert_eq!(route(&rollout, &waits), "2.0.0");
    rollout.steer(&Step::Rollback).unwrap();
    assert_eq!(route(&rollout, &waits), "2.0.0");
    assert_eq!(route(&rollout, &given("other", MORE)), "1.0.0");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_can_stay_nowhere_is_told_what_is_missing_and_who_gives_it() {
    let rollout = Rollout::new(asking("1.0.0", MORE), None);
    let waits = given("crm", LITTLE);
    let refused = rollout
        .route(Caller::Granted(&waits), Lasting::Once)
        .err()
        .unwrap();
    assert_eq!(refused.blame(), crate::Blame::Caller);
    let refused = refused.to_string();
    let command = "`lockgate connection grant crm stream --tenant acme`";
    assert!(
        refused.contains(command) && refused.contains("1.0.0"),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn versions_that_connections_wait_in_are_kept_through_further_swaps() {
    let rollout = two_that_ask();
    let (first, second) = (given("first", LITTLE), given("second", MORE));
    for (version, wants) in [
        ("2.0.0", MORE),
        ("2.1.0", MORE),
        ("3.0.0", MOST),
        ("4.0.0", MOST),
    ] {
        rollout.stage(asking(version, wants));
        rollout.steer(&swap_at_once(version)).unwrap();
        assert_eq!(route(&rollout, &first), "1.0.0");
    }
    assert_eq!(route(&rollout, &second), "2.1.0");
    assert_eq!(stand(&rollout, "1.0.0"), Stand::Kept);
    // Nobody has to wait for one that asks for little.
    for version in ["5.0.0", "6.0.0"] {
        rollout.stage(asking(version, LITTLE));
        rollout.steer(&swap_at_once(version)).unwrap();
    }
    assert_eq!(rollout.status().len(), 2);
    assert_eq!(route(&rollout, &first), "6.0.0");
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_or_taken_back_holds_no_version_up() {
    let rollout = two_that_ask();
    let live = given("crm", LITTLE);
    decide(&live, &[], &[Grant::Stream]);
    rollout.steer(&Step::swap("2.0.0")).unwrap();
    assert_eq!(route(&rollout, &live), "2.0.0");
    decide(&live, &[], &[Grant::Http]);
    assert_eq!(route(&rollout, &live), "2.0.0");
}

#[tokio::test(start_paused = true)]
async fn a_subscription_moves_by_itself_once_it_is_granted_what_it_waits_for() {
    let rollout = two_that_ask();
    let live = given("crm", LITTLE);
    let first = rollout
        .route(Caller::Granted(&live), Lasting::Subscription)
        .unwrap();
    let hold = first.service().hold("acme/crm");
    let mut refused = None;
    let moved = rollout.moved(&live, &first, &mut refused);
    tokio::pin!(moved);
    assert!(
        timeout(Duration::from_secs(1), moved.as_mut())
            .await
            .is_err()
    );
    rollout.steer(&swap_at_once("2.0.0")).unwrap();
    let longer = Duration::from_secs(10_000);
    assert!(timeout(longer, moved.as_mut()).await.is_err());
    // It was not told to end there.
    assert!(timeout(longer, hold.over()).await.is_err());
    decide(&live, &[Grant::Stream], &[]);
    timeout(Duration::from_secs(1), moved).await.unwrap();
}
