//! One connection's REST API: the version in the path, the headers that the
//! settings ask for, and what becomes of requests without an answer.

use std::cell::RefCell;
use std::rc::Rc;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::fault::{Effect, Fault, refused, unexpected};
use crate::files::{self, Clash, Frame};
use crate::host::{
    Answer, BatchFrame, Form, Header, Host, HttpError, InvalidPart, Level, Lost, Method, Opened,
    QuotaError, Request, Sent,
};
use crate::settings::Settings;
use crate::version::{self, Versions};

/// How long the head of a query's answer may take, in milliseconds: Salesforce
/// itself gives up after 120 s and says so, which is worth waiting for.
const QUERY_TIMEOUT_MS: u32 = 130_000;
/// The same for writes, whose triggers may run long. A lost answer to a write
/// costs more than a wait.
const WRITE_TIMEOUT_MS: u32 = 300_000;

/// How long the org may take to say what time it is, in milliseconds. Where it does not,
/// there is another clock.
const CLOCK_TIMEOUT_MS: u32 = 10_000;

/// What kind of request this is: which of the settings' headers it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Query {
        page_size: Option<u32>,
    },
    /// Rows of a bulk job, as CSV.
    Rows,
    /// Rows for a bulk job, as CSV. A job does nothing with them until it is
    /// closed, so a lost answer loses nothing.
    Upload,
    /// The content of a file.
    File,
    Write,
    /// Records of which the host makes the body.
    Records,
    /// A record with its file, in parts.
    Parts,
}

impl Kind {
    const fn effect(self) -> Effect {
        match self {
            Self::Read | Self::Query { .. } | Self::Rows | Self::Upload | Self::File => {
                Effect::Read
            }
            Self::Write | Self::Records | Self::Parts => Effect::Write,
        }
    }
}

/// A request, still without origin, version and headers.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    /// What follows `/services/data/v62.0`, or a whole path of the org's own.
    pub(crate) path: Path,
    pub(crate) query: Vec<(String, String)>,
    /// Headers of its own, instead of those of the same names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) kind: Kind,
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub(crate) enum Path {
    /// Below the version: `/sobjects`.
    Resource(String),
    /// As the org gave it: `/services/data/v62.0/query/0r8…-2000`.
    Given(String),
}

impl Ask {
    pub(crate) fn new(method: Method, resource: impl Into<String>, kind: Kind) -> Self {
        Self {
            method,
            path: Path::Resource(resource.into()),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            kind,
        }
    }

    pub(crate) fn pair(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn body(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }
}

/// One connection's REST API.
#[derive(Debug)]
pub(crate) struct Api<H> {
    pub(crate) host: H,
    pub(crate) settings: Rc<Settings>,
    version: RefCell<Option<String>>,
}

impl<H: Host> Api<H> {
    pub(crate) const fn new(host: H, settings: Rc<Settings>) -> Self {
        Self {
            host,
            settings,
            version: RefCell::new(None),
        }
    }

    /// The version to speak, for instance `62.0`.
    pub(crate) async fn version(&self) -> Result<String, Error> {
        if let Some(version) = self.version.borrow().as_ref() {
            return Ok(version.clone());
        }
        let kept = self.host.load(version::STORAGE_KEY).await;
        let versions = kept.and_then(|kept| Versions::recall(&kept, self.host.now_ms()));
        let versions = match versions {
            Some(versions) => versions,
            None => self.ask_versions().await?,
        };
        let version = versions.choose(self.settings.api_version.as_deref())?;
        *self.version.borrow_mut() = Some(version.clone());
        Ok(version)
    }

    async fn ask_versions(&self) -> Result<Versions, Error> {
        let request = Request {
            method: Method::Get,
            path: version::VERSIONS_PATH.to_owned(),
            query: Vec::new(),
            headers: vec![header("Accept", "application/json")],
            body: None,
            timeout_ms: 0,
        };
        let answer = self.transfer(request, Effect::Read).await?;
        if answer.status != 200 {
            return Err(Fault::read(answer.status, &answer.body).error(None, Effect::Read));
        }
        let versions = Versions::read(&answer.body, self.host.now_ms())?;
        self.host
            .store(version::STORAGE_KEY, versions.to_bytes())
            .await;
        Ok(versions)
    }

    /// The org's time in milliseconds since 1970, to the second, so that it does not
    /// matter by how much the clock of this machine is wrong; that clock's if the org
    /// does not tell. Costs no call.
    pub(crate) async fn org_now_ms(&self) -> u64 {
        let request = Request {
            method: Method::Head,
            path: version::VERSIONS_PATH.to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            timeout_ms: CLOCK_TIMEOUT_MS,
        };
        let date = match self.host.send(request).await {
            Ok(answer) => answer.date,
            Err(_) => None,
        };
        let moment = date.and_then(|date| OffsetDateTime::parse(&date, &Rfc2822).ok());
        let now_s = moment.and_then(|moment| u64::try_from(moment.unix_timestamp()).ok());
        now_s.map_or_else(|| self.host.now_ms(), |now_s| now_s * 1_000)
    }

    /// Sends a request; any status is an answer.
    ///
    /// A version that was retired since the list was read is negotiated anew,
    /// once: 410 says that nothing was done.
    pub(crate) async fn send(&self, ask: Ask) -> Result<Answer, Error> {
        let version = self.version().await?;
        let request = self.request(&ask, &version);
        let answer = self.transfer(request, ask.kind.effect()).await?;
        if answer.status != 410 {
            return Ok(answer);
        }
        match self.newer_than(version).await? {
            Some(newer) => {
                let request = self.request(&ask, &newer);
                self.transfer(request, ask.kind.effect()).await
            }
            None => Ok(answer),
        }
    }

    /// The same with a body that the host makes of records that it holds.
    pub(crate) async fn send_batch(
        &self,
        ask: Ask,
        batch: &H::Batch,
        body: (&[u32], &BatchFrame),
        form: &Form,
    ) -> Result<Sent<H::Written>, Error> {
        let send = async |version: &str| {
            let request = self.request(&ask, version);
            let sent = self.host.send_batch(request, batch, body, form).await;
            sent.map_err(|lost| without_answer(&lost, ask.kind.effect()))
        };
        let version = self.version().await?;
        let sent = send(&version).await?;
        if !matches!(&sent, Sent::Refused(answer) if answer.status == 410) {
            return Ok(sent);
        }
        match self.newer_than(version).await? {
            Some(newer) => send(&newer).await,
            None => Ok(sent),
        }
    }

    /// The version to go on with after one that was retired; `None` if the org knows
    /// no other.
    async fn newer_than(&self, version: String) -> Result<Option<String>, Error> {
        self.host.forget(version::STORAGE_KEY).await;
        if let Some(pinned) = &self.settings.api_version {
            return Err(version::retired(pinned, "newer ones only"));
        }
        *self.version.borrow_mut() = None;
        let newer = self.version().await?;
        if newer == version {
            return Ok(None);
        }
        self.host.log(
            Level::Warn,
            "the API version was retired; went on with another",
            &[("retired", version), ("now", newer.clone())],
        );
        Ok(Some(newer))
    }

    /// Sends a request whose answer is a content.
    pub(crate) async fn open(&self, ask: Ask) -> Result<Opened<H::Down>, Error> {
        let request = self.request(&ask, &self.version().await?);
        let opened = self.host.open(request).await;
        opened.map_err(|lost| without_answer(&lost, ask.kind.effect()))
    }

    /// Opens a table that can be asked for in smaller parts: `None` if the answer is
    /// too large.
    pub(crate) async fn open_table(&self, ask: Ask) -> Result<Option<Opened<H::Table>>, Error> {
        let request = self.request(&ask, &self.version().await?);
        match self.host.open_table(request).await {
            Ok(opened) => Ok(Some(opened)),
            Err(Lost::Head(HttpError::TooLarge(_)) | Lost::Body(HttpError::TooLarge(_))) => {
                Ok(None)
            }
            Err(lost) => Err(without_answer(&lost, ask.kind.effect())),
        }
    }

    /// Sends a request with a body of this length that is made while it goes up.
    pub(crate) async fn send_parts(
        &self,
        ask: Ask,
        parts: impl Iterator<Item = Vec<u8>>,
        length: u64,
    ) -> Result<Answer, Error> {
        let request = self.request(&ask, &self.version().await?);
        let sent = self.host.send_parts(request, parts, length).await;
        sent.map_err(|lost| without_answer(&lost, ask.kind.effect()))
    }

    /// Sends a request with a file that the host has made.
    pub(crate) async fn send_sheet(&self, ask: Ask, sheet: &H::Sheet) -> Result<Answer, Error> {
        let request = self.request(&ask, &self.version().await?);
        let sent = self.host.send_sheet(request, sheet).await;
        sent.map_err(|lost| without_answer(&lost, ask.kind.effect()))
    }

    /// Sends a content in its frame.
    pub(crate) async fn send_file(
        &self,
        ask: Ask,
        frame: Frame,
        content: H::Up,
        length: Option<u64>,
    ) -> Result<Result<Answer, Clash>, Error> {
        let mut request = self.request(&ask, &self.version().await?);
        let content_type = header("Content-Type", &frame.content_type);
        request.headers.push(content_type);
        let sent = self.host.send_file(request, frame, content, length).await;
        sent.map_err(|lost| match lost {
            Lost::Head(HttpError::Invalid(InvalidPart::Body)) => {
                files::too_large("the file is larger than the package's limit for streams")
            }
            lost => without_answer(&lost, ask.kind.effect()),
        })
    }

    /// Sends a request and takes the body of an answer 200.
    pub(crate) async fn fetch(&self, ask: Ask, object: Option<&str>) -> Result<Vec<u8>, Error> {
        let effect = ask.kind.effect();
        let answer = self.send(ask).await?;
        if answer.status == 200 {
            Ok(answer.body)
        } else {
            Err(Fault::read(answer.status, &answer.body).error(object, effect))
        }
    }

    /// Sets the calls of a large write aside, so that it does not stop half-way
    /// for want of them.
    pub(crate) async fn reserve(&self, n_calls: usize) -> Result<H::Reserved, Error> {
        let calls = u32::try_from(n_calls).unwrap_or(u32::MAX);
        self.host.reserve(calls).await.map_err(|error| match error {
            QuotaError::Exhausted(ms) => Error::OverQuota(ms),
            QuotaError::TooMany(most) => refused(
                Advice::WaitForQuota,
                "REQUEST_LIMIT_EXCEEDED",
                &format!("{calls} calls are needed, and the budget never holds more than {most}"),
            ),
        })
    }

    fn request(&self, ask: &Ask, version: &str) -> Request {
        let accept = match ask.kind {
            Kind::Rows => "text/csv",
            Kind::File => "*/*",
            _ => "application/json",
        };
        let mut headers = vec![header("Accept", accept)];
        if ask.body.is_some() || matches!(ask.kind, Kind::Upload | Kind::Records) {
            let content = match ask.kind {
                Kind::Upload => "text/csv; charset=UTF-8",
                _ => "application/json",
            };
            headers.push(header("Content-Type", content));
        }
        let settings = &*self.settings;
        headers.push(header("Sforce-Call-Options", &settings.call_options));
        let mut add = |name: &str, value: &Option<String>| {
            if let Some(value) = value {
                headers.push(header(name, value));
            }
        };
        let timeout_ms = match ask.kind {
            Kind::Read => {
                add("Sforce-Mru", &settings.mru);
                0
            }
            Kind::Query { page_size } => {
                let size = page_size.or(settings.query_batch_size);
                add(
                    "Sforce-Query-Options",
                    &size.map(|size| format!("batchSize={size}")),
                );
                QUERY_TIMEOUT_MS
            }
            Kind::Rows | Kind::File => QUERY_TIMEOUT_MS,
            Kind::Upload => WRITE_TIMEOUT_MS,
            Kind::Write | Kind::Records | Kind::Parts => {
                add("Sforce-Auto-Assign", &settings.auto_assign);
                add("Sforce-Duplicate-Rule-Header", &settings.duplicate_rule);
                add("Sforce-Mru", &settings.mru);
                WRITE_TIMEOUT_MS
            }
        };
        for (name, value) in &ask.headers {
            headers.retain(|header| !header.name.eq_ignore_ascii_case(name));
            headers.push(header(name, value));
        }
        let path = match &ask.path {
            Path::Resource(resource) => format!("/services/data/v{version}{resource}"),
            Path::Given(path) => path.clone(),
        };
        Request {
            method: ask.method,
            path,
            query: ask.query.clone(),
            headers,
            body: ask.body.clone(),
            timeout_ms,
        }
    }

    async fn transfer(&self, request: Request, effect: Effect) -> Result<Answer, Error> {
        self.host
            .send(request)
            .await
            .map_err(|lost| without_answer(&lost, effect))
    }
}

fn header(name: &str, value: &str) -> Header {
    Header {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

/// What a request without a whole answer means for the caller.
pub(crate) fn without_answer(lost: &Lost, effect: Effect) -> Error {
    let (error, begun) = match lost {
        Lost::Head(error) => (error, false),
        Lost::Body(error) => (error, true),
    };
    match (error, effect) {
        // The answer had begun, so the write was carried out or refused, and
        // only the lost body says which.
        (_, Effect::Write) if begun => Error::UnknownOutcome,
        (HttpError::TooLarge(_), Effect::Write) => Error::UnknownOutcome,
        (HttpError::Unavailable(interruption), Effect::Write) if interruption.maybe_sent => {
            Error::UnknownOutcome
        }
        (HttpError::Unavailable(interruption), _) => {
            Error::Unavailable(interruption.retry_after_ms)
        }
        (HttpError::Unauthorized, _) => Error::Reconnect,
        (HttpError::OverQuota(ms), _) => Error::OverQuota(*ms),
        (HttpError::TooLarge(bytes), _) => unexpected(&format!(
            "an answer of at most {bytes} bytes; ask for less at a time"
        )),
        (HttpError::Invalid(_), _) => {
            unexpected("the host to accept the request: a name or value in it is too long")
        }
        (HttpError::Denied, _) => refused(
            Advice::AskPermission,
            "REQUEST_DENIED",
            "the host's rules refuse the request: its address, a redirect, or too many requests \
             in one call",
        ),
    }
}

#[cfg(test)]
mod tests;
