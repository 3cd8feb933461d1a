//! Who is served when calls are scarce.

use super::*;

/// A budget at tokio's paused time of which the product has said this.
fn paused(said: &str) -> Quota {
    let quota = Quota::new(&manifest(), Reserve::default(), paused_clock());
    assert!(quota.observe(said));
    quota
}

#[test]
fn a_lower_priority_leaves_calls_to_higher_ones() {
    let (_, quota) = quota("api-usage=0/100", Reserve::default());
    let [interactive, sync, backfill] = Priority::ALL.map(|priority| quota.at(priority));
    for (quota, most) in [(&backfill, 70), (&sync, 90), (&interactive, 100)] {
        let budget = quota.status();
        assert_eq!(budget.available, Some(most - budget.used));
        assert_eq!(budget.kept, Some(100 - most));
        while quota.try_take(1).is_ok() {}
        assert_eq!(quota.status().used, most, "{}", quota.priority());
    }
    assert_eq!(
        backfill.try_reserve(71).unwrap_err(),
        QuotaError::TooMany { most: 70 }
    );
}

#[tokio::test(start_paused = true)]
async fn who_waits_at_a_higher_priority_is_served_first() {
    let quota = paused("api-usage=0/100");
    quota.try_take(60).unwrap();
    tokio::time::sleep(Duration::from_millis(HOUR_MS)).await;
    quota.try_take(40).unwrap();
    let served = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    // The lowest came first, and each wants half of what frees up at first.
    for priority in [Priority::Backfill, Priority::Sync, Priority::Interactive] {
        let (quota, served) = (quota.at(priority), Arc::clone(&served));
        waiting.push(tokio::spawn(async move {
            let longest = Duration::from_millis(2 * DAY_MS);
            quota.take(30, longest).await.unwrap();
            served.lock().unwrap().push(priority);
        }));
        tokio::task::yield_now().await;
    }
    for task in waiting {
        task.await.unwrap();
    }
    assert_eq!(*served.lock().unwrap(), Priority::ALL);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_many_is_not_overtaken_by_those_who_ask_for_few() {
    let quota = paused("api-usage=0/100");
    let held = quota.try_reserve(60).unwrap();
    let turn = quota.turn(50);
    let waiting = tokio::spawn(async move {
        let wait = turn.wait(Duration::from_secs(600), |_| {}).await;
        wait.and_then(|()| turn.try_reserve(50))
    });
    tokio::task::yield_now().await;
    assert_eq!(quota.status().available, Some(40));
    let few = quota.try_take(1).unwrap_err();
    assert!(matches!(few, QuotaError::Exhausted { .. }), "{few}");
    drop(held);
    // There is enough for both now.
    quota.try_take(1).unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().remaining(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_turn_takes_nothing_by_itself_and_goes_before_those_behind_it() {
    let quota = paused("api-usage=0/100");
    let backfill = quota.at(Priority::Backfill);
    let held = quota.try_reserve(100).unwrap();
    let turn = quota.turn(30);
    let mut told = Vec::new();
    let wait = turn.wait(Duration::from_secs(600), |wait| {
        told.push(wait);
    });
    let returned = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(held);
    };
    let (outcome, ()) = tokio::join!(wait, returned);
    outcome.unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(quota.status().used, 0);
    assert!(backfill.try_take(41).is_err(), "30 are spoken for");
    backfill.try_take(40).unwrap();
    turn.try_take(30).unwrap();
    drop(turn);
    assert_eq!(quota.status().available, Some(30));
}

#[tokio::test(start_paused = true)]
async fn a_place_for_which_nobody_comes_back_holds_up_nobody() {
    let quota = paused("api-usage=0/100");
    let held = quota.try_reserve(60).unwrap();
    let turn = quota.turn(80);
    let wait = turn.wait(Duration::from_secs(600), |_| {});
    let mut wait = std::pin::pin!(wait);
    // Polled once, and for long not again.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(wait.as_mut().poll(&mut context).is_pending());
    assert!(quota.at(Priority::Sync).try_take(1).is_err());
    tokio::time::sleep(Duration::from_secs(180)).await;
    quota.at(Priority::Sync).try_take(1).unwrap();
    drop(held);
    wait.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_woken_when_the_product_tells_of_more() {
    let quota = paused("api-usage=100/100");
    let turn = quota.turn(1);
    let begun = Instant::now();
    let wait = turn.wait(Duration::from_secs(90_000), |_| {});
    let told = async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        quota.observe("api-usage=100/200");
    };
    let (outcome, ()) = tokio::join!(wait, told);
    outcome.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(7));
}
