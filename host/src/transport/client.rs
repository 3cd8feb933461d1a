//! The guarded client itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName,
    HeaderValue, LOCATION,
};
use reqwest::{Client, Method, Response, StatusCode, redirect};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::address::AddressPolicy;
use super::body::Body;
use super::dial::Dialer;
use super::error::{Part, RedirectRefusal, Refusal, TransportError, find, innermost};
use super::resolve::{Guard, ResolveError, Resolver, Rule, SystemResolver};
use super::upload::Upload;
use super::{
    BODY_IDLE, CONNECT_TIMEOUT, IDLE_CONNECTION, MAX_HEAD_TIMEOUT, MAX_HEADER_BYTES,
    MAX_HEADER_FIELDS, MAX_LOCATION_BYTES, MAX_REDIRECTS, tls,
};

/// How the client is set up. `Default` suits all but special networks.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// Root certificates besides the platform's: each entry PEM (one or more) or
    /// one in DER.
    pub extra_roots: Vec<Vec<u8>>,
    /// The value of `User-Agent`.
    pub user_agent: String,
    /// How long name, connection and TLS may take together.
    pub connect_timeout: Duration,
    /// Who looks up names.
    pub resolver: Arc<dyn Resolver>,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            extra_roots: Vec::new(),
            user_agent: concat!("lockgate/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: CONNECT_TIMEOUT,
            resolver: Arc::new(SystemResolver),
        }
    }
}

/// Why the client cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportSetupError {
    /// One of the extra root certificates cannot be used.
    #[error("an extra root certificate cannot be used ({0}); give PEM or DER of a CA")]
    Root(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

/// One request.
pub struct Outgoing {
    /// What to do.
    pub method: Method,
    /// Where, in full.
    pub url: Url,
    /// Header fields. Framing, `Host`, `Accept-Encoding` and hop-by-hop fields
    /// are the transport's own: giving one makes the request refused.
    pub headers: HeaderMap,
    /// The body.
    pub body: Option<Bytes>,
    /// How long until the head of the answer is there, redirects included; at
    /// most ten minutes.
    pub head_timeout: Duration,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("method", &self.method)
            .field("host", &host_of(&self.url))
            .field("headers", &Names(&self.headers))
            .field("body_bytes", &self.body.as_ref().map(Bytes::len))
            .field("head_timeout", &self.head_timeout)
            .finish_non_exhaustive()
    }
}

/// One answer: its head, and a body that is still on its way.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The header fields, as they came, but for those that tell of a compression
    /// that is undone.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Body,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("headers", &Names(&self.headers))
            .field("body", &self.body)
            .finish()
    }
}

/// Header fields without their values.
struct Names<'a>(&'a HeaderMap);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The guarded HTTP client: the only part of the host that opens sockets to
/// other machines. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct Transport {
    /// Two pools of connections, so that one that was opened under the rules of
    /// a local connection never serves another.
    public: Client,
    local: Client,
    pub(super) connect_timeout: Duration,
    pub(super) exchanges: Dialer,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

impl Transport {
    /// Sets the client up. Nothing is connected yet.
    ///
    /// # Errors
    /// A root certificate that cannot be used, or TLS without any.
    pub fn new(config: TransportConfig) -> Result<Self, TransportSetupError> {
        let tls = tls::config(&config.extra_roots)?;
        let client = |rule| {
            Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .dns_resolver(Guard::new(Arc::clone(&config.resolver), rule))
                .no_proxy()
                .redirect(redirect::Policy::none())
                .referer(false)
                // Decompressed here, where both sizes can be counted. Said for
                // each, since another crate may turn the features on.
                .no_gzip()
                .no_brotli()
                .no_zstd()
                .no_deflate()
                .user_agent(&config.user_agent)
                .connect_timeout(config.connect_timeout)
                .pool_idle_timeout(IDLE_CONNECTION)
                .http1_max_headers(MAX_HEADER_FIELDS)
                .http2_max_header_list_size(MAX_HEADER_BYTES)
                .http2_adaptive_window(true)
                .tcp_nodelay(true)
                .build()
                .map_err(|error| TransportSetupError::Client(innermost(&error)))
        };
        Ok(Self {
            public: client(Rule::Public)?,
            local: client(Rule::Local)?,
            connect_timeout: config.connect_timeout,
            exchanges: Dialer::new(tls, &config)?,
        })
    }

    /// Sends one request and waits for the head of its answer. Redirects within
    /// the origin are followed for GET and HEAD.
    ///
    /// # Errors
    /// See [`TransportError`]. A status of 400 or more is an answer.
    pub async fn send(
        &self,
        request: Outgoing,
        policy: &AddressPolicy,
    ) -> Result<Answer, TransportError> {
        let Outgoing {
            method,
            mut url,
            headers,
            body,
            head_timeout,
        } = request;
        let headers = self
            .prepare(headers)
            .map_err(|reason| refused(&url, reason))?;
        let limit = head_timeout.clamp(Duration::from_millis(1), MAX_HEAD_TIMEOUT);
        let deadline = Instant::now() + limit;
        let client = self.client(policy);
        for _ in 0..=MAX_REDIRECTS {
            policy.check(&url).map_err(|reason| refused(&url, reason))?;
            let mut outgoing = reqwest::Request::new(method.clone(), url.clone());
            *outgoing.headers_mut() = headers.clone();
            *outgoing.body_mut() = body.clone().map(reqwest::Body::from);
            let response = match timeout_at(deadline, client.execute(outgoing)).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(self.failure(&url, error)),
                Err(_) => {
                    return Err(TransportError::TimedOut {
                        host: host_of(&url),
                        part: Part::Head,
                        limit,
                        maybe_sent: true,
                    });
                }
            };
            check_head(&response)?;
            match redirect_target(&method, &url, &response) {
                Ok(None) => return answer(&url, response),
                Ok(Some(target)) => url = target,
                Err(reason) => return Err(redirect_refused(&url, reason)),
            }
        }
        Err(redirect_refused(&url, RedirectRefusal::TooMany))
    }

    /// Sends one request whose body goes up as it comes, and waits for the head
    /// of its answer. `request.body` is not looked at. Redirects are not followed.
    ///
    /// The network has [`BODY_IDLE`] to take each part; the head of the answer
    /// has `head_timeout` from the end of the body.
    ///
    /// # Errors
    /// [`TransportError::BadBody`] if the body is not what was promised; otherwise
    /// as [`Self::send`]. An error before the end of the body was handed to the
    /// network says that the request was not sent.
    pub async fn send_stream(
        &self,
        request: Outgoing,
        mut body: Upload,
        policy: &AddressPolicy,
    ) -> Result<Answer, TransportError> {
        let url = request.url;
        let mut headers = self
            .prepare(request.headers)
            .map_err(|reason| refused(&url, reason))?;
        policy.check(&url).map_err(|reason| refused(&url, reason))?;
        if let Some(length) = body.length() {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        let limit = request
            .head_timeout
            .clamp(Duration::from_millis(1), MAX_HEAD_TIMEOUT);
        let watch = body.begin(limit);
        // No body is asked for at all then, and what there is would pass unseen.
        if body.length() == Some(0)
            && let Some(Err(flaw)) = body.next().await
        {
            let host = host_of(&url);
            return Err(TransportError::BadBody { host, flaw });
        }
        let mut outgoing = reqwest::Request::new(request.method, url.clone());
        *outgoing.headers_mut() = headers;
        *outgoing.body_mut() = Some(reqwest::Body::wrap_stream(body));
        let sent = self.client(policy).execute(outgoing);
        let response = match watch.patience.of(sent).await {
            Some(Ok(response)) => response,
            Some(Err(error)) => {
                let host = host_of(&url);
                return Err(match watch.flaw() {
                    Some(flaw) => TransportError::BadBody { host, flaw },
                    None if watch.is_whole() => self.failure(&url, error),
                    None => self.failure(&url, error).never_sent(),
                });
            }
            None => {
                let is_whole = watch.is_whole();
                let (part, limit) = match is_whole {
                    true => (Part::Head, limit),
                    false => (Part::Request, BODY_IDLE),
                };
                return Err(TransportError::TimedOut {
                    host: host_of(&url),
                    part,
                    limit,
                    maybe_sent: is_whole,
                });
            }
        };
        check_head(&response)?;
        if response.status().is_redirection() && response.headers().contains_key(LOCATION) {
            return Err(redirect_refused(&url, RedirectRefusal::Method));
        }
        answer(&url, response)
    }

    const fn client(&self, policy: &AddressPolicy) -> &Client {
        match policy {
            AddressPolicy::Public => &self.public,
            AddressPolicy::Local { .. } => &self.local,
        }
    }

    /// Checks the caller's header fields and adds our own.
    fn prepare(&self, mut headers: HeaderMap) -> Result<HeaderMap, Refusal> {
        if headers.keys().any(is_ours) {
            return Err(Refusal::Header);
        }
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if let Some(value) = headers.get_mut(AUTHORIZATION) {
            // Keeps it out of HTTP/2's table of repeated fields, and of Debug.
            value.set_sensitive(true);
        }
        Ok(headers)
    }

    fn failure(&self, url: &Url, error: reqwest::Error) -> TransportError {
        let error = error.without_url();
        let host = host_of(url);
        if let Some(ResolveError::Refused(reason)) = find::<ResolveError>(&error) {
            let reason = *reason;
            return TransportError::Refused { host, reason };
        }
        if !error.is_connect() {
            let cause = innermost(&error);
            return TransportError::Broken {
                host,
                cause,
                maybe_sent: true,
            };
        }
        if error.is_timeout() {
            return TransportError::TimedOut {
                host,
                part: Part::Head,
                limit: self.connect_timeout,
                maybe_sent: false,
            };
        }
        let cause = innermost(&error);
        TransportError::Unreachable { host, cause }
    }
}

/// Fields that frame the message or belong to one hop: two opinions about them
/// are how requests are smuggled.
fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(
        name,
        "host"
            | "connection"
            | "content-length"
            | "transfer-encoding"
            | "te"
            | "trailer"
            | "upgrade"
            | "keep-alive"
            | "expect"
            | "accept-encoding"
            | "http2-settings"
    ) || name.starts_with("proxy-")
}

fn check_head(response: &Response) -> Result<(), TransportError> {
    let fields = response.headers();
    let bytes: usize = fields
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if fields.len() > MAX_HEADER_FIELDS || bytes > MAX_HEADER_BYTES as usize {
        return Err(TransportError::TooLarge {
            part: Part::Head,
            limit: u64::from(MAX_HEADER_BYTES),
        });
    }
    Ok(())
}

/// Where to go on, if the answer is a redirect.
fn redirect_target(
    method: &Method,
    url: &Url,
    response: &Response,
) -> Result<Option<Url>, RedirectRefusal> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION) else {
        return Ok(None);
    };
    if method != Method::GET && method != Method::HEAD {
        return Err(RedirectRefusal::Method);
    }
    if location.len() > MAX_LOCATION_BYTES {
        return Err(RedirectRefusal::Malformed);
    }
    let target = location
        .to_str()
        .ok()
        .and_then(|location| url.join(location).ok())
        .ok_or(RedirectRefusal::Malformed)?;
    // Scheme, host and port: this covers https to http as well.
    if target.origin() != url.origin()
        || !target.username().is_empty()
        || target.password().is_some()
    {
        return Err(RedirectRefusal::Origin);
    }
    Ok(Some(target))
}

fn answer(url: &Url, response: Response) -> Result<Answer, TransportError> {
    let host = host_of(url);
    let status = response.status();
    let mut headers = response.headers().clone();
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    let encoding = encodings.next().map_or(&b""[..], HeaderValue::as_bytes);
    let gzip = match encoding.trim_ascii().to_ascii_lowercase().as_slice() {
        b"" | b"identity" => false,
        b"gzip" | b"x-gzip" => true,
        // Only gzip was offered; a list of encodings is nested compression.
        _ => return Err(unasked(host)),
    };
    if encodings.next().is_some() {
        return Err(unasked(host));
    }
    if gzip {
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
    }
    Ok(Answer {
        status,
        headers,
        body: Body::new(host, response, gzip),
    })
}

fn unasked(host: String) -> TransportError {
    TransportError::Broken {
        host,
        cause: "it is encoded in a way that was not asked for".to_owned(),
        maybe_sent: true,
    }
}

pub(super) fn refused(url: &Url, reason: Refusal) -> TransportError {
    let host = host_of(url);
    TransportError::Refused { host, reason }
}

fn redirect_refused(url: &Url, reason: RedirectRefusal) -> TransportError {
    let host = host_of(url);
    TransportError::RedirectRefused { host, reason }
}

pub(super) fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_that_leaves_tls_or_the_port_is_to_another_origin() {
        let url = Url::parse("https://api.example.com/a").unwrap();
        let target = |location: &str| {
            let answer = http::Response::builder()
                .status(307)
                .header(LOCATION, location);
            redirect_target(&Method::GET, &url, &answer.body("").unwrap().into())
        };
        for elsewhere in [
            "http://api.example.com/a",
            "http://api.example.com:443/a",
            "https://api.example.com:8443/a",
            "https://user@api.example.com/a",
            "//api.example.com:80/a",
        ] {
            assert_eq!(
                target(elsewhere),
                Err(RedirectRefusal::Origin),
                "{elsewhere}"
            );
        }
        assert_eq!(
            target("/b").unwrap().unwrap().as_str(),
            "https://api.example.com/b"
        );
    }
}
