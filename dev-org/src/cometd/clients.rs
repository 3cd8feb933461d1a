//! CometD's clients between their requests: what each follows and from where,
//! and by when it has to come back.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::events::channel::Channel;
use crate::events::{Breaking, json};
use crate::state::Shared;

/// How long a client may stay away after a quiet connect, and how long a connect
/// waits for events.
pub(super) const QUIET_MS: i64 = 110_000;
/// How long it may stay away after one that brought events.
const BUSY_MS: i64 = 40_000;
/// Most events of one answer.
const MOST_EVENTS: usize = 100;

/// All clients by their ids.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    clients: Mutex<HashMap<String, Client>>,
}

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    /// The value of the cookie that it got with its id.
    pub(super) cookie: String,
    following: BTreeMap<String, Following>,
    /// When it is forgotten; never while it is connected.
    gone_at_ms: Option<i64>,
    /// Whether it has connected before: the first time it is answered at once.
    pub(super) is_known: bool,
    breaking: Breaking,
}

/// A channel and the replay number behind which a client goes on.
#[derive(Debug)]
struct Following {
    channel: Channel,
    position: u64,
}

/// What a look at a client's channels gave.
#[derive(Debug)]
pub(super) enum Look {
    /// Messages for it.
    Events(Vec<Value>),
    /// Nothing; a delayed event may come into sight at this time.
    Nothing { more_at_ms: i64 },
    /// There are events, and nobody may get any more of them today.
    LimitReached,
    /// The client is not there, or not any more.
    Unknown,
    /// Its connection is to be closed.
    Reset,
}

impl Clients {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Client>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new client: its id and its cookie.
    pub(super) fn greet(&self, shared: &Shared) -> (String, String) {
        let (id, cookie) = (crate::random::hex(14), crate::random::hex(16));
        let client = Client {
            cookie: cookie.clone(),
            following: BTreeMap::new(),
            gone_at_ms: Some(shared.clock.now_ms() + QUIET_MS),
            is_known: false,
            breaking: shared.events.open_stream(),
        };
        self.lock().insert(id.clone(), client);
        (id, cookie)
    }

    /// Does something with a client that is still there.
    pub(super) fn with<T>(
        &self,
        id: &str,
        now_ms: i64,
        work: impl FnOnce(&mut Client) -> T,
    ) -> Option<T> {
        let mut clients = self.lock();
        clients.retain(|_, client| client.gone_at_ms.is_none_or(|at_ms| now_ms < at_ms));
        clients.get_mut(id).map(work)
    }

    pub(super) fn forget(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Looks for events of a client. They count as delivered.
    pub(super) fn look(&self, shared: &Arc<Shared>, id: &str) -> Look {
        let now_ms = shared.clock.now_ms();
        let looked = self.with(id, now_ms, |client| {
            match shared.events.broken(&client.breaking) {
                Some(how) if how.reset => Look::Reset,
                Some(_) => Look::Unknown,
                None => client.read(shared, now_ms),
            }
        });
        let looked = looked.unwrap_or(Look::Unknown);
        if !matches!(looked, Look::Events(_) | Look::Nothing { .. }) {
            self.forget(id);
        }
        looked
    }
}

impl Client {
    /// Follows a channel from behind a replay number on.
    pub(super) fn follow(&mut self, name: &str, channel: Channel, position: u64) {
        let following = Following { channel, position };
        self.following.insert(name.to_owned(), following);
    }

    /// Follows a channel no longer.
    pub(super) fn leave(&mut self, name: &str) {
        self.following.remove(name);
    }

    /// It waits for events now.
    pub(super) fn connect(&mut self) {
        self.gone_at_ms = None;
        self.is_known = true;
    }

    /// It was answered and has to come back.
    pub(super) fn answered(&mut self, now_ms: i64, with_events: bool) {
        let away_ms = if with_events { BUSY_MS } else { QUIET_MS };
        self.gone_at_ms = Some(now_ms + away_ms);
    }

    fn read(&mut self, shared: &Shared, now_ms: i64) -> Look {
        let mut messages = Vec::new();
        let mut more_at_ms = i64::MAX;
        for (name, following) in &mut self.following {
            let left = shared.events.deliveries_left(now_ms);
            let most = self.breaking.at_most(MOST_EVENTS - messages.len());
            let most = most.min(left.max(1));
            let (channel, position) = (&following.channel, following.position);
            let read = shared.events.read(channel, position, most, now_ms);
            if left == 0 && !read.events.is_empty() {
                if messages.is_empty() {
                    return Look::LimitReached;
                }
                break;
            }
            following.position = read.position;
            shared.events.delivered(read.events.len(), now_ms);
            self.breaking.delivered(read.events.len());
            more_at_ms = more_at_ms.min(read.more_at_ms.unwrap_or(i64::MAX));
            for (number, event) in &read.events {
                messages.push(json!({ "channel": name, "data": json::data(event, *number) }));
            }
        }
        if messages.is_empty() {
            Look::Nothing { more_at_ms }
        } else {
            Look::Events(messages)
        }
    }
}
