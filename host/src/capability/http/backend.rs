//! The way of a request to the connection's own origin.
//!
//! [`Backend::dispatch`] is all of it, from top to bottom: budget, credential,
//! transport, what the answer means. The credential is added last and taken out of
//! whatever comes back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::jar::Jar;
use super::peeked::Peeked;
use super::request::Checked;
use super::response::{Response, refusal};
use crate::auth::{Access as Credential, AuthError, Sessions};
use crate::bindings::contract::http as wit;
use crate::capability::quota::QuotaAccess;
use crate::manifest::{Meaning, VendorManifest};
use crate::store::ConnectionKey;
use crate::transport::{Answer, OriginUrl, Outgoing, Transport, TransportError, Upload, UrlError};

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

impl Backend {
    /// Sends a request that keeps the rules, and gives its answer.
    pub(super) async fn dispatch(
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
    pub(super) async fn dispatch_once(
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
        refusal(error)
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
