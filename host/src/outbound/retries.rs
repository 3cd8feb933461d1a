//! When a webhook is sent again, and when an endpoint is left in peace.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderValue;
use tokio::time::Instant;

use crate::error::Error;

/// The pauses after each try, in seconds: the example of the Standard Webhooks
/// specification, three days in all.
const PAUSES_S: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// The most tries that an endpoint can say: a day apart, three months.
const MAX_TRIES: u32 = 100;

/// The longest pause that an endpoint can say or ask for.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);

/// The first and the longest rest of an endpoint that cannot keep up.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// The longest rest that an endpoint can ask for.
const LONGEST_ASKED_REST: Duration = Duration::from_hours(1);

/// How often something is sent, and with which pauses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retries {
    /// The pause after each try that failed; after more tries than there are pauses the
    /// last one is taken again. Up to a fifth more is added to each by chance, so that
    /// not everything comes back at one moment. At most a day each.
    pub pauses: Vec<Duration>,
    /// Tries in all, 1 to 100; after the last one it is given up.
    pub max_tries: u32,
}

impl Default for Retries {
    /// 10 tries within some three days: pauses of 5 s, 5 min, 30 min, 2 h, 5 h, 10 h,
    /// 14 h, 20 h and 24 h.
    fn default() -> Self {
        Self {
            pauses: PAUSES_S.map(Duration::from_secs).to_vec(),
            max_tries: PAUSES_S.len() as u32 + 1,
        }
    }
}

impl Retries {
    pub(super) fn check(&self) -> Result<(), Error> {
        if !(1..=MAX_TRIES).contains(&self.max_tries) {
            return Err(Error::Input(format!(
                "the webhook's tries must be 1 to {MAX_TRIES}"
            )));
        }
        if self.pauses.iter().any(|pause| *pause > LONGEST_PAUSE) {
            return Err(Error::Input(
                "the webhook's pauses between tries are at most a day each".to_owned(),
            ));
        }
        Ok(())
    }

    /// The pause after so many tries have failed; `None` after the last. `random` is any
    /// number.
    pub(super) fn pause(&self, tries: u32, random: u64) -> Option<Duration> {
        if tries >= self.max_tries {
            return None;
        }
        let at = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
        let pause = self.pauses.get(at).or(self.pauses.last());
        Some(with_jitter(pause.copied().unwrap_or_default(), random))
    }
}

/// Up to a fifth more.
fn with_jitter(pause: Duration, random: u64) -> Duration {
    let fifth_ms = u64::try_from(pause.as_millis() / 5).unwrap_or(0);
    pause + Duration::from_millis(random % (fifth_ms + 1))
}

/// The pause that a `Retry-After` asks for, at most a day: seconds, or a moment.
pub(super) fn asked_pause(value: &HeaderValue, now: SystemTime) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let pause = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let moment = httpdate::parse_http_date(text).ok()?;
            moment.duration_since(now).unwrap_or_default()
        }
    };
    Some(pause.min(LONGEST_PAUSE))
}

/// Leaves an endpoint in peace that cannot be reached or cannot keep up. Otherwise all
/// that waits would be tried against it, and used up in vain.
#[derive(Debug, Default)]
pub(super) struct Rest {
    faults: u32,
    until: Option<Instant>,
}

impl Rest {
    /// When the rest ends; `None` if there is none now.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until.filter(|until| Instant::now() < *until)
    }

    /// How many requests may be under way, where otherwise `most` may: one after a rest,
    /// to see whether it goes again.
    pub(super) fn room(&self, most: usize) -> usize {
        match (self.until(), self.faults) {
            (Some(_), _) => 0,
            (None, 0) => most,
            (None, _) => 1,
        }
    }

    /// Something was taken.
    pub(super) fn went_well(&mut self) {
        *self = Self::default();
    }

    /// It could not be reached, or asked for a pause. What was sent before a rest began
    /// says nothing new. `random` is any number.
    pub(super) fn fault(&mut self, asked: Option<Duration>, random: u64) {
        if self.until().is_some() {
            return;
        }
        let doubled = FIRST_REST.saturating_mul(1_u32.checked_shl(self.faults).unwrap_or(u32::MAX));
        let rest = with_jitter(doubled.min(LONGEST_REST), random);
        let asked = asked.unwrap_or_default().min(LONGEST_ASKED_REST);
        self.until = Some(Instant::now() + rest.max(asked));
        self.faults = self.faults.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn pauses_are_those_of_the_specification_and_after_ten_tries_it_is_given_up() {
        let retries = Retries::default();
        let pauses: Vec<u64> = (1..10)
            .map(|tries| retries.pause(tries, 0).unwrap().as_secs())
            .collect();
        assert_eq!(pauses, PAUSES_S);
        assert_eq!(pauses.iter().sum::<u64>(), 75 * 3_600 + 35 * 60 + 5);
        assert_eq!(retries.pause(10, 0), None);
        assert_eq!(retries.pause(11, 0), None);
        let many = Retries {
            max_tries: 12,
            ..Retries::default()
        };
        assert_eq!(many.pause(11, 0), Some(Duration::from_hours(24)));
        assert_eq!(many.pause(12, 0), None);
    }

    #[test]
    fn a_pause_is_never_shorter_and_at_most_a_fifth_longer() {
        let retries = Retries::default();
        for random in [0, 1, 999, 1_000, 1_001, 77_777, u64::MAX] {
            let pause = retries.pause(1, random).unwrap();
            let range = Duration::from_secs(5)..=Duration::from_secs(6);
            assert!(range.contains(&pause), "{pause:?}");
        }
        let longest = retries.pause(1, 1_000).unwrap();
        assert_eq!(longest, Duration::from_secs(6));
    }

    #[test]
    fn a_pause_that_is_asked_for_is_seconds_or_a_moment_and_at_most_a_day() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let asked = |text: &str| asked_pause(&text.parse().unwrap(), now).map(|p| p.as_secs());
        assert_eq!(asked("120"), Some(120));
        assert_eq!(asked("Sun, 06 Nov 1994 08:51:37 GMT"), Some(120));
        assert_eq!(asked("Sun, 06 Nov 1994 08:40:00 GMT"), Some(0));
        assert_eq!(asked("999999999"), Some(86_400));
        for nonsense in ["", "soon", "-1", "1.5"] {
            assert_eq!(asked(nonsense), None, "{nonsense}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_rests_longer_with_each_fault_and_then_gets_one_request_first() {
        let mut rest = Rest::default();
        assert_eq!(rest.room(8), 8);
        let mut rests = Vec::new();
        for _ in 0..9 {
            let begun = Instant::now();
            rest.fault(None, 0);
            // Sent before the rest began.
            rest.fault(None, 0);
            assert_eq!(rest.room(8), 0);
            tokio::time::sleep_until(rest.until().unwrap()).await;
            assert_eq!((rest.until(), rest.room(8)), (None, 1));
            rests.push(begun.elapsed().as_secs());
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        rest.went_well();
        assert_eq!(rest.room(8), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_that_is_asked_for_is_kept_up_to_an_hour() {
        for (asked_s, kept_s) in [(0, 1), (90, 90), (86_400, 3_600)] {
            let (mut rest, begun) = (Rest::default(), Instant::now());
            rest.fault(Some(Duration::from_secs(asked_s)), 0);
            let until = rest.until().unwrap();
            assert_eq!((until - begun).as_secs(), kept_s, "{asked_s}");
        }
    }
}
