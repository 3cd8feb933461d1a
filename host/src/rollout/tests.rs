//! Versions that are none, through swaps, canaries, failures and time.

mod waiting;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{advance, timeout};

use super::*;
use crate::grant::{ConnectionGrants, Grant};
use crate::store::ConnectionKey;

/// What a version is to a rollout.
struct Fake {
    package: Package,
    service: Arc<Service>,
    wants: Grants,
}

impl Versioned for Fake {
    fn package(&self) -> &Package {
        &self.package
    }

    fn service(&self) -> &Arc<Service> {
        &self.service
    }

    fn wants(&self) -> &Grants {
        &self.wants
    }
}

fn fake(version: &str) -> Arc<Fake> {
    asking(version, &[])
}

/// A version that asks for grants.
fn asking(version: &str, wants: &[Grant]) -> Arc<Fake> {
    let manifest = format!(
        "[package]\nname = \"scorer\"\nversion = \"{version}\"\ncontract = \"0.2.0\"\nworld = \
         \"transform\"\ndescription = \"Scores.\"\ncomponent = \"component.wasm\"\n"
    );
    Arc::new(Fake {
        package: Package::from_parts(&manifest, Vec::new()).unwrap(),
        service: Service::new(),
        wants: wants.iter().copied().collect(),
    })
}

fn connection(name: &str) -> ConnectionKey {
    ConnectionKey::new("acme", name).unwrap()
}

/// A connection that was granted nothing.
fn live(name: &str) -> Live {
    Live::new(connection(name), 1, ConnectionGrants::default())
}

/// A rollout of 1.0.0 with 2.0.0 staged.
fn two() -> Rollout<Fake> {
    let rollout = Rollout::new(fake("1.0.0"), None);
    rollout.stage(fake("2.0.0"));
    rollout
}

fn swap_at_once(version: &str) -> Step {
    Step::Swap {
        version: version.to_owned(),
        trial: None,
        drain: Duration::from_secs(30),
    }
}

/// One call that ends so, and the version that it went to.
fn call(rollout: &Rollout<Fake>, ends: impl Fn(&str) -> Ended) -> String {
    let loaded = rollout
        .route(Caller::Granted(&live("crm")), Lasting::Once)
        .unwrap();
    let ended = ends(loaded.version());
    let took = Duration::from_millis(2);
    let used = Used {
        memory_bytes: 65_536,
        ..Used::default()
    };
    loaded.service().hold("acme/crm").call(took, used, ended);
    loaded.version().to_owned()
}

fn well(_: &str) -> Ended {
    Ended::Well
}

/// The second version traps.
fn second_traps(version: &str) -> Ended {
    match version {
        "2.0.0" => Ended::Stopped,
        _ => Ended::Well,
    }
}

fn calls(rollout: &Rollout<Fake>, n: usize, ends: fn(&str) -> Ended) -> usize {
    (0..n).filter(|_| call(rollout, ends) == "2.0.0").count()
}

fn stand(rollout: &Rollout<Fake>, version: &str) -> Stand {
    let status = rollout.status();
    let found = status.into_iter().find(|status| status.version == version);
    found.unwrap().stand
}

#[tokio::test(start_paused = true)]
async fn a_version_that_keeps_its_budget_is_trusted_after_its_trial() {
    let rollout = two();
    assert_eq!(calls(&rollout, 10, well), 0);
    rollout.steer(&Step::swap("2.0.0")).unwrap();
    assert_eq!(calls(&rollout, 10, well), 10);
    let all = Stand::OnTrial {
        share: Some(1.0),
        connections: Vec::new(),
    };
    assert_eq!(stand(&rollout, "2.0.0"), all);
    advance(Duration::from_secs(600)).await;
    assert_eq!(calls(&rollout, 1, well), 1);
    assert_eq!(stand(&rollout, "2.0.0"), Stand::Trusted);
    assert_eq!(stand(&rollout, "1.0.0"), Stand::Before);
    let figures = rollout.status().remove(0).figures;
    assert_eq!((figures.calls, figures.failed), (11, 0));
    assert!((1_900..2_100).contains(&figures.p99_us), "{figures:?}");
    assert_eq!(figures.peak_memory_bytes, 65_536);
    let reasons: Vec<String> = rollout
        .changes()
        .into_iter()
        .map(|change| change.reason)
        .collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_traps_is_taken_back_tried_again_and_parked_while_calls_go_on() {
    let rollout = two();
    rollout.steer(&Step::swap("2.0.0")).unwrap();
    // Three are enough; from then on all go to the one before.
    assert_eq!(calls(&rollout, 100, second_traps), 3);
    for (rest, failures) in RESTS.into_iter().zip(1..) {
        let resting = Stand::Resting {
            again_in_s: rest.as_secs(),
            failures,
        };
        assert_eq!(stand(&rollout, "2.0.0"), resting);
        advance(rest).await;
        // A few of the calls try it again.
        assert_eq!(calls(&rollout, 1_000, second_traps), 3);
    }
    assert_eq!(stand(&rollout, "2.0.0"), Stand::Parked);
    advance(Duration::from_secs(100_000)).await;
    assert_eq!(calls(&rollout, 1_000, second_traps), 0);
    assert_eq!(stand(&rollout, "1.0.0"), Stand::Trusted);
    // Somebody may try it once more.
    rollout.steer(&Step::swap("2.0.0")).unwrap();
    assert_eq!(calls(&rollout, 10, well), 10);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_has_recovered_gets_its_calls_again() {
    let rollout = two();
    rollout.steer(&Step::swap("2.0.0")).unwrap();
    assert_eq!(calls(&rollout, 10, second_traps), 3);
    advance(RESTS[0]).await;
    // A twentieth of them, until 50 have gone well.
    assert_eq!(calls(&rollout, 900, well), 45);
    calls(&rollout, 200, well);
    assert_eq!(calls(&rollout, 10, well), 10);
}

#[tokio::test(start_paused = true)]
async fn a_slow_version_is_taken_back() {
    let rollout = two();
    calls(&rollout, 50, well);
    rollout.steer(&Step::swap("2.0.0")).unwrap();
    let mut n_slow = 0;
    for _ in 0..100 {
        let loaded = rollout.route(Caller::Anybody, Lasting::Once).unwrap();
        let is_slow = loaded.version() == "2.0.0";
        n_slow += usize::from(is_slow);
        let took = Duration::from_millis(if is_slow { 20 } else { 2 });
        let mut hold = loaded.service().hold("acme/crm");
        hold.call(took, Used::default(), Ended::Well);
    }
    assert_eq!(n_slow, 50);
    let changes = rollout.changes();
    let last = &changes.last().unwrap().reason;
    assert!(last.contains("times the"), "{last}");
}

#[tokio::test(start_paused = true)]
async fn a_canary_gets_its_share_of_any_few_calls_and_no_subscription() {
    let rollout = two();
    let canary = Step::canary("2.0.0", Reach::Share(0.2));
    rollout.steer(&canary).unwrap();
    for _ in 0..10 {
        assert_eq!(calls(&rollout, 10, well), 2);
    }
    for _ in 0..100 {
        let subscription = rollout
            .route(Caller::Anybody, Lasting::Subscription)
            .unwrap();
        assert_eq!(subscription.version(), "1.0.0");
    }
    // Time alone makes it no more than a canary.
    advance(Duration::from_secs(100_000)).await;
    assert_eq!(calls(&rollout, 10, well), 2);
    rollout.steer(&Step::swap("2.0.0")).unwrap();
    assert_eq!(calls(&rollout, 10, well), 10);
    let nonsense = Step::canary("1.0.0", Reach::Share(2.0));
    assert!(rollout.steer(&nonsense).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_canary_for_a_connection_is_for_its_calls_and_subscriptions() {
    let rollout = two();
    let keys = BTreeSet::from([connection("crm")]);
    let canary = Step::canary("2.0.0", Reach::Connections(keys));
    rollout.steer(&canary).unwrap();
    for lasting in [Lasting::Once, Lasting::Subscription] {
        let routed = |name: &str| {
            rollout
                .route(Caller::Granted(&live(name)), lasting)
                .unwrap()
        };
        assert_eq!(routed("crm").version(), "2.0.0");
        assert_eq!(routed("other").version(), "1.0.0");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pinned_connection_stays_whatever_the_others_do() {
    let rollout = two();
    let pinned = connection("crm");
    let pin = Step::Pin {
        connection: pinned.clone(),
        version: "1.0.0".to_owned(),
    };
    rollout.steer(&pin).unwrap();
    rollout.steer(&swap_at_once("2.0.0")).unwrap();
    rollout.stage(fake("3.0.0"));
    rollout.steer(&swap_at_once("3.0.0")).unwrap();
    let routed = |name: &str| {
        rollout
            .route(Caller::Granted(&live(name)), Lasting::Once)
            .unwrap()
    };
    assert_eq!(routed("crm").version(), "1.0.0");
    assert_eq!(routed("other").version(), "3.0.0");
    // What a transform does for it is its own as well.
    let by_transform = rollout.route(Caller::For(&pinned), Lasting::Once);
    assert_eq!(by_transform.unwrap().version(), "1.0.0");
    // It was never told to end.
    let hold = routed("crm").service().hold("acme/crm");
    assert!(
        timeout(Duration::from_secs(10_000), hold.over())
            .await
            .is_err()
    );
    let connection = pinned.clone();
    rollout.steer(&Step::Unpin { connection }).unwrap();
    assert_eq!(routed("crm").version(), "3.0.0");
    let connection = pinned;
    assert!(rollout.steer(&Step::Unpin { connection }).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_rollback_ends_a_trial_or_goes_to_the_version_before() {
    let rollout = two();
    let nothing = rollout.steer(&Step::Rollback).unwrap_err().to_string();
    assert!(nothing.contains("no version to go back to"), "{nothing}");
    rollout.steer(&Step::swap("2.0.0")).unwrap();
    rollout.steer(&Step::Rollback).unwrap();
    assert_eq!(calls(&rollout, 10, well), 0);
    rollout.steer(&swap_at_once("2.0.0")).unwrap();
    assert_eq!(calls(&rollout, 10, well), 10);
    rollout.steer(&Step::Rollback).unwrap();
    assert_eq!(calls(&rollout, 10, well), 0);
    assert_eq!(stand(&rollout, "2.0.0"), Stand::Staged);
    let unknown = rollout.steer(&Step::swap("4.0.0")).unwrap_err().to_string();
    assert!(
        unknown.contains("4.0.0") && unknown.contains("1.0.0, 2.0.0"),
        "{unknown}"
    );
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_replaced_version_have_time_to_end_and_no_more() {
    let rollout = two();
    let first = rollout.route(Caller::Anybody, Lasting::Once).unwrap();
    let hold = first.service().hold("acme/crm");
    rollout.steer(&swap_at_once("2.0.0")).unwrap();
    assert_eq!(rollout.status()[1].instances, 1);
    assert!(timeout(Duration::from_secs(29), hold.over()).await.is_err());
    timeout(Duration::from_secs(2), hold.over()).await.unwrap();
    // A rollback has it at work again.
    rollout.steer(&Step::Rollback).unwrap();
    assert!(
        timeout(Duration::from_secs(10_000), hold.over())
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn a_subscription_learns_that_it_is_to_go_elsewhere() {
    let rollout = Arc::new(two());
    let first = rollout
        .route(Caller::Anybody, Lasting::Subscription)
        .unwrap();
    let key = live("crm");
    let mut refused = None;
    {
        let moved = rollout.moved(&key, &first, &mut refused);
        tokio::pin!(moved);
        assert!(
            timeout(Duration::from_secs(1), moved.as_mut())
                .await
                .is_err()
        );
        rollout.steer(&Step::swap("2.0.0")).unwrap();
        timeout(Duration::from_secs(1), moved).await.unwrap();
    }
    // One that it could not go to is not offered again.
    refused = Some(
        rollout
            .route(Caller::Anybody, Lasting::Subscription)
            .unwrap(),
    );
    let moved = rollout.moved(&key, &first, &mut refused);
    assert!(timeout(Duration::from_secs(1), moved).await.is_err());
    rollout.steer(&Step::Rollback).unwrap();
    let moved = rollout.moved(&key, &first, &mut refused);
    assert!(timeout(Duration::from_secs(1), moved).await.is_err());
    rollout.steer(&Step::swap("2.0.0")).unwrap();
    let moved = rollout.moved(&key, &first, &mut refused);
    timeout(Duration::from_secs(1), moved).await.unwrap();
}
