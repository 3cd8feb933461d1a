//! Drives one exchange: opens it under the connection's credential, once more if
//! the session had ended, and says at the end how it ended.

use std::sync::Arc;

use futures_channel::mpsc;
use futures_util::StreamExt as _;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::OwnedSemaphorePermit;
use url::Url;

use super::Admitted;
use super::tape::{Message, Tape};
use crate::auth::{Access as Credential, AuthError};
use crate::bindings::contract::stream as wit;
use crate::capability::http::{Backend, is_hidden};
use crate::manifest::{Places, StreamEndpoint};
use crate::transport::{AddressPolicy, Ended, Exchange, Opening, TransportError, clean, status};
/// A sensible pause after a failed connection, as with requests.
const RETRY_AFTER_MS: u64 = 1_000;

/// Trailers that a guest gets, at most.
const MAX_TRAILERS: usize = 32;

/// Bytes of their names and values.
const MAX_TRAILER_BYTES: usize = 8 * 1024;

/// An exchange with all that it takes to open it again.
pub(super) struct Driver {
    backend: Arc<Backend>,
    endpoint: StreamEndpoint,
    method: String,
    tape: Tape,
    credential: Arc<Credential>,
    exchange: Exchange,
    /// The credential is newer than the one that the product refused.
    is_renewed: bool,
    _place: OwnedSemaphorePermit,
}

/// What comes of an exchange.
pub(super) enum Event {
    Message(Vec<u8>),
    Ended(wit::Ending),
    /// The grant was taken back.
    Taken,
}

/// The ending of an exchange that the guest let go of.
pub(super) const fn let_go() -> wit::Ending {
    wit::Ending {
        status: status::CANCELLED,
        trailers: Vec::new(),
    }
}

impl Driver {
    /// Opens the exchange.
    pub(super) async fn begin(
        admitted: Admitted,
        messages: mpsc::Receiver<Message>,
    ) -> Result<Self, wit::Error> {
        let Admitted {
            backend,
            endpoint,
            method,
            place,
        } = admitted;
        let credential = backend
            .sessions
            .access(&backend.key)
            .await
            .map_err(|error| no_access(&backend, &error))?;
        let tape = Tape::new(messages);
        let exchange = open(&backend, &endpoint, &method, &tape, &credential).await?;
        Ok(Self {
            backend,
            endpoint,
            method,
            tape,
            credential,
            exchange,
            is_renewed: false,
            _place: place,
        })
    }

    /// The next event. The last is an ending.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            match self.exchange.next().await {
                Ok(message) => {
                    self.tape.finish();
                    self.is_renewed = false;
                    self.credential.note_accepted();
                    let redacted = self.credential.redactor.bytes(message);
                    self.tell_of_removed(redacted.removed);
                    return Event::Message(redacted.content.into());
                }
                Err(ended) => {
                    let is_over = ended.status == status::UNAUTHENTICATED && !self.is_renewed;
                    let at_head = ended.at_head;
                    // Before the credential changes that is taken out of it.
                    let ending = self.ending(ended);
                    let goes_on = is_over && self.renew().await && at_head && self.reopen().await;
                    if !goes_on {
                        return Event::Ended(ending);
                    }
                }
            }
        }
    }

    /// Renews the session: for this exchange, or for the guest's next.
    async fn renew(&mut self) -> bool {
        let (key, stale) = (&self.backend.key, self.credential.generation);
        match self.backend.sessions.renew(key, stale).await {
            Ok(newer) => {
                self.credential = newer;
                self.is_renewed = true;
                true
            }
            Err(error) => {
                no_access(&self.backend, &error);
                false
            }
        }
    }

    /// Opens the exchange again, if all that was said can be said once more.
    async fn reopen(&mut self) -> bool {
        let opened = open(
            &self.backend,
            &self.endpoint,
            &self.method,
            &self.tape,
            &self.credential,
        );
        match opened.await {
            Ok(exchange) => {
                self.exchange = exchange;
                true
            }
            Err(_) => false,
        }
    }

    /// What the guest learns of the end.
    fn ending(&self, mut ended: Ended) -> wit::Ending {
        // The other side was told no reason.
        if ended.cause.is_some() && self.tape.is_broken() {
            ended.status = status::RESOURCE_EXHAUSTED;
        }
        tracing::debug!(
            connection = %self.backend.key, endpoint = self.endpoint.name,
            method = self.method, status = ended.status, cause = ended.cause,
            "an exchange has ended"
        );
        let mut trailers = Vec::new();
        let mut n_bytes = 0;
        for (name, value) in ended.trailers.iter() {
            if is_hidden(name) {
                continue;
            }
            let value = String::from_utf8_lossy(value.as_bytes());
            let redacted = self.credential.redactor.text(&value);
            self.tell_of_removed(redacted.removed);
            n_bytes += name.as_str().len() + redacted.content.len();
            if trailers.len() == MAX_TRAILERS || n_bytes > MAX_TRAILER_BYTES {
                break;
            }
            trailers.push((name.as_str().to_owned(), redacted.content.into_owned()));
        }
        wit::Ending {
            status: ended.status,
            trailers,
        }
    }

    fn tell_of_removed(&self, removed: usize) {
        if removed > 0 {
            tracing::warn!(
                connection = %self.backend.key, removed,
                "the product sent a credential back; it was kept from the guest"
            );
        }
    }
}

/// Opens an exchange under a credential, in which the guest says all that it has
/// said so far. From here on the metadata is secret.
async fn open(
    backend: &Backend,
    endpoint: &StreamEndpoint,
    method: &str,
    tape: &Tape,
    credential: &Credential,
) -> Result<Exchange, wit::Error> {
    let unreachable = wit::Error::Unavailable(RETRY_AFTER_MS);
    let Some(messages) = tape.play() else {
        return Err(unreachable);
    };
    let opening = Opening {
        url: url(endpoint, method, credential).ok_or(wit::Error::Denied)?,
        metadata: metadata(backend, endpoint, credential)?,
        messages: messages.boxed(),
        max_message_bytes: endpoint.max_message_bytes,
    };
    let opened = backend.transport.open(opening, &credential.policy).await;
    opened.map_err(|error| {
        tracing::warn!(
            connection = %backend.key, endpoint = endpoint.name, method, %error, "no exchange"
        );
        match error {
            TransportError::Refused { .. } => wit::Error::Denied,
            _ => unreachable,
        }
    })
}

/// Where an endpoint is for this connection, with the method as its path.
fn url(endpoint: &StreamEndpoint, method: &str, credential: &Credential) -> Option<Url> {
    let mut url = match credential.policy {
        AddressPolicy::Public => Url::parse(&format!("https://{}", endpoint.authority)).ok()?,
        AddressPolicy::Local { .. } => credential.origin.clone(),
    };
    url.set_path(method);
    (url.path() == method).then_some(url)
}

fn metadata(
    backend: &Backend,
    endpoint: &StreamEndpoint,
    credential: &Credential,
) -> Result<HeaderMap, wit::Error> {
    let places = Places {
        token: &credential.token,
        origin: &credential.origin,
        identity: credential.identity.as_deref(),
    };
    let mut fields = HeaderMap::new();
    for (name, template) in &endpoint.metadata {
        let field = template.fill(&places).and_then(|text| {
            let name = HeaderName::try_from(name.as_str()).ok()?;
            let mut value = HeaderValue::from_str(&text).ok()?;
            // Keeps it out of HTTP/2's table of repeated fields, and of Debug.
            value.set_sensitive(true);
            Some((name, value))
        });
        let Some((name, value)) = field else {
            tracing::warn!(
                connection = %backend.key, endpoint = endpoint.name, field = clean(name),
                "the connection has not what a field of the metadata wants: reconnect it"
            );
            return Err(wit::Error::Unauthorized);
        };
        fields.insert(name, value);
    }
    Ok(fields)
}

fn no_access(backend: &Backend, error: &AuthError) -> wit::Error {
    tracing::warn!(connection = %backend.key, %error, "no access token");
    match error.retry_after() {
        Some(pause) => {
            wit::Error::Unavailable(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX))
        }
        None => wit::Error::Unauthorized,
    }
}
