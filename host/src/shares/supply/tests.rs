//! Tenants at a supply: alone, beside hogs, with weights, going away.

use futures_util::FutureExt as _;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::shares::{Shares, TenantStatus, status};

const MS: Duration = Duration::from_millis(1);

fn supply(total: usize, of_one: usize) -> Arc<Supply> {
    Supply::new(Rules {
        total,
        of_one,
        of_one_alone: total,
    })
}

/// Asks once.
fn ask(claim: &mut Claim) -> Option<Held> {
    match claim.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(held) => Some(held),
        Poll::Pending => None,
    }
}

fn give_back(mut held: Held, took: Duration) {
    held.took(took);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_has_no_turn_on_every_core_while_another_is_there() {
    let supply = supply(2, 1);
    let mut hogs: Vec<Claim> = (0..3).map(|_| supply.claim("acme")).collect();
    let mut victim = supply.claim("globex");
    let first = ask(&mut hogs[0]).unwrap();
    assert!(ask(&mut hogs[1]).is_none() && ask(&mut hogs[2]).is_none());
    // However often the hogs are served, there is room for the other.
    let mut running = first;
    for next in [1, 2, 0, 1] {
        let served = ask(&mut victim).unwrap();
        give_back(running, 5 * MS);
        running = ask(&mut hogs[next]).unwrap();
        let again = (next + 2) % 3;
        assert!(ask(&mut hogs[again]).is_none());
        give_back(served, MS);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_alone_may_have_all_of_them() {
    let supply = supply(2, 1);
    let mut claims: Vec<Claim> = (0..2).map(|_| supply.claim("acme")).collect();
    let both: Vec<Held> = claims.iter_mut().filter_map(ask).collect();
    assert_eq!(both.len(), 2);
    drop(both);
    drop(supply.claim("globex"));
    // It was there just now, and its next call may come at any time.
    let one: Vec<Held> = claims.iter_mut().filter_map(ask).collect();
    assert_eq!(one.len(), 1);
    drop((one, claims));
    tokio::time::advance(2 * REMEMBERED).await;
    let mut claims: Vec<Claim> = (0..2).map(|_| supply.claim("acme")).collect();
    let both: Vec<Held> = claims.iter_mut().filter_map(ask).collect();
    assert_eq!(both.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn within_a_tenant_they_keep_their_order() {
    let supply = supply(1, 1);
    let mut claims: Vec<Claim> = (0..5).map(|_| supply.claim("acme")).collect();
    let mut held = ask(&mut claims[0]);
    for claim in &mut claims[1..] {
        assert!(ask(claim).is_none());
    }
    for next in 1..5 {
        give_back(held.take().unwrap(), MS);
        // Who asks again goes to the end, and whoever asks out of turn gets nothing.
        assert!(ask(&mut claims[next - 1]).is_none());
        for other in (1..5).rev().filter(|other| *other != next) {
            assert!(ask(&mut claims[other]).is_none(), "{other} before {next}");
        }
        held = ask(&mut claims[next]);
        assert!(held.is_some(), "{next}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_used_little_is_next_but_nobody_saves_up() {
    let supply = supply(1, 1);
    let (mut hog, mut modest) = (supply.claim("acme"), supply.claim("globex"));
    // Alone for long, which costs it nothing later.
    for _ in 0..100 {
        give_back(ask(&mut hog).unwrap(), 5 * MS);
    }
    let mut order = String::new();
    let mut held = ask(&mut hog).unwrap();
    for _ in 0..12 {
        let (a, b) = (ask(&mut hog), ask(&mut modest));
        assert!(a.is_none() && b.is_none());
        give_back(held, 5 * MS);
        held = match ask(&mut modest) {
            Some(mut held) => {
                held.took(MS);
                drop(held);
                order.push('m');
                ask(&mut hog).unwrap()
            }
            None => {
                order.push('h');
                ask(&mut hog).unwrap()
            }
        };
    }
    // One of 1 ms for each of 5 ms: whenever it asks, it is next.
    assert_eq!(order, "mmmmmmmmmmmm");
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_leaves_nothing_behind() {
    let supply = supply(1, 1);
    let mut first = supply.claim("acme");
    let held = ask(&mut first).unwrap();
    let mut waiting: Vec<Claim> = (0..4).map(|_| supply.claim("globex")).collect();
    assert!(waiting.iter_mut().all(|claim| ask(claim).is_none()));
    // One goes while it waits, one when it was promised its turn and has not come.
    drop(waiting.remove(1));
    drop(held);
    drop(waiting.remove(0));
    let served = ask(&mut waiting[0]).unwrap();
    drop(served);
    drop(waiting.remove(1));
    drop(ask(&mut waiting[0]).unwrap());
    drop((first, waiting));
    let state = supply.lock();
    assert_eq!(
        (state.held, state.in_line.len(), state.promised.len()),
        (0, 0, 0)
    );
    assert!(
        state
            .lines
            .values()
            .all(|line| line.held + line.claims == 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_comes_for_goes_to_the_next_and_its_place_is_kept() {
    let supply = supply(1, 1);
    let mut first = supply.claim("acme");
    let held = ask(&mut first).unwrap();
    let (mut lazy, mut next) = (supply.claim("acme"), supply.claim("globex"));
    assert!(ask(&mut lazy).is_none());
    let mut served = Box::pin(next.get());
    assert!(served.as_mut().now_or_never().is_none());
    // It was there first, is called, and does not come.
    give_back(held, Duration::ZERO);
    for _ in 1..GRACE_TICKS {
        supply.tick();
    }
    assert!(served.as_mut().now_or_never().is_none());
    supply.tick();
    let held = served.await;
    assert!(ask(&mut lazy).is_none());
    drop(held);
    drop(ask(&mut lazy).unwrap());
}

#[tokio::test(start_paused = true)]
async fn waiting_is_told_by_tenant() {
    let shares = Shares {
        running: 1,
        ..Shares::default()
    };
    let (turns, instances) = (shares.turns(), shares.instances());
    turns.weigh("globex", 3);
    let (mut one, mut other) = (turns.claim("acme"), turns.claim("globex"));
    let running = ask(&mut one);
    assert!(ask(&mut other).is_none());
    tokio::time::advance(MS).await;
    let mut claim = instances.claim("globex");
    let instance = ask(&mut claim);
    let told = status(&turns, &[&*instances]);
    let shown = |status: &TenantStatus| {
        let TenantStatus {
            running,
            ready,
            instances,
            waiting,
            ..
        } = status;
        (status.weight, [*running, *ready, *instances, *waiting])
    };
    let told: Vec<_> = told.iter().map(shown).collect();
    assert_eq!(told, [(1, [1, 0, 0, 0]), (3, [0, 1, 1, 0])]);
    drop((running, instance));
    assert!(ask(&mut other).is_some());
    assert_eq!(other.waited(), MS);
}

#[test]
fn a_share_of_nothing_is_told() {
    let shares = Shares {
        running_of_one: 0,
        ..Shares::default()
    };
    let problems = shares.problems();
    assert!(problems[0].contains("running_of_one"), "{problems:?}");
    assert!(Shares::default().problems().is_empty());
}

/// Tenants that always want more, each with a weight, turns of its own length and so many
/// guests. Gives what each was given in the end, after so many turns.
fn played(total: usize, tenants: &[(u32, u32, usize)], turns: usize) -> Vec<Duration> {
    let supply = supply(total, total);
    let mut claims = Vec::new();
    for (tenant, (weight, _, guests)) in tenants.iter().enumerate() {
        supply.weigh(&tenant.to_string(), *weight);
        claims.extend((0..*guests).map(|_| (tenant, supply.claim(&tenant.to_string()))));
    }
    let mut used = vec![Duration::ZERO; tenants.len()];
    let mut running: VecDeque<(usize, Held)> = VecDeque::new();
    for _ in 0..turns {
        for (tenant, claim) in &mut claims {
            if let Some(held) = ask(claim) {
                running.push_back((*tenant, held));
            }
        }
        // As on cores: what began first ends first.
        let (tenant, held) = running.pop_front().unwrap();
        let took = MS * tenants[tenant].1;
        used[tenant] += took;
        give_back(held, took);
    }
    used
}

proptest! {
    /// Time becomes that of the weights, whatever turns take and however many guests a
    /// tenant has, and never differs by more than ten of the longest turns: so nobody
    /// starves.
    #[test]
    fn shares_become_those_of_the_weights(
        tenants in vec((1_u32..8, 1_u32..6, 3_usize..6), 2..6),
        total in 1_usize..3,
    ) {
        let used = played(total, &tenants, 2_000);
        let all: Duration = used.iter().sum();
        let weights: u32 = tenants.iter().map(|tenant| tenant.0).sum();
        for (used, (weight, ..)) in used.into_iter().zip(&tenants) {
            let due = all * *weight / weights;
            prop_assert!(used.abs_diff(due) <= 50 * MS, "{used:?} of {due:?}: {tenants:?}");
        }
    }
}
