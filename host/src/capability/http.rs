//! Interface `http`: requests to the connection's own origin.
//!
//! [`Backend::dispatch`] is the whole way of a request, from top to bottom: rules,
//! budget, credential, transport, what the answer means. The credential is added
//! last and taken out of whatever comes back.

mod body;
mod jar;
mod peeked;
mod request;
mod response;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use secrecy::ExposeSecret as _;
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::component::{Access, Accessor, FutureReader, Resource, StreamReader};
use zeroize::Zeroizing;

#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub use response::Response;
pub(crate) use response::{is_hidden, refusal};

use crate::auth::{Access as Credential, AuthError, Sessions};
use crate::bindings::contract::http as wit;
use crate::capability::quota::QuotaAccess;
use crate::capability::tables::Table;
use crate::grant::Grant;
use crate::limits::Limits;
use crate::manifest::{Meaning, VendorManifest};
use crate::meter::Traffic;
use crate::outflow::Outflow;
use crate::rehearsal::{Entry, Recording};
use crate::state::{ConnectorHost, ConnectorState};
use crate::store::ConnectionKey;
use crate::transport::{Answer, OriginUrl, Outgoing, Transport, TransportError, Upload, UrlError};
use jar::Jar;
use peeked::Peeked;
use request::Checked;
use response::BodyProducer;

/// A sensible pause after a broken connection: long enough for a load balancer
/// to notice a dead server.
const RETRY_AFTER_MS: u64 = 1_000;

/// For how long a session that the product has accepted is trusted with a body
/// that cannot be sent again. Products that end idle sessions give them a quarter
/// of an hour at least.
const TRUSTED_SESSION: Duration = Duration::from_secs(600);

/// What requests of a connection need; shared by all its calls.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) key: ConnectionKey,
    pub(crate) vendor: Arc<VendorManifest>,
    pub(crate) sessions: Sessions,
    pub(crate) transport: Transport,
}

/// The interface's state in one call.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    /// None where there is nothing to reach: every request is denied.
    backend: Option<Arc<Backend>>,
    quota: QuotaAccess,
    limits: Arc<Limits>,
    in_flight: Arc<Semaphore>,
    traffic: Arc<Traffic>,
    jar: Jar,
    asked: u32,
    /// Requests before the last [`Self::rearm`].
    earlier_asked: u64,
    /// Requests that have or may have gone out.
    sent: Arc<AtomicU32>,
    /// Where requests and answers are noted, if they are.
    pub(crate) recording: Option<Arc<Recording>>,
}

impl Http {
    pub(crate) fn new(
        backend: Option<Arc<Backend>>,
        quota: QuotaAccess,
        limits: &Limits,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self {
            backend,
            quota,
            limits: Arc::new(limits.clone()),
            in_flight: Arc::new(Semaphore::new(limits.http_in_flight as usize)),
            traffic,
            jar: Jar::default(),
            asked: 0,
            earlier_asked: 0,
            sent: Arc::default(),
            recording: None,
        }
    }

    /// Begins a new page: requests count afresh.
    pub(crate) fn rearm(&mut self) {
        self.earlier_asked += u64::from(self.asked);
        self.asked = 0;
        self.sent = Arc::default();
    }

    /// Requests since the instance was made.
    pub(crate) const fn all_asked(&self) -> u64 {
        self.earlier_asked + self.asked as u64
    }

    /// Returns once no request waits for the head of its answer.
    pub(crate) async fn idle(&self) {
        // Closed never: the semaphore lives as long as this.
        let _ = self
            .in_flight
            .acquire_many(self.limits.http_in_flight)
            .await;
    }

    /// Whether requests went out since the page began, those included of which that
    /// is not certain.
    pub(crate) fn has_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed) > 0
    }

    async fn send(&self, request: wit::Request) -> Result<Response, wit::Error> {
        let (backend, checked, _place) = self.admit(request).await?;
        let entry = self.entry(&checked);
        self.traffic
            .went(checked.body.as_ref().map_or(0, Bytes::len));
        let answer = self.counted(backend.dispatch(&checked, &self.quota, &self.jar));
        Ok(answer.await?.noted(entry))
    }

    /// Where a request is noted, if it is.
    fn entry(&self, request: &Checked) -> Option<Entry> {
        let recording = self.recording.as_ref()?;
        let path = OriginUrl::in_origin_form(&request.path, &request.query).ok()?;
        let entry = recording.begin(request.method.as_str(), path);
        if let Some(body) = &request.body {
            entry.sent(body);
        }
        Some(entry)
    }

    /// The same with a body that comes in parts.
    async fn send_stream(
        &self,
        request: wit::Request,
        parts: impl Stream<Item = Bytes> + Send + 'static,
        length: Option<u64>,
    ) -> Result<Response, wit::Error> {
        let max_bytes = self.limits.request_bytes.max(self.limits.stream_bytes);
        if request.body.is_some() || length.is_some_and(|length| length > max_bytes) {
            return Err(wit::Error::Invalid(wit::InvalidPart::Body));
        }
        let (backend, checked, _place) = self.admit(request).await?;
        let entry = self.entry(&checked);
        let noted = entry.clone();
        let traffic = Arc::clone(&self.traffic);
        let parts = parts.inspect(move |part| {
            traffic.went(part.len());
            if let Some(entry) = &noted {
                entry.sent(part);
            }
        });
        let body = Upload::new(parts.boxed(), length, max_bytes);
        let answer = self.counted(backend.dispatch_once(&checked, body, &self.quota));
        Ok(answer.await?.noted(entry))
    }

    /// Counts a request among those that went out, unless it was refused for want of
    /// calls: then it did not, or was not read. Counts what comes back as well.
    async fn counted(
        &self,
        request: impl Future<Output = Result<Response, wit::Error>>,
    ) -> Result<Response, wit::Error> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let answer = request.await;
        if let Err(wit::Error::OverQuota(_)) = answer {
            self.sent.fetch_sub(1, Ordering::Relaxed);
        }
        answer.map(|response| response.counted(&self.traffic))
    }

    /// A request that keeps the rules, whom it is for, and its place among those
    /// that may be under way.
    async fn admit(
        &self,
        request: wit::Request,
    ) -> Result<(&Backend, Checked, SemaphorePermit<'_>), wit::Error> {
        let backend = self.backend.as_ref().ok_or(wit::Error::Denied)?;
        let token_header = &backend.vendor.auth.token_header;
        let checked =
            Checked::new(request, &self.limits, token_header).map_err(wit::Error::Invalid)?;
        // Closed never: the semaphore lives as long as this.
        let place = self.in_flight.acquire().await;
        Ok((backend, checked, place.map_err(|_| wit::Error::Denied)?))
    }
}

impl Backend {
    /// Sends a request that keeps the rules, and gives its answer.
    async fn dispatch(
        &self,
        request: &Checked,
        quota: &QuotaAccess,
        jar: &Jar,
    ) -> Result<Response, wit::Error> {
        let cookies = &self.vendor.cookies;
        let mut credential = self
            .sessions
            .access(&self.key)
            .await
            .map_err(|e| self.no_access(&e))?;
        let mut renewed = false;
        loop {
            let mut outgoing = self.outgoing(request, &credential)?;
            jar.add(cookies, &request.path, &mut outgoing.headers);
            if self.is_counted(&request.path) {
                quota.take().map_err(wit::Error::OverQuota)?;
            }
            let answer = match self.transport.send(outgoing, &credential.policy).await {
                Ok(answer) => answer,
                Err(error) => return Err(self.no_answer(request, &error)),
            };
            self.observe(&answer, quota);
            jar.keep(cookies, &request.path, &answer.headers);
            let answer = Peeked::new(answer, &self.vendor).await;
            match answer.meaning {
                Some(Meaning::SessionExpired) if renewed => return Err(wit::Error::Unauthorized),
                Some(Meaning::SessionExpired) => {
                    credential = self.renewed(&credential).await?;
                    renewed = true;
                }
                Some(Meaning::BudgetExhausted) => {
                    return Err(wit::Error::OverQuota(quota.exhausted()));
                }
                Some(Meaning::TooManyAtOnce) => {
                    return Err(wit::Error::OverQuota(quota.too_many_at_once()));
                }
                None => {
                    self.note_accepted(request, &credential);
                    return Ok(answer.into_response(request, &credential, self.key.clone()));
                }
            }
        }
    }

    /// Sends a request whose body cannot be sent again.
    async fn dispatch_once(
        &self,
        request: &Checked,
        body: Upload,
        quota: &QuotaAccess,
    ) -> Result<Response, wit::Error> {
        let mut credential = self
            .sessions
            .access(&self.key)
            .await
            .map_err(|error| self.no_access(&error))?;
        if !credential.was_accepted_within(TRUSTED_SESSION) {
            credential = self.renewed(&credential).await?;
        }
        let outgoing = self.outgoing(request, &credential)?;
        if self.is_counted(&request.path) {
            quota.take().map_err(wit::Error::OverQuota)?;
        }
        let sent = self
            .transport
            .send_stream(outgoing, body, &credential.policy);
        let answer = sent
            .await
            .map_err(|error| self.no_answer(request, &error))?;
        self.observe(&answer, quota);
        let answer = Peeked::new(answer, &self.vendor).await;
        match answer.meaning {
            Some(Meaning::SessionExpired) => {
                // For the next try: the body of this one is gone.
                self.renewed(&credential).await?;
                Err(wit::Error::Unavailable(wit::Interruption {
                    maybe_sent: false,
                    retry_after_ms: 0,
                }))
            }
            Some(Meaning::BudgetExhausted) => Err(wit::Error::OverQuota(quota.exhausted())),
            Some(Meaning::TooManyAtOnce) => Err(wit::Error::OverQuota(quota.too_many_at_once())),
            None => {
                self.note_accepted(request, &credential);
                Ok(answer.into_response(request, &credential, self.key.clone()))
            }
        }
    }

    /// A newer credential than this one, which counts as accepted: the product
    /// has given it out.
    async fn renewed(&self, credential: &Credential) -> Result<Arc<Credential>, wit::Error> {
        let newer = self
            .sessions
            .renew(&self.key, credential.generation)
            .await
            .map_err(|error| self.no_access(&error))?;
        newer.note_accepted();
        Ok(newer)
    }

    /// Adds origin and credential. From here on the request is secret.
    fn outgoing(&self, request: &Checked, credential: &Credential) -> Result<Outgoing, wit::Error> {
        let url = OriginUrl::build(&credential.origin, &request.path, &request.query).map_err(
            |error| match error {
                UrlError::Path(_) => wit::Error::Invalid(wit::InvalidPart::Path),
                UrlError::Query(_) => wit::Error::Invalid(wit::InvalidPart::Query),
                UrlError::Origin(_) => wit::Error::Denied,
            },
        )?;
        let mut headers = request.headers.clone();
        let (name, value) = credential.header.clone();
        headers.insert(name, value);
        Ok(Outgoing {
            method: request.method.clone(),
            url,
            headers,
            body: self.body(request, credential),
            head_timeout: request.timeout,
        })
    }

    /// The body as it goes out: with the credential where the manifest says
    /// that the product wants it, and nowhere else.
    fn body(&self, request: &Checked, credential: &Credential) -> Option<Bytes> {
        let body = request.body.as_ref()?;
        let mut rules = self.vendor.auth.in_body.iter();
        let split = rules.find_map(|rule| rule.split(&request.path, body));
        let Some((before, behind)) = split.filter(|_| request.method == reqwest::Method::POST)
        else {
            return Some(body.clone());
        };
        // A form that is looked for in what comes back.
        let token = Zeroizing::new(crate::redact::html(credential.token.expose_secret()));
        Some([before, token.as_bytes(), behind].concat().into())
    }

    fn is_counted(&self, path: &str) -> bool {
        let Some(quota) = &self.vendor.quota else {
            // Nobody limits these calls, but what a guest has set aside is spent.
            return true;
        };
        !quota.free_paths.iter().any(|free| path == free)
    }

    fn observe(&self, answer: &Answer, quota: &QuotaAccess) {
        let Some(rule) = &self.vendor.quota else {
            return;
        };
        if let Some(value) = answer
            .headers
            .get(&rule.header)
            .and_then(|v| v.to_str().ok())
        {
            quota.observe(value);
        }
    }

    /// An answer that costs no call says nothing of the session: such resources
    /// are open to everybody.
    fn note_accepted(&self, request: &Checked, credential: &Credential) {
        if self.is_counted(&request.path) {
            credential.note_accepted();
        }
    }

    fn no_answer(&self, request: &Checked, error: &TransportError) -> wit::Error {
        tracing::warn!(connection = %self.key, path = request.path, %error, "no answer");
        response::refusal(error)
    }

    fn no_access(&self, error: &AuthError) -> wit::Error {
        tracing::warn!(connection = %self.key, %error, "no access token");
        match error.retry_after() {
            Some(pause) => wit::Error::Unavailable(wit::Interruption {
                maybe_sent: false,
                retry_after_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            }),
            None => wit::Error::Unauthorized,
        }
    }
}

impl wit::Host for ConnectorState {}

impl wit::HostWithStore<ConnectorState> for ConnectorHost {
    async fn send(
        accessor: &Accessor<ConnectorState, Self>,
        request: wit::Request,
    ) -> wasmtime::Result<Result<Resource<Response>, wit::Error>> {
        let Some(http) = accessor.with(|mut access| access.get().one_more_request(Grant::Http))?
        else {
            return Ok(Err(wit::Error::Denied));
        };
        let outcome = http.send(request).await;
        accessor.with(|mut access| access.get().handle_of(outcome))
    }

    async fn send_stream(
        accessor: &Accessor<ConnectorState, Self>,
        request: wit::Request,
        mut body: StreamReader<u8>,
        length: Option<u64>,
    ) -> wasmtime::Result<Result<Resource<Response>, wit::Error>> {
        let begun = accessor.with(|mut access| {
            let Some(http) = access.get().one_more_request(Grant::Http)? else {
                body.close(&mut access)?;
                return wasmtime::error::Ok(None);
            };
            let (outflow, parts) = Outflow::new(None);
            body.pipe(&mut access, outflow)?;
            Ok(Some((http, parts)))
        })?;
        let Some((http, parts)) = begun else {
            return Ok(Err(wit::Error::Denied));
        };
        let outcome = http.send_stream(request, parts, length).await;
        accessor.with(|mut access| access.get().handle_of(outcome))
    }
}

impl ConnectorState {
    /// Counts a request by this grant; `None` if it is one too many.
    pub(crate) fn one_more_request(&mut self, by: Grant) -> wasmtime::Result<Option<Http>> {
        self.enter(by)?;
        if self.http.asked >= self.http.limits.http_requests {
            return Ok(None);
        }
        self.http.asked += 1;
        self.http.traffic.request();
        Ok(Some(self.http.clone()))
    }

    /// What the guest gets of a request's outcome.
    fn handle_of(
        &mut self,
        outcome: Result<Response, wit::Error>,
    ) -> wasmtime::Result<Result<Resource<Response>, wit::Error>> {
        Ok(match outcome {
            Ok(response) => Ok(self.table.push(response)?),
            Err(error) => Err(error),
        })
    }
}

impl wit::HostResponse for ConnectorState {
    fn status(&mut self, this: Resource<Response>) -> wasmtime::Result<u16> {
        self.enter(Grant::Http)?;
        Ok(self.table.get(&this)?.status.as_u16())
    }

    fn header(
        &mut self,
        this: Resource<Response>,
        name: String,
    ) -> wasmtime::Result<Option<String>> {
        self.enter(Grant::Http)?;
        Ok(self.table.get(&this)?.header(&name))
    }

    fn take_table(&mut self, this: Resource<Response>) -> wasmtime::Result<Resource<Table>> {
        self.meter.host_call()?;
        let response = self.table.delete(this)?;
        Ok(self.table.push(Table::new(response.body))?)
    }

    fn drop(&mut self, this: Resource<Response>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl wit::HostResponseWithStore<ConnectorState> for ConnectorHost {
    async fn take_body(
        accessor: &Accessor<ConnectorState, Self>,
        this: Resource<Response>,
        max_bytes: u64,
    ) -> wasmtime::Result<Result<Vec<u8>, wit::Error>> {
        let (response, limit) = accessor.with(|mut access| {
            let state = access.get();
            state.enter(Grant::Http)?;
            let limit = state.meter.limits().response_bytes;
            wasmtime::error::Ok((state.table.delete(this)?, limit))
        })?;
        Ok(response.collect(max_bytes.min(limit)).await)
    }

    fn take_stream(
        mut access: Access<'_, ConnectorState, Self>,
        this: Resource<Response>,
    ) -> wasmtime::Result<(StreamReader<u8>, FutureReader<Result<(), wit::Error>>)> {
        let state = access.get();
        state.enter(Grant::Http)?;
        let response = state.table.delete(this)?;
        let (producer, ended) = BodyProducer::new(response.body);
        let reader = StreamReader::new(&mut access, producer)?;
        let ending = async move {
            // The producer goes without a word only if the guest let go of the
            // stream before its end: for the guest, that is where it broke off.
            wasmtime::error::Ok(ended.await.unwrap_or_else(|_| Err(response::let_go())))
        };
        let ending = FutureReader::new(&mut access, ending)?;
        Ok((reader, ending))
    }
}
