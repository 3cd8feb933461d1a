//! What a budget promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::manifest::QuotaManifest;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Some moment of 2027, not at the edge of a bucket.
const START_MS: u64 = 1_800_000_012_345;

fn manifest() -> QuotaManifest {
    QuotaManifest {
        header: "limit-info".to_owned(),
        entry: "api-usage".to_owned(),
        window_s: 86_400,
        free_paths: Vec::new(),
    }
}

/// A clock that a test sets by hand.
fn hand_clock() -> (Arc<AtomicU64>, Clock) {
    let time = Arc::new(AtomicU64::new(START_MS));
    let read = Arc::clone(&time);
    (time, Clock::new(move || read.load(Ordering::Relaxed)))
}

/// A clock that goes with tokio's paused time.
fn paused_clock() -> Clock {
    let begun = Instant::now();
    Clock::new(move || START_MS + u64::try_from(begun.elapsed().as_millis()).unwrap())
}

fn keep(calls: u64) -> Reserve {
    Reserve {
        keep_calls: Some(calls),
        ..Reserve::default()
    }
}

/// A budget of which the product has said this.
fn quota(said: &str, reserve: Reserve) -> (Arc<AtomicU64>, Quota) {
    let (time, clock) = hand_clock();
    let quota = Quota::new(&manifest(), reserve, clock);
    assert!(quota.observe(said));
    (time, quota)
}

fn wait_ms<T: std::fmt::Debug>(result: Result<T, QuotaError>) -> u64 {
    let wait = result.unwrap_err().wait().unwrap();
    u64::try_from(wait.as_millis()).unwrap()
}

#[test]
fn without_a_known_limit_calls_are_given_and_counted() {
    let quota = Quota::new(&manifest(), keep(100), hand_clock().1);
    quota.try_take(1_000_000).unwrap();
    let expected = Budget {
        limit: None,
        used: 1_000_000,
        kept: None,
        available: None,
        window_ms: DAY_MS,
    };
    assert_eq!(quota.status(), expected);
}

#[test]
fn calls_are_given_up_to_the_operators_reserve_and_no_further() {
    let (_, quota) = quota("api-usage=60/100", keep(30));
    assert_eq!(quota.status().available, Some(10));
    quota.try_take(7).unwrap();
    assert!(quota.try_take(4).is_err(), "all or none");
    quota.try_take(3).unwrap();
    assert!(quota.try_take(1).is_err());
    quota.set_reserve(keep(29));
    quota.try_take(1).unwrap();
    assert_eq!(quota.status().used, 71);
}

#[test]
fn more_than_the_budget_ever_holds_is_refused_for_good() {
    let (_, quota) = quota("api-usage=0/100", keep(30));
    let error = quota.try_take(71).unwrap_err();
    assert_eq!(error, QuotaError::TooMany { most: 70 });
    assert_eq!(quota.expected_wait(71), None);
    assert_eq!(quota.expected_wait(70), Some(Duration::ZERO));
}

#[test]
fn calls_free_up_when_they_have_left_the_window_and_the_wait_says_when() {
    let (time, quota) = quota("api-usage=0/100", Reserve::default());
    quota.try_take(40).unwrap();
    time.fetch_add(6 * HOUR_MS, Ordering::Relaxed);
    quota.try_take(60).unwrap();
    let wait = wait_ms(quota.try_take(40));
    let exact = 18 * HOUR_MS;
    assert!((exact..=exact + 5 * MINUTE_MS).contains(&wait), "{wait}");
    let wait_for_more = wait_ms(quota.try_take(41));
    assert!(wait_for_more > 23 * HOUR_MS, "{wait_for_more}");
    time.fetch_add(wait - 1, Ordering::Relaxed);
    assert_eq!(wait_ms(quota.try_take(40)), 1);
    time.fetch_add(1, Ordering::Relaxed);
    quota.try_take(40).unwrap();
    assert!(quota.try_take(1).is_err());
}

#[test]
fn calls_of_others_count_and_free_up_evenly_over_the_time_in_which_they_were_made() {
    let (time, quota) = quota("api-usage=28800/100000", Reserve::default());
    assert_eq!(quota.status().used, 28_800);
    time.fetch_add(12 * HOUR_MS, Ordering::Relaxed);
    let used = quota.status().used;
    assert!((14_300..=14_600).contains(&used), "{used}");
    quota.observe("api-usage=28800/100000");
    assert_eq!(quota.status().used, 28_800);
}

#[test]
fn a_number_that_lags_never_hides_what_we_have_just_sent() {
    let (time, quota) = quota("api-usage=891/15000", Reserve::default());
    for sent in 1..=50 {
        quota.try_take(1).unwrap();
        quota.observe("api-usage=891/15000");
        assert_eq!(quota.status().used, 891 + sent);
        time.fetch_add(1_000, Ordering::Relaxed);
    }
    // It rises, but by less than we sent: the rest may still be missing.
    quota.observe("api-usage=900/15000");
    assert_eq!(quota.status().used, 941);
    // Much later it rises again: by now it has counted all of ours.
    time.fetch_add(20 * MINUTE_MS, Ordering::Relaxed);
    quota.observe("api-usage=910/15000");
    assert_eq!(quota.status().used, 910);
}

#[test]
fn answers_that_overtake_each_other_do_not_lower_the_count() {
    let (_, quota) = quota("api-usage=100/1000", Reserve::default());
    quota.try_take(8).unwrap();
    for said in [103, 101, 108, 102, 107] {
        quota.observe(&format!("api-usage={said}/1000"));
        assert_eq!(quota.status().used, 108);
    }
}

#[test]
fn a_lower_number_counts_once_all_that_we_sent_must_be_in_it() {
    let (time, quota) = quota("api-usage=5000/15000", Reserve::default());
    time.fetch_add(HOUR_MS, Ordering::Relaxed);
    quota.observe("api-usage=3000/15000");
    assert_eq!(quota.status().used, 3_000);
}

#[test]
fn a_new_limit_counts_at_once() {
    let (_, quota) = quota("api-usage=100/100", Reserve::default());
    assert!(quota.try_take(1).is_err());
    quota.observe("api-usage=100/200");
    quota.try_take(100).unwrap();
    assert!(quota.try_take(1).is_err());
}

#[test]
fn what_is_reserved_is_there_for_nobody_else_and_what_is_left_returns() {
    let (_, quota) = quota("api-usage=0/100", Reserve::default());
    let mut first = quota.try_reserve(60).unwrap();
    let second = quota.try_reserve(30).unwrap();
    assert_eq!(quota.status().available, Some(10));
    assert!(quota.try_reserve(11).is_err());
    for _ in 0..20 {
        first.spend().unwrap();
    }
    assert_eq!((first.remaining(), quota.status().used), (40, 20));
    assert_eq!(first.commit(), 40);
    assert_eq!(quota.status().available, Some(50));
    drop(second);
    assert_eq!(quota.status().available, Some(80));
    let mut small = quota.try_reserve(1).unwrap();
    small.spend().unwrap();
    assert_eq!(small.spend(), Err(QuotaError::TooMany { most: 0 }));
}

#[test]
fn when_the_product_says_exhausted_calls_are_parked_until_some_free_up() {
    let (time, quota) = quota("api-usage=0/100", Reserve::default());
    quota.try_take(10).unwrap();
    time.fetch_add(23 * HOUR_MS + 30 * MINUTE_MS, Ordering::Relaxed);
    let mut reserved = quota.try_reserve(1).unwrap();
    let wait = quota.exhausted();
    assert!(wait <= Duration::from_secs(3_600) && wait >= Duration::from_secs(60));
    assert_eq!(quota.status().used, 100, "others have used the rest");
    assert!(quota.try_take(1).is_err());
    assert!(matches!(
        reserved.spend(),
        Err(QuotaError::Exhausted { .. })
    ));
    drop(reserved);
    time.fetch_add(35 * MINUTE_MS, Ordering::Relaxed);
    quota.try_take(1).unwrap();
}

#[test]
fn exhausted_parks_for_a_while_even_if_nothing_is_known_of_the_budget() {
    let (time, clock) = hand_clock();
    let quota = Quota::new(&manifest(), Reserve::default(), clock);
    let wait = u64::try_from(quota.exhausted().as_millis()).unwrap();
    assert_eq!(wait_ms(quota.try_take(1)), wait);
    time.fetch_add(wait, Ordering::Relaxed);
    quota.try_take(1).unwrap();
}

#[test]
fn a_clock_set_back_by_years_locks_nothing_for_years() {
    let (time, quota) = quota("api-usage=0/100", Reserve::default());
    quota.try_take(100).unwrap();
    quota.exhausted();
    time.store(START_MS - 1_000 * DAY_MS, Ordering::Relaxed);
    let wait = wait_ms(quota.try_take(1));
    assert!(wait <= DAY_MS + 5 * MINUTE_MS, "{wait}");
    time.fetch_add(DAY_MS + 5 * MINUTE_MS, Ordering::Relaxed);
    quota.try_take(1).unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_calls_when_they_free_up_and_not_before() {
    let quota = Quota::new(&manifest(), Reserve::default(), paused_clock());
    quota.observe("api-usage=0/10");
    quota.try_take(10).unwrap();
    let begun = Instant::now();
    let soon = quota.take(1, Duration::from_secs(3_600)).await;
    assert!(matches!(soon, Err(QuotaError::Exhausted { .. })));
    assert_eq!(begun.elapsed(), Duration::ZERO, "no use in waiting");
    quota.take(1, Duration::from_secs(90_000)).await.unwrap();
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(DAY_MS), "{waited:?}");
    assert!(
        waited <= Duration::from_millis(DAY_MS + 5 * MINUTE_MS),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_woken_when_a_reservation_ends() {
    let quota = Quota::new(&manifest(), Reserve::default(), paused_clock());
    quota.observe("api-usage=0/10");
    let reserved = quota.try_reserve(10).unwrap();
    let waiting = tokio::spawn({
        let quota = quota.clone();
        async move { quota.reserve(5, Duration::from_secs(60)).await }
    });
    tokio::task::yield_now().await;
    let begun = Instant::now();
    assert_eq!(reserved.commit(), 10);
    assert_eq!(waiting.await.unwrap().unwrap().remaining(), 5);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let held = quota.try_reserve(10).unwrap();
    let begun = Instant::now();
    assert!(quota.take(1, Duration::from_secs(60)).await.is_err());
    assert_eq!(begun.elapsed(), Duration::from_secs(60));
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn too_many_at_once_makes_everybody_pause_and_not_return_in_step() {
    let quota = Quota::new(&manifest(), Reserve::default(), paused_clock());
    quota.observe("api-usage=0/1000");
    let mut reserved = quota.try_reserve(1).unwrap();
    let pause = quota.too_many_at_once();
    assert!(pause >= Duration::from_millis(500) && pause <= Duration::from_millis(1_500));
    assert!(matches!(
        reserved.spend(),
        Err(QuotaError::BackingOff { .. })
    ));
    let begun = Instant::now();
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let quota = quota.clone();
            tokio::spawn(async move {
                quota.take(1, Duration::from_secs(10)).await.unwrap();
                begun.elapsed()
            })
        })
        .collect();
    let mut returned = std::collections::BTreeSet::new();
    for caller in callers {
        returned.insert(caller.await.unwrap());
    }
    let first = *returned.first().unwrap();
    assert!(first >= Duration::from_millis(500), "{first:?}");
    assert!(returned.len() > 10, "{returned:?}");
    quota.ready(Duration::from_secs(10)).await.unwrap();
    reserved.spend().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_a_time_never_get_more_than_there_is() {
    let (_, quota) = quota("api-usage=0/1000", keep(100));
    let takers: Vec<_> = (0..16u32)
        .map(|number| {
            let quota = quota.clone();
            tokio::spawn(async move {
                let mut got = 0;
                for _ in 0..200 {
                    if number % 2 == 0 {
                        got += u32::from(quota.try_take(1).is_ok());
                    } else if let Ok(mut reserved) = quota.try_reserve(3) {
                        got += u32::from(reserved.spend().is_ok());
                    }
                    tokio::task::yield_now().await;
                }
                got
            })
        })
        .collect();
    let mut got = 0;
    for taker in takers {
        got += taker.await.unwrap();
    }
    while quota.try_take(1).is_ok() {
        got += 1;
    }
    assert_eq!(got, 900);
    assert_eq!(quota.status().available, Some(0));
}

mod priorities;
mod property;
mod week;
