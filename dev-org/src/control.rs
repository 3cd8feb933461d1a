//! The switches that tests turn, in process. The HTTP control API is a thin
//! skin over this type, so both can do the same.

use std::sync::Arc;

use crate::bulk_control::BulkControl;
use crate::event_control::EventControl;
use crate::faults::{ActiveFault, FaultRule};
use crate::oauth::App;
use crate::org::Org;
use crate::outbound::{BadOutboundMessage, OutboundCounts, OutboundMessage};
use crate::request_log::LoggedRequest;
use crate::schema::SchemaError;
use crate::state::Shared;

/// Steers a running org. Clones steer the same one.
#[derive(Clone, Debug)]
pub struct Control {
    shared: Arc<Shared>,
}

/// How much of the daily quota is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Quota {
    /// Requests allowed in 24 hours.
    pub max: u64,
    /// Requests made in the last 24 hours.
    pub used: u64,
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The switches of bulk jobs.
    pub fn bulk(&self) -> BulkControl {
        BulkControl::new(Arc::clone(&self.shared))
    }

    /// The switches of events.
    pub fn events(&self) -> EventControl {
        EventControl::new(Arc::clone(&self.shared))
    }

    /// Adds objects and fields to the org while it runs, by a schema file's text.
    ///
    /// # Errors
    /// When the text cannot be used. Nothing is changed then.
    pub fn extend_schema(&self, toml: &str) -> Result<(), SchemaError> {
        self.shared.org_mut().extend(toml)
    }

    /// Sets up these outbound messages in the place of those before.
    ///
    /// # Errors
    /// When an object or a field is not there, or an endpoint is no `http://`
    /// address. Nothing is changed then.
    pub fn set_outbound_messages(
        &self,
        messages: Vec<OutboundMessage>,
    ) -> Result<(), BadOutboundMessage> {
        let mut org = self.shared.org_mut();
        self.shared.outbound.set(&mut org, messages)
    }

    /// The outbound messages that are set up.
    pub fn outbound_messages(&self) -> Vec<OutboundMessage> {
        self.shared.outbound.messages()
    }

    /// What became of the notifications of outbound messages.
    pub fn outbound_counts(&self) -> OutboundCounts {
        self.shared.outbound.counts(self.now_ms())
    }

    /// Waits until so many notifications wait for another try.
    pub async fn outbound_waiting(&self, notifications: usize) {
        let mut news = self.shared.events.listen();
        while self.outbound_counts().waiting != notifications && news.changed().await.is_ok() {}
    }

    /// Waits until every notification is acknowledged or given up.
    pub async fn outbound_settled(&self) {
        let mut news = self.shared.events.listen();
        while self.outbound_counts().pending > 0 && news.changed().await.is_ok() {}
    }

    /// Sets what is added to every answer.
    pub fn set_latency_ms(&self, latency_ms: u64) {
        self.shared.faults().latency_ms = latency_ms;
    }

    /// What is added to every answer.
    pub fn latency_ms(&self) -> u64 {
        self.shared.faults().latency_ms
    }

    /// Puts a fault in force and answers with its number.
    pub fn add_fault(&self, rule: FaultRule) -> u64 {
        self.shared.faults().add(rule)
    }

    /// Ends one fault; false when it was over already.
    pub fn remove_fault(&self, id: u64) -> bool {
        self.shared.faults().remove(id)
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.shared.faults().clear();
    }

    /// Faults in force.
    pub fn faults(&self) -> Vec<ActiveFault> {
        self.shared.faults().list()
    }

    /// Ends every session; the next request of each answers 401. Answers with
    /// how many there were.
    pub fn expire_sessions(&self) -> usize {
        self.shared.oauth().expire(None, None)
    }

    /// Ends the session of one access token.
    pub fn expire_session(&self, access_token: &str) -> bool {
        self.shared.oauth().expire(Some(access_token), None) > 0
    }

    /// Ends the sessions of one user.
    pub fn expire_sessions_of(&self, username: &str) -> usize {
        self.shared.oauth().expire(None, Some(username))
    }

    /// Makes one refresh token answer `invalid_grant`; sessions stay.
    pub fn kill_refresh_token(&self, refresh_token: &str) -> bool {
        self.shared.oauth().kill_refresh(Some(refresh_token), None) > 0
    }

    /// Makes every refresh token answer `invalid_grant`.
    pub fn kill_refresh_tokens(&self) -> usize {
        self.shared.oauth().kill_refresh(None, None)
    }

    /// Every access token that is alive and every refresh token ever issued, for
    /// tests that look for them where they must not be.
    pub fn tokens(&self) -> Vec<String> {
        self.shared.oauth().tokens()
    }

    /// Turns refresh token rotation on or off.
    pub fn set_rotation(&self, on: bool) {
        self.shared.oauth().rotate = on;
    }

    /// Whether a refresh answers with a new refresh token.
    pub fn rotation(&self) -> bool {
        self.shared.oauth().rotate
    }

    /// Registers an app, or replaces the one with its client id.
    pub fn register_app(&self, app: App) {
        let mut oauth = self.shared.oauth();
        oauth.apps.insert(app.client_id.clone(), app);
    }

    /// The daily quota.
    pub fn quota(&self) -> Quota {
        let now_ms = self.shared.clock.now_ms();
        let mut usage = self.shared.usage();
        Quota {
            used: usage.used(now_ms),
            max: usage.max,
        }
    }

    /// Sets the size of the daily quota.
    pub fn set_quota_max(&self, max: u64) {
        self.shared.usage().max = max;
    }

    /// Pretends that this many requests were made, all of them now.
    pub fn set_quota_used(&self, used: u64) {
        let now_ms = self.shared.clock.now_ms();
        self.shared.usage().set_used(now_ms, used);
    }

    /// Adds to what `Sforce-Limit-Info` says, as orgs do that limit bursts or
    /// single apps: `per-app-api-usage=17/250(appName=sample)`.
    pub fn set_more_limit_info(&self, more: &str) {
        more.clone_into(&mut self.shared.usage().more_info);
    }

    /// Sets how many long-running requests there may be at the same time.
    pub fn set_concurrent_max(&self, max: usize) {
        self.shared.usage().max_long = max;
    }

    /// Shifts the org's clock against the system's.
    pub fn set_clock_offset_ms(&self, offset_ms: i64) {
        self.shared.clock.set_offset_ms(offset_ms);
    }

    /// The org's time, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.shared.clock.now_ms()
    }

    /// How far the org's clock is ahead.
    pub fn clock_offset_ms(&self) -> i64 {
        self.shared.clock.offset_ms()
    }

    /// Makes writes to these records answer `UNABLE_TO_LOCK_ROW`.
    pub fn lock_rows(&self, ids: &[&str]) {
        let mut org = self.shared.org_mut();
        for id in ids {
            org.lock_row(id);
        }
    }

    /// Lets go of these records.
    pub fn unlock_rows(&self, ids: &[&str]) {
        let mut org = self.shared.org_mut();
        for id in ids {
            org.unlock_row(id);
        }
    }

    /// Lets go of all locked records.
    pub fn unlock_all_rows(&self) {
        self.shared.org_mut().unlock_all_rows();
    }

    /// The data behind the server, for whatever else a test wants to set up or
    /// look at: users, field permissions, records. Requests wait meanwhile.
    pub fn org<T>(&self, work: impl FnOnce(&mut Org) -> T) -> T {
        work(&mut self.shared.org_mut())
    }

    /// Every request since the log was last cleared, in order of their end.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.log.all()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.shared.log.clear();
    }
}
