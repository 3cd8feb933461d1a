//! The pause after the product said *too much at once*.

/// The first pause, in milliseconds.
const FIRST_MS: u64 = 1_000;

/// The longest pause, in milliseconds. Calls that are too many at once end
/// within minutes, so a longer one would only waste time.
const LONGEST_MS: u64 = 60_000;

/// After this long without another signal the next pause is the first again, in
/// milliseconds.
const QUIET_MS: u64 = 60_000;

/// Pauses that double, with jitter so that processes do not come back in step.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    steps: u32,
    until_ms: u64,
    pause_ms: u64,
}

impl Backoff {
    /// One more signal. Those that come while a pause lasts were sent before it
    /// and say nothing new. `random` is any number.
    pub(super) fn signal(&mut self, now_ms: u64, random: u64) {
        if self.left_ms(now_ms) > 0 {
            return;
        }
        if now_ms.saturating_sub(self.until_ms) > QUIET_MS {
            self.steps = 0;
        }
        let full = FIRST_MS
            .saturating_mul(1 << self.steps.min(16))
            .min(LONGEST_MS);
        self.pause_ms = full / 2 + random % (full / 2 + 1);
        self.until_ms = now_ms.saturating_add(self.pause_ms);
        self.steps += 1;
    }

    /// What is left of the pause; 0 if there is none.
    pub(super) fn left_ms(&mut self, now_ms: u64) -> u64 {
        // A clock that was set back must not make the pause longer.
        self.until_ms = self.until_ms.min(now_ms.saturating_add(LONGEST_MS));
        self.until_ms.saturating_sub(now_ms)
    }

    /// How long one caller should wait: what is left, and up to half a pause
    /// more, so that not all come back at the same moment. 0 if there is no
    /// pause.
    pub(super) fn wait_ms(&mut self, now_ms: u64, random: u64) -> u64 {
        match self.left_ms(now_ms) {
            0 => 0,
            left => left.saturating_add(random % (self.pause_ms / 2 + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_quiet_time() {
        let mut backoff = Backoff::default();
        let mut now = 1_000_000;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            // The most that jitter gives.
            backoff.signal(now, u64::MAX / 2);
            let left = backoff.left_ms(now);
            pauses.push(left);
            now += left;
        }
        for (step, pause) in pauses.iter().enumerate() {
            let full = (FIRST_MS << step).min(LONGEST_MS);
            assert!((full / 2..=full).contains(pause), "{pauses:?}");
        }
        now += QUIET_MS + 1;
        backoff.signal(now, 0);
        assert_eq!(backoff.left_ms(now), FIRST_MS / 2);
    }

    #[test]
    fn a_hundred_answers_to_calls_of_the_same_moment_are_one_signal() {
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            backoff.signal(5_000, 0);
        }
        assert_eq!(backoff.left_ms(5_000), FIRST_MS / 2);
        assert_eq!(backoff.steps, 1);
    }

    #[test]
    fn a_clock_set_back_does_not_make_a_pause_longer() {
        let mut backoff = Backoff::default();
        backoff.signal(1_000_000_000, 0);
        assert_eq!(backoff.left_ms(0), LONGEST_MS);
        assert_eq!(backoff.left_ms(LONGEST_MS), 0);
    }
}
