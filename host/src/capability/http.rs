//! Interface `http`: what a guest may ask of the connection's own origin, and how much
//! of it. A request that keeps the rules goes its way in [`Backend::dispatch`].

mod backend;
mod body;
mod jar;
mod peeked;
mod request;
mod response;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::component::{Access, Accessor, FutureReader, Resource, StreamReader};

pub(crate) use backend::Backend;
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub use response::Response;
pub(crate) use response::{is_hidden, refusal};

use crate::bindings::contract::{http as wit, outgoing};
use crate::capability::outgoing::{Batch, Sheet};
use crate::capability::quota::QuotaAccess;
use crate::capability::tables::Table;
use crate::grant::Grant;
use crate::limits::Limits;
use crate::meter::Traffic;
use crate::outflow::{MAX_PART_BYTES, Outflow};
use crate::records::{Frame, Given, Told, ToldForm};
use crate::rehearsal::{Entry, Recording};
use crate::state::{ConnectorHost, ConnectorState};
use crate::transport::{OriginUrl, Upload};
use jar::Jar;
use request::Checked;
use response::BodyProducer;

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
    /// Whether there was one too many.
    is_over: bool,
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
            is_over: false,
            earlier_asked: 0,
            sent: Arc::default(),
            recording: None,
        }
    }

    /// Begins a new page: requests count afresh.
    pub(crate) fn rearm(&mut self) {
        self.earlier_asked += u64::from(self.asked);
        self.asked = 0;
        self.is_over = false;
        self.sent = Arc::default();
    }

    /// Whether a request of this call was denied because there were too many.
    pub(crate) const fn is_over(&self) -> bool {
        self.is_over
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
        self.send_checked(backend, &checked).await
    }

    /// The same with a body that is made of records.
    async fn send_batch(
        &self,
        request: wit::Request,
        given: &Given,
        records: &[u32],
        frame: &outgoing::Frame,
    ) -> Result<Response, wit::Error> {
        if request.body.is_some() {
            return Err(wit::Error::Invalid(wit::InvalidPart::Body));
        }
        // Made once it may go out, so that no more of them are there than requests.
        let (backend, mut checked, _place) = self.admit(request).await?;
        let frame = Frame {
            before: &frame.before,
            first: &frame.first,
            after: &frame.after,
        };
        let body = given.body(records, frame, self.limits.request_bytes);
        checked.body = Some(body.ok_or(wit::Error::Invalid(wit::InvalidPart::Body))?);
        self.send_checked(backend, &checked).await
    }

    async fn send_checked(
        &self,
        backend: &Backend,
        checked: &Checked,
    ) -> Result<Response, wit::Error> {
        let entry = self.entry(checked);
        self.traffic
            .went(checked.body.as_ref().map_or(0, Bytes::len));
        let answer = self.counted(backend.dispatch(checked, &self.quota, &self.jar));
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

    /// The same with a body that is here. It goes up in parts, so that a slow network
    /// has time for each of them.
    async fn send_file(&self, request: wit::Request, file: Bytes) -> Result<Response, wit::Error> {
        let length = file.len() as u64;
        let mut rest = file;
        let parts = std::iter::from_fn(move || {
            let part = rest.split_to(rest.len().min(MAX_PART_BYTES));
            (!part.is_empty()).then_some(part)
        });
        self.send_stream(request, stream::iter(parts), Some(length))
            .await
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

    async fn send_batch(
        accessor: &Accessor<ConnectorState, Self>,
        request: wit::Request,
        batch: Resource<Batch>,
        records: Vec<u32>,
        frame: outgoing::Frame,
    ) -> wasmtime::Result<Result<Resource<Response>, wit::Error>> {
        let begun = accessor.with(|mut access| {
            let state = access.get();
            let http = state.one_more_request(Grant::Http)?;
            wasmtime::error::Ok(http.zip(Some(state.given(&batch)?)))
        })?;
        let Some((http, given)) = begun else {
            return Ok(Err(wit::Error::Denied));
        };
        let outcome = http.send_batch(request, &given, &records, &frame).await;
        accessor.with(|mut access| access.get().handle_of(outcome))
    }

    async fn send_sheet(
        accessor: &Accessor<ConnectorState, Self>,
        request: wit::Request,
        sheet: Resource<Sheet>,
    ) -> wasmtime::Result<Result<Resource<Response>, wit::Error>> {
        let begun = accessor.with(|mut access| {
            let state = access.get();
            let http = state.one_more_request(Grant::Http)?;
            wasmtime::error::Ok(http.zip(Some(state.file(&sheet)?)))
        })?;
        let Some((http, file)) = begun else {
            return Ok(Err(wit::Error::Denied));
        };
        let outcome = match file {
            Some(file) => http.send_file(request, file).await,
            None => Err(wit::Error::Invalid(wit::InvalidPart::Body)),
        };
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
            self.http.is_over = true;
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
        self.enter(Grant::Http)?;
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

    async fn take_results(
        accessor: &Accessor<ConnectorState, Self>,
        this: Resource<Response>,
        form: outgoing::Form,
        max_bytes: u64,
    ) -> wasmtime::Result<Result<Option<outgoing::Told>, wit::Error>> {
        let form = ToldForm::try_from(form)?;
        let body = match Self::take_body(accessor, this, max_bytes).await? {
            Ok(body) => body,
            Err(error) => return Ok(Err(error)),
        };
        let Some(told) = Told::read(&body, &form) else {
            return Ok(Ok(None));
        };
        let held = accessor.with(|mut access| access.get().told(told))?;
        Ok(held.map(Some).ok_or(wit::Error::Denied))
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
