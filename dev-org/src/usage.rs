//! What the org's API limits are counted with: requests of the last 24 hours
//! and requests that are running now.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::rolling::Rolling;

/// A limit that has been reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// The daily requests are used up.
    Daily,
    /// Too many long-running requests are open.
    Concurrent,
}

impl Reached {
    /// The text by which callers tell the two apart: the code is the same.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Daily => "TotalRequests Limit exceeded.",
            Self::Concurrent => "ConcurrentPerOrgLongTxn Limit exceeded.",
        }
    }
}

/// The counters.
#[derive(Debug)]
pub(crate) struct Usage {
    pub(crate) max: u64,
    /// What the limit header says beside the daily requests.
    pub(crate) more_info: String,
    pub(crate) max_long: usize,
    long_ms: i64,
    requests: Rolling,
    /// Arrival of every running request by its ticket.
    running: BTreeMap<u64, i64>,
    last_ticket: u64,
}

impl Usage {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            max: config.edition.daily_requests(config.licences),
            more_info: String::new(),
            max_long: config.edition.concurrent_long_requests(),
            long_ms: i64::try_from(config.long_request_ms).unwrap_or(i64::MAX),
            requests: Rolling::default(),
            running: BTreeMap::new(),
            last_ticket: 0,
        }
    }

    /// Notes a request that starts; the ticket ends it.
    pub(crate) fn start(&mut self, now_ms: i64) -> u64 {
        self.last_ticket += 1;
        self.running.insert(self.last_ticket, now_ms);
        self.last_ticket
    }

    pub(crate) fn end(&mut self, ticket: u64) {
        self.running.remove(&ticket);
    }

    /// Takes one request from the limits, or says which one is reached.
    pub(crate) fn take(&mut self, now_ms: i64) -> Result<(), Reached> {
        if self.used(now_ms) >= self.max {
            return Err(Reached::Daily);
        }
        let long = self
            .running
            .values()
            .filter(|started| now_ms - **started >= self.long_ms)
            .count();
        if long >= self.max_long {
            return Err(Reached::Concurrent);
        }
        self.requests.add(now_ms, 1);
        Ok(())
    }

    /// Requests of the 24 hours before `now_ms`.
    pub(crate) fn used(&mut self, now_ms: i64) -> u64 {
        self.requests.used(now_ms)
    }

    /// Pretends that exactly this many requests were made, all of them now.
    pub(crate) fn set_used(&mut self, now_ms: i64, used: u64) {
        self.requests.set_used(now_ms, used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rolling::DAY_MS;

    #[test]
    fn the_daily_limit_frees_itself_after_24_hours() {
        let mut usage = Usage::new(&Config::default());
        usage.set_used(0, 15_000);
        assert_eq!(usage.take(1), Err(Reached::Daily));
        assert_eq!(usage.take(DAY_MS - 1), Err(Reached::Daily));
        assert_eq!(usage.take(DAY_MS), Ok(()));
        assert_eq!(usage.used(DAY_MS), 1);
    }

    #[test]
    fn only_requests_that_run_long_count_as_concurrent() {
        let mut usage = Usage::new(&Config::default());
        let tickets: Vec<u64> = (0..5).map(|_| usage.start(0)).collect();
        assert_eq!(usage.take(19_999), Ok(()));
        assert_eq!(usage.take(20_000), Err(Reached::Concurrent));
        usage.end(tickets[0]);
        assert_eq!(usage.take(20_000), Ok(()));
    }
}
