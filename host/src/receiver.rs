//! Webhooks in: from a request to its answer, with what came kept durably in between.
//!
//! There is no server in here. An app has one already, and hands its requests to
//! [`Receiver::answer`]; `lockgate run --listen` is one. What a server has to do
//! itself is to bound the time and the size of a request's head.
//!
//! ```no_run
//! use lockgate::receiver::{Address, Hook, Receiver, ReceiverOptions, Shape, Source, Until};
//!
//! # async fn example(crm: lockgate::Connection) -> Result<(), Box<dyn std::error::Error>> {
//! let address = Address::generate()?;
//! println!("https://hooks.example.com/hooks/{}", address.expose());
//! let inbox = crm.inbox("leads")?;
//! let receiver = Receiver::new(ReceiverOptions::default());
//! receiver.serve(vec![Hook {
//!     connection: crm,
//!     inbox: inbox.clone(),
//!     addresses: vec![Until::ever(address.digest())],
//!     source: Source::Product,
//!     shape: Shape::Whole,
//! }]);
//! // In the server, for each request:
//! # let request = http::Request::new(http_body_util::Empty::<bytes::Bytes>::new());
//! let answer = receiver.answer(request).await;
//! // And where the work is done:
//! let taken = inbox.take(100, std::time::Duration::from_secs(60)).await?;
//! # Ok(())
//! # }
//! ```

mod address;
mod items;
mod pace;
mod refusal;

use std::error::Error as StdError;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Body;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::capability::clock::now_ms;
use crate::connection::Connection;
use crate::error::Error;
use crate::hooks::{MAX_BODY_BYTES, Received};
use crate::inbox::Inbox;
use crate::store::NewItem;
use crate::webhook::{Secret, verify};
use pace::Pace;
use refusal::Refusal;

pub use address::{Address, AddressDigest};

/// What a receiver lets in.
#[derive(Clone, Debug)]
pub struct ReceiverOptions {
    /// The largest body, in bytes; 1 MiB by default, 8 MiB at most.
    pub max_body_bytes: usize,
    /// How long a body may take to come, however slowly it trickles; 15 s by default.
    pub body_timeout: Duration,
    /// Requests that are worked on at a time, of all webhooks; 64 by default. Each
    /// holds its body, and one to a connector an instance.
    pub max_at_once: usize,
    /// The same of one webhook, so that none of them locks out the others; 16 by
    /// default.
    pub max_at_once_of_one: usize,
    /// Requests of one webhook in a second, over some time; 50 by default. Bursts of
    /// five seconds' worth are let in.
    pub per_second_of_one: u32,
}

impl Default for ReceiverOptions {
    fn default() -> Self {
        Self {
            max_body_bytes: 1024 * 1024,
            body_timeout: Duration::from_secs(15),
            max_at_once: 64,
            max_at_once_of_one: 16,
            per_second_of_one: 50,
        }
    }
}

/// A webhook that comes in.
#[derive(Clone, Debug)]
pub struct Hook {
    /// The connection that it is of.
    pub connection: Connection,
    /// Where what comes is kept.
    pub inbox: Inbox,
    /// Where it comes: several while one replaces another.
    pub addresses: Vec<Until<AddressDigest>>,
    /// Who sends it.
    pub source: Source,
    /// What an item of the inbox is.
    pub shape: Shape,
}

/// Who sends a webhook, and so how it is known to be theirs.
#[derive(Clone, Debug)]
pub enum Source {
    /// The product of the connection: the connector knows what it sends.
    Product,
    /// Anybody who has the secret, as [Standard Webhooks](crate::webhook) says.
    /// Several secrets while one replaces another.
    Signed(Vec<Until<Secret>>),
}

/// An address or a secret, and how long it is good: of two that replace one another,
/// the older one for as long as the other side may not know the newer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Until<T> {
    /// What it is.
    pub value: T,
    /// Until when, in milliseconds since 1970; `None` for no end.
    pub until_ms: Option<u64>,
}

impl<T> Until<T> {
    /// One without an end.
    pub const fn ever(value: T) -> Self {
        Self {
            value,
            until_ms: None,
        }
    }

    /// Whether it is good at this time, in milliseconds since 1970.
    pub fn is_good(&self, now_ms: u64) -> bool {
        self.until_ms.is_none_or(|until_ms| now_ms < until_ms)
    }
}

/// What an item of an inbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Each event of a product as JSON, as [`Event`](crate::Event) serialises; each
    /// body of a signed webhook as it came, whatever it is.
    Whole,
    /// A record, a JSON object: what an event of a product tells of it, or the body of
    /// a signed webhook, which is refused with 400 if it is neither an object nor an
    /// array of up to 1,000 objects. Of an array each is an item.
    Records,
}

/// Answers requests of webhooks. Cheap to clone; all clones are one.
///
/// What is answered with success is durable. What cannot be kept now is answered with
/// 503 or 429 and a time to come again: senders of webhooks do.
#[derive(Clone, Debug)]
pub struct Receiver(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: ReceiverOptions,
    at_once: Semaphore,
    served: RwLock<Arc<[Served]>>,
}

/// A webhook with what bounds it.
#[derive(Debug)]
struct Served {
    hook: Hook,
    at_once: Semaphore,
    pace: Pace,
}

impl Receiver {
    /// One that serves nothing yet.
    #[must_use]
    pub fn new(options: ReceiverOptions) -> Self {
        Self(Arc::new(Shared {
            at_once: Semaphore::new(options.max_at_once),
            served: RwLock::new(Arc::from([])),
            options,
        }))
    }

    /// Serves these webhooks from now on, and no others. Requests under way end as
    /// they began.
    pub fn serve(&self, hooks: Vec<Hook>) {
        let options = &self.0.options;
        let served = hooks.into_iter().map(|hook| Served {
            hook,
            at_once: Semaphore::new(options.max_at_once_of_one),
            pace: Pace::new(options.per_second_of_one),
        });
        let served = served.collect();
        *self
            .0
            .served
            .write()
            .unwrap_or_else(PoisonError::into_inner) = served;
    }

    /// Answers a request. The last part of its path is the address of a webhook; what
    /// stands before it does not matter.
    ///
    /// An address that is none is answered with 404 before anything else of the request
    /// is looked at, and none of its body is read.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let answer = match self.receive(request).await {
            Ok(answer) => answer,
            Err(refusal) => refusal.answer(),
        };
        answer.map(Full::new)
    }

    async fn receive<B>(&self, request: Request<B>) -> Result<Response<Bytes>, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let all = {
            let served = self.0.served.read();
            Arc::clone(&served.unwrap_or_else(PoisonError::into_inner))
        };
        let served = find(&all, request.uri().path()).ok_or(Refusal::NoSuch)?;
        if !served.pace.allows() {
            return Err(Refusal::TooMany);
        }
        let _one = permit(&served.at_once)?;
        let _any = permit(&self.0.at_once)?;
        let request = self.read(request).await?;
        served.hook.receive(&request).await
    }

    /// The request with its body, within its bounds.
    async fn read<B>(&self, request: Request<B>) -> Result<Request<Bytes>, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let options = &self.0.options;
        let max_bytes = options.max_body_bytes.min(MAX_BODY_BYTES);
        let (head, body) = request.into_parts();
        // What is packed could unpack to anything, and no sender needs it.
        if head.headers.contains_key(CONTENT_ENCODING) {
            return Err(Refusal::Packed);
        }
        let claimed = head.headers.get(CONTENT_LENGTH);
        let claimed = claimed.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if claimed.is_some_and(|length| length > max_bytes) {
            return Err(Refusal::TooLarge);
        }
        let body = std::pin::pin!(Limited::new(body, max_bytes));
        let collected = timeout(options.body_timeout, body.collect()).await;
        let body = collected
            .map_err(|_| Refusal::TooSlow)?
            .map_err(|error| match error.is::<LengthLimitError>() {
                true => Refusal::TooLarge,
                false => Refusal::Malformed("the body broke off"),
            })?;
        Ok(Request::from_parts(head, body.to_bytes()))
    }
}

/// The webhook of a path. All of them are looked at, whichever it is.
fn find<'a>(all: &'a [Served], path: &str) -> Option<&'a Served> {
    let digest = AddressDigest::of(path.rsplit('/').next().unwrap_or_default());
    let now_ms = now_ms();
    let mut found = None;
    for served in all {
        for address in &served.hook.addresses {
            if address.value == digest && address.is_good(now_ms) {
                found = Some(served);
            }
        }
    }
    found
}

fn permit(semaphore: &Semaphore) -> Result<SemaphorePermit<'_>, Refusal> {
    semaphore.try_acquire().map_err(|_| Refusal::Busy)
}

impl Hook {
    async fn receive(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Refusal> {
        match &self.source {
            Source::Product => self.receive_from_product(request).await,
            Source::Signed(secrets) => self.receive_signed(secrets, request).await,
        }
    }

    async fn receive_from_product(
        &self,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, Refusal> {
        let received = self.connection.receive(request).await;
        match received.map_err(|error| self.failed(&error))? {
            Received::Accepted { events, answer } => {
                let items = items::of_events(&events, self.shape);
                self.keep(items.map_err(|_| Refusal::Unavailable)?).await?;
                Ok(answer)
            }
            Received::Refused { reason, answer } => {
                self.note(&reason);
                Ok(answer)
            }
        }
    }

    async fn receive_signed(
        &self,
        secrets: &[Until<Secret>],
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, Refusal> {
        if request.method() != Method::POST {
            return Err(Refusal::NotPosted);
        }
        let now_ms = now_ms();
        let secrets = secrets.iter().filter(|secret| secret.is_good(now_ms));
        let secrets: Vec<Secret> = secrets.map(|secret| secret.value.clone()).collect();
        let header = |name: &str| request.headers().get(name).map(HeaderValue::as_bytes);
        let verified = verify(&secrets, header, request.body(), SystemTime::now());
        let verified = verified.map_err(|error| {
            self.note(&error.to_string());
            Refusal::NotVerified
        })?;
        let items = items::of_signed(&verified.id, request.body(), self.shape);
        let items = items.map_err(|why| {
            self.note(why);
            Refusal::Malformed(why)
        })?;
        self.keep(items).await?;
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        Ok(answer)
    }

    async fn keep(&self, items: Vec<NewItem>) -> Result<(), Refusal> {
        if items.is_empty() {
            return Ok(());
        }
        let kept = self.inbox.put(items).await;
        kept.map(|_| ()).map_err(|error| self.failed(&error))
    }

    /// What the sender can do nothing about.
    fn failed(&self, error: &Error) -> Refusal {
        let (connection, hook) = (self.inbox.connection(), self.inbox.name());
        tracing::warn!(%connection, hook, %error, "a webhook was not taken");
        match error {
            Error::Input(_) => Refusal::TooLarge,
            Error::NoConnection { .. } => Refusal::NoSuch,
            _ => Refusal::Unavailable,
        }
    }

    /// What the sender has done wrong.
    fn note(&self, reason: &str) {
        let (connection, hook) = (self.inbox.connection(), self.inbox.name());
        tracing::info!(%connection, hook, reason, "a webhook was refused");
    }
}
