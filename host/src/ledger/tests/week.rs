//! A week of an org that others use as well, at paused time: our share is kept,
//! jobs of every priority end, and people do not wait for them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use super::property::Random;
use super::*;

/// What the operator lets us use of 10,000 calls a day.
const LIMIT: u64 = 10_000;
const SHARE: Reserve = Reserve {
    max_share_percent: Some(80),
    keep_calls: None,
    sync_leaves_percent: None,
    backfill_leaves_percent: None,
};
const USABLE: u64 = 8_000;

/// How old the product's count may be, in milliseconds.
const LAG_MS: u64 = 4 * MINUTE_MS;

/// A product that sells calls by the day.
struct Product {
    clock: Clock,
    random: Random,
    ours: VecDeque<u64>,
    others: VecDeque<u64>,
    /// The count that it tells, and when it counted.
    told: (u64, u64),
    /// When the latest of what has reached us was counted.
    known_ms: u64,
    most_ours: u64,
    /// Calls that we sent although the share was used up, as we could know.
    over: u64,
    refused: u64,
}

impl Product {
    fn new(clock: Clock, seed: u64) -> Self {
        Self {
            clock,
            random: Random(seed),
            ours: VecDeque::new(),
            others: VecDeque::new(),
            told: (0, 0),
            known_ms: 0,
            most_ours: 0,
            over: 0,
            refused: 0,
        }
    }

    fn used(&mut self) -> u64 {
        let now_ms = self.clock.now_ms();
        for calls in [&mut self.ours, &mut self.others] {
            while calls.front().is_some_and(|at| at + DAY_MS <= now_ms) {
                calls.pop_front();
            }
        }
        (self.ours.len() + self.others.len()) as u64
    }

    /// Somebody else's call.
    fn call_of_others(&mut self) {
        if self.used() < LIMIT {
            self.others.push_back(self.clock.now_ms());
        }
    }

    /// Our call: the header of its answer with the time of its count, or the
    /// refusal.
    fn call(&mut self) -> Result<(String, u64), ()> {
        let (now_ms, used) = (self.clock.now_ms(), self.used());
        if used >= LIMIT {
            self.refused += 1;
            return Err(());
        }
        let unknown = self
            .others
            .iter()
            .rev()
            .take_while(|at| **at > self.known_ms);
        let known = used - unknown.count() as u64;
        self.over += u64::from(known >= USABLE);
        self.ours.push_back(now_ms);
        self.most_ours = self.most_ours.max(self.ours.len() as u64);
        if now_ms >= self.told.1 + self.random.below(LAG_MS) {
            self.told = (used + 1, now_ms);
        }
        Ok((format!("api-usage={}/{LIMIT}", self.told.0), self.told.1))
    }
}

/// Everybody's view of a week.
#[derive(Clone)]
struct Org {
    product: Arc<Mutex<Product>>,
    quota: Quota,
    begun: Instant,
}

impl Org {
    fn new(seed: u64) -> Self {
        println!("seed {seed:#x}");
        let clock = paused_clock();
        let quota = Quota::new(&manifest(), SHARE, clock.clone());
        // The first answer, of a login: nothing is known before it.
        quota.observe(&format!("api-usage=0/{LIMIT}"));
        Self {
            product: Arc::new(Mutex::new(Product::new(clock, seed))),
            quota,
            begun: Instant::now(),
        }
    }

    fn product(&self) -> MutexGuard<'_, Product> {
        self.product.lock().unwrap()
    }

    fn random(&self, end: u64) -> u64 {
        self.product().random.below(end)
    }

    /// Sends one call that the ledger has given; false if the product refused it.
    async fn send(&self, quota: &Quota) -> bool {
        let answer = self.product().call();
        tokio::time::sleep(Duration::from_millis(100 + self.random(400))).await;
        match answer {
            Ok((header, counted_ms)) => {
                let mut product = self.product();
                product.known_ms = product.known_ms.max(counted_ms);
                quota.observe(&header)
            }
            Err(()) => {
                quota.exhausted();
                false
            }
        }
    }

    /// Makes so many calls, one after the other, and waits as long as it takes.
    async fn read(&self, priority: Priority, calls: u64) -> Duration {
        let quota = self.quota.at(priority);
        let mut left = calls;
        while left > 0 {
            quota
                .take(1, Duration::from_millis(2 * DAY_MS))
                .await
                .unwrap();
            left -= u64::from(self.send(&quota).await);
        }
        self.begun.elapsed()
    }

    /// The same by sets of 40 that are set aside.
    async fn write(&self, priority: Priority, calls: u64) -> Duration {
        let quota = self.quota.at(priority);
        let mut left = calls;
        while left > 0 {
            let set = left.min(40) as u32;
            let mut aside = quota
                .reserve(set, Duration::from_millis(2 * DAY_MS))
                .await
                .unwrap();
            while aside.remaining() > 0 && aside.spend().is_ok() {
                left -= u64::from(self.send(&quota).await);
            }
        }
        self.begun.elapsed()
    }

    /// Somebody asks something every few minutes for a week; gives when those
    /// came who were not served at once, and how long they waited.
    async fn people(&self) -> Vec<(Duration, Duration)> {
        let mut waited = Vec::new();
        while self.begun.elapsed() < WEEK {
            tokio::time::sleep(Duration::from_millis(self.random(8 * MINUTE_MS))).await;
            let came = self.begun.elapsed();
            self.quota
                .take(1, Duration::from_millis(2 * DAY_MS))
                .await
                .unwrap();
            let wait = self.begun.elapsed() - came;
            if !wait.is_zero() {
                waited.push((came, wait));
            }
            self.send(&self.quota).await;
        }
        waited
    }

    /// A run every half hour for a week; gives the longest that one took.
    async fn sync(&self) -> Duration {
        let mut longest = Duration::ZERO;
        while self.begun.elapsed() < WEEK {
            let came = self.begun.elapsed();
            let calls = 5 + self.random(10);
            let done = self.read(Priority::Sync, calls).await;
            longest = longest.max(done - came);
            tokio::time::sleep(Duration::from_secs(1_800)).await;
        }
        longest
    }

    /// Other programs, in bursts: some 600 calls a day.
    async fn others(&self) {
        while self.begun.elapsed() < WEEK {
            tokio::time::sleep(Duration::from_millis(self.random(6 * HOUR_MS))).await;
            self.burst(self.random(150)).await;
        }
    }

    async fn burst(&self, calls: u64) {
        for _ in 0..calls {
            self.product().call_of_others();
            tokio::time::sleep(Duration::from_millis(self.random(500))).await;
        }
    }
}

/// How many calls too many we may make: one each time when we have to ask whether
/// what we guess of others is right.
const OVER_BY_GUESS: u64 = 5;

const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600);

/// When somebody else takes all that there is.
const GREED: Duration = Duration::from_secs(3 * 24 * 3_600);

#[tokio::test(start_paused = true)]
async fn over_a_week_our_share_is_kept_all_jobs_end_and_people_do_not_wait() {
    for seed in [0x5eed, 0xdead_beef, 0x1234_5678_9abc_def1] {
        let org = Org::new(seed);
        let (waited, longest, _, read, written) = tokio::join!(
            org.people(),
            org.sync(),
            org.others(),
            org.read(Priority::Backfill, 10_000),
            org.write(Priority::Backfill, 10_000),
        );
        let product = org.product();
        assert!(product.most_ours <= USABLE);
        assert!(product.over <= OVER_BY_GUESS, "{}", product.over);
        assert!(waited.is_empty(), "{waited:?}");
        assert!(longest < Duration::from_secs(3_600), "{longest:?}");
        assert!(read < WEEK && written < WEEK, "{read:?} {written:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn when_others_take_all_ours_wait_and_go_on_and_people_go_first() {
    for seed in [0x5eed, 0xdead_beef, 0x1234_5678_9abc_def1] {
        let org = Org::new(seed);
        let greedy = async {
            tokio::time::sleep(GREED).await;
            org.burst(LIMIT).await;
        };
        let (waited, _, _, _, read, written) = tokio::join!(
            org.people(),
            org.sync(),
            org.others(),
            greedy,
            org.read(Priority::Backfill, 8_000),
            org.write(Priority::Backfill, 8_000),
        );
        let product = org.product();
        assert!(product.most_ours <= USABLE);
        assert!(product.over <= OVER_BY_GUESS, "{}", product.over);
        let day = Duration::from_millis(DAY_MS + HOUR_MS);
        for (came, wait) in &waited {
            assert!(
                *came >= GREED && *came + *wait <= GREED + day,
                "{came:?} {wait:?}"
            );
        }
        assert!(!waited.is_empty(), "there was nothing left for a time");
        assert!(read < WEEK && written < WEEK, "{read:?} {written:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_forecast_comes_true_if_nobody_else_calls() {
    for seed in [0x5eed, 0xdead_beef] {
        let org = Org::new(seed);
        // Part of the day's calls have been made before, at two times.
        org.read(Priority::Interactive, 2_000).await;
        tokio::time::sleep(Duration::from_millis(5 * HOUR_MS)).await;
        org.read(Priority::Interactive, 1_000).await;
        for (priority, calls) in [(Priority::Backfill, 15_000), (Priority::Sync, 9_000)] {
            let forecast = org.quota.at(priority).forecast(calls).done_in.unwrap();
            let came = org.begun.elapsed();
            let took = org.read(priority, calls).await - came;
            // Calls take their time, which the budget knows nothing of.
            let sending = Duration::from_millis(calls * 300);
            assert!(
                took + Duration::from_secs(600) >= forecast,
                "{took:?} {forecast:?}"
            );
            assert!(
                took <= forecast + sending + Duration::from_secs(600),
                "{took:?} {forecast:?}"
            );
        }
    }
}
