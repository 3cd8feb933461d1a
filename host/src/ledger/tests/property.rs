//! Days of random events against the one promise that costs money.

use super::*;

/// xorshift64*: enough to stir a test, and the same on every machine.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}

/// Days of calls, reservations, lagging and overtaking answers in random order:
/// what was really sent in any window never exceeds the operator's share.
#[test]
fn whatever_happens_in_whatever_order_our_share_is_never_exceeded() {
    for seed in [1, 0x5eed, 0xdead_beef, 0x1234_5678_9abc_def1] {
        println!("seed {seed:#x}");
        let mut random = Random(seed);
        let limit = 200 + random.below(2_000);
        let reserve = Reserve {
            max_share_percent: Some(50 + random.below(51) as u8),
            keep_calls: Some(random.below(50)),
            ..Reserve::default()
        };
        let (time, quota) = quota(&format!("api-usage=0/{limit}"), reserve);
        let share = reserve.usable(limit);
        let mut sent: std::collections::VecDeque<u64> = std::collections::VecDeque::new();
        let mut open: Vec<Reservation> = Vec::new();
        let mut most = 0;
        for _ in 0..60_000 {
            let now = time.load(Ordering::Relaxed);
            while sent.front().is_some_and(|at| at + DAY_MS <= now) {
                sent.pop_front();
            }
            match random.below(8) {
                0 | 1 => {
                    let calls = 1 + random.below(5);
                    if quota.try_take(calls as u32).is_ok() {
                        (0..calls).for_each(|_| sent.push_back(now));
                    }
                }
                2 => open.extend(quota.try_reserve(1 + random.below(30) as u32)),
                3 | 4 => {
                    if let Some(reserved) = open.first_mut()
                        && reserved.spend().is_ok()
                    {
                        sent.push_back(now);
                    }
                }
                5 if !open.is_empty() => {
                    let which = random.below(open.len() as u64) as usize;
                    drop(open.swap_remove(which));
                }
                6 => {
                    // The product has not counted the calls of up to 4 minutes.
                    let seen = now - random.below(4 * MINUTE_MS);
                    let used = sent.iter().filter(|at| **at <= seen).count();
                    quota.observe(&format!("api-usage={used}/{limit}"));
                }
                _ => {
                    time.fetch_add(random.below(2 * MINUTE_MS), Ordering::Relaxed);
                }
            }
            most = most.max(sent.len() as u64);
            assert!(sent.len() as u64 <= share, "seed {seed:#x}: {sent:?}");
        }
        assert!(
            most * 10 >= share * 9,
            "the share was put to use: {most} of {share}"
        );
    }
}
