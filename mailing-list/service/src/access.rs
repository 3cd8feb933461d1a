//! Who may call, and how often: tokens by the client credentials grant, calls counted
//! over an hour, and a list of what was asked.

use std::collections::{HashMap, VecDeque};

use anyhow::Context as _;

use crate::Config;
use crate::moment::now_ms;
use crate::refusal::Refusal;

/// The window in which calls are counted, in milliseconds.
const WINDOW_MS: u64 = 60 * 60 * 1000;

/// Requests that are remembered.
const MAX_LOGGED: usize = 10_000;

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
}

/// Tokens and counts.
pub(crate) struct Access {
    config: Config,
    /// Until when each token is good, in milliseconds since 1970.
    tokens: HashMap<String, u64>,
    calls: VecDeque<u64>,
    call_count: u64,
    logged: VecDeque<Logged>,
}

impl Access {
    pub(crate) fn new(config: Config) -> anyhow::Result<Self> {
        // Asked once here, so that a machine without random numbers is told at the start.
        random_token().context("the system gives no random numbers")?;
        Ok(Self {
            config,
            tokens: HashMap::new(),
            calls: VecDeque::new(),
            call_count: 0,
            logged: VecDeque::new(),
        })
    }

    /// A new token for a client that knows its secret; `None` if it does not.
    pub(crate) fn grant(&mut self, client_id: &str, client_secret: &str) -> Option<String> {
        let is_client =
            client_id == self.config.client_id && client_secret == self.config.client_secret;
        if !is_client {
            return None;
        }
        let now = now_ms();
        self.tokens.retain(|_, until| *until > now);
        let token = random_token().ok()?;
        let until = now + self.config.token_lifetime_s * 1_000;
        self.tokens.insert(token.clone(), until);
        Some(token)
    }

    pub(crate) const fn token_lifetime_s(&self) -> u64 {
        self.config.token_lifetime_s
    }

    /// The client with this token.
    pub(crate) fn client(&self, token: &str) -> Result<String, Refusal> {
        match self.tokens.get(token) {
            Some(until) if *until > now_ms() => Ok(self.config.client_id.clone()),
            _ => Err(Refusal::new(
                401,
                "token_expired",
                "the token is not good, or no longer: ask for another one",
            )),
        }
    }

    /// Counts a call; a refusal says in how many seconds one is free.
    pub(crate) fn count(&mut self) -> Result<(), u64> {
        let now = now_ms();
        while self.calls.front().is_some_and(|at| at + WINDOW_MS <= now) {
            self.calls.pop_front();
        }
        if self.used() >= self.config.calls_an_hour {
            let oldest = self.calls.front().copied().unwrap_or(now);
            return Err((oldest + WINDOW_MS).saturating_sub(now).div_ceil(1_000));
        }
        self.calls.push_back(now);
        self.call_count += 1;
        Ok(())
    }

    pub(crate) const fn call_count(&self) -> u64 {
        self.call_count
    }

    fn used(&self) -> u64 {
        u64::try_from(self.calls.len()).unwrap_or(u64::MAX)
    }

    /// What the header `x-rate-limit` says: `calls=17/10000`.
    pub(crate) fn told(&self) -> String {
        format!("calls={}/{}", self.used(), self.config.calls_an_hour)
    }

    pub(crate) fn log(&mut self, logged: Logged) {
        if self.logged.len() == MAX_LOGGED {
            self.logged.pop_front();
        }
        self.logged.push_back(logged);
    }

    pub(crate) fn requests(&self) -> Vec<Logged> {
        self.logged.iter().cloned().collect()
    }

    pub(crate) fn end_tokens(&mut self) {
        self.tokens.clear();
    }

    pub(crate) const fn limit_calls(&mut self, calls_an_hour: u64) {
        self.config.calls_an_hour = calls_an_hour;
    }
}

/// 32 random bytes in hexadecimal.
fn random_token() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
