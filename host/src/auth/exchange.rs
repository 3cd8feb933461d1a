//! Requests to the token and revocation endpoints, and what their answers mean.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
};
use oauth2::{
    AsyncHttpClient, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, StandardRevocableToken, TokenUrl,
};
use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::answer::{Expected, Granted, TokenAnswer};
use super::error::{AuthError, Setting};
use super::login::Place;
use super::quoted;
use super::{MAX_PAUSE, MAX_TOKEN_ANSWER_BYTES, PAUSE_AFTER_FAILURE, TOKEN_TIMEOUT};
use crate::manifest::AuthManifest;
use crate::transport::{OriginUrl, Outgoing, Transport, TransportError, clean};

/// The grant type of RFC 7523.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The client of the `oauth2` crate, with our reader of answers.
pub(super) type OauthClient = Client<
    BasicErrorResponse,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Why an exchange brought no tokens.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The grant is dead.
    #[error("the grant is dead: {0}")]
    Dead(String),
    /// No answer came, but the request may have been carried out.
    #[error("the answer was lost: {0}")]
    Lost(AuthError),
    /// Everything else.
    #[error(transparent)]
    Other(AuthError),
}

/// An answer, read whole.
struct Answered {
    status: StatusCode,
    retry_after: Option<Duration>,
    date: Option<HeaderValue>,
    body: Bytes,
}

/// One connection's way to its login host.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) transport: Transport,
    pub(super) auth: Arc<AuthManifest>,
    pub(super) place: Place,
    pub(super) client_id: String,
    pub(super) client_secret: Option<SecretString>,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange")
            .field("login", &self.place.login.as_str())
            .finish_non_exhaustive()
    }
}

impl Exchange {
    /// The `oauth2` crate's client for this connection.
    pub(super) fn client(&self) -> Result<OauthClient, AuthError> {
        let authorize = self.endpoint(&self.auth.authorize_path)?;
        let token = self.endpoint(&self.auth.token_path)?;
        let mut client = Client::new(ClientId::new(self.client_id.clone()))
            .set_auth_type(oauth2::AuthType::RequestBody)
            .set_auth_uri(AuthUrl::from_url(authorize))
            .set_token_uri(TokenUrl::from_url(token));
        if let Some(secret) = &self.client_secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
        }
        Ok(client)
    }

    /// Exchanges an authorization code.
    pub(super) async fn code(
        &self,
        code: &SecretString,
        verifier: &SecretString,
        redirect: RedirectUrl,
    ) -> Result<Granted, Failure> {
        let client = self.client().map_err(Failure::Other)?;
        let answer = client
            .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()))
            .set_redirect_uri(std::borrow::Cow::Owned(redirect))
            .request_async(self)
            .await;
        self.read(answer, true)
    }

    /// Refreshes.
    pub(super) async fn refresh(&self, refresh: &SecretString) -> Result<Granted, Failure> {
        let client = self.client().map_err(Failure::Other)?;
        let token = RefreshToken::new(refresh.expose_secret().to_owned());
        let answer = client
            .exchange_refresh_token(&token)
            .request_async(self)
            .await;
        self.read(answer, true)
    }

    /// Asks for a token with the client's own credentials.
    pub(super) async fn client_credentials(&self) -> Result<Granted, Failure> {
        let client = self.client().map_err(Failure::Other)?;
        let answer = client
            .exchange_client_credentials()
            .request_async(self)
            .await;
        self.read(answer, true)
    }

    /// Asks for a token with a signed assertion. The `oauth2` crate does not know
    /// this grant; the answer is read as all others are. A refusal comes with the time
    /// at the login host, in milliseconds since 1970, if it tells.
    pub(super) async fn assertion(
        &self,
        assertion: &SecretString,
    ) -> Result<Granted, (Failure, Option<u64>)> {
        let url = self.endpoint(&self.auth.token_path);
        let url = url.map_err(|error| (Failure::Other(error), None))?;
        let form = form(&[
            ("grant_type", JWT_BEARER),
            ("assertion", assertion.expose_secret()),
        ]);
        let response = self.post(url, form_headers(), form).await;
        let response = response.map_err(|failure| (failure, None))?;
        let body = response.body().as_slice();
        let answer = if response.status() == StatusCode::OK {
            serde_json::from_slice(body).map_err(|_| RequestTokenError::Other(String::new()))
        } else {
            match serde_json::from_slice::<BasicErrorResponse>(body) {
                Ok(error) => Err(RequestTokenError::ServerResponse(error)),
                Err(_) => Err(RequestTokenError::Other(String::new())),
            }
        };
        // Products sign only answers to clients that have shown their secret.
        let granted = self.read(answer, false);
        granted.map_err(|failure| (failure, time_of(response.headers())))
    }

    /// Revokes a token (RFC 7009). One that is not good any more counts as
    /// revoked.
    pub(super) async fn revoke(&self, path: &str, token: &SecretString) -> Result<(), AuthError> {
        let url = self.endpoint(path)?;
        let mut fields = vec![
            ("token", token.expose_secret()),
            ("client_id", self.client_id.as_str()),
        ];
        if let Some(secret) = &self.client_secret {
            fields.push(("client_secret", secret.expose_secret()));
        }
        let answer = self.answer(url, form_headers(), form(&fields)).await;
        let (status, body) = match answer {
            Ok(answered) => (answered.status, answered.body),
            Err(Failure::Lost(error) | Failure::Other(error)) => return Err(error),
            Err(Failure::Dead(reason)) => return Err(self.unavailable(reason, None)),
        };
        if status.is_success() {
            return Ok(());
        }
        match serde_json::from_slice::<BasicErrorResponse>(&body) {
            Ok(error) if matches!(error.error().as_ref(), "invalid_token") => Ok(()),
            Ok(error) => match self.refusal(status, &error) {
                Failure::Dead(_) => Ok(()),
                Failure::Lost(error) | Failure::Other(error) => Err(error),
            },
            Err(_) => Err(self.unavailable(format!("it answered {status}"), None)),
        }
    }

    fn endpoint(&self, path: &str) -> Result<Url, AuthError> {
        OriginUrl::build(&self.place.login, path, &[])
            .map_err(|error| AuthError::BadLogin(error.to_string()))
    }

    /// Posts to the token endpoint. Gives JSON only: of a success, or of a
    /// refusal that can be read.
    async fn post(
        &self,
        url: Url,
        headers: HeaderMap,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<HttpResponse, Failure> {
        let Answered {
            status,
            retry_after,
            date,
            body,
        } = self.answer(url, headers, body).await?;
        let passing = |cause: String| Failure::Other(self.unavailable(cause, retry_after));
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(passing(format!("it answered {status}")));
        }
        // A page of a proxy, of maintenance, of a firewall: never an answer.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(passing(format!("it answered {status} without JSON")));
        }
        // Without a content type, which products get wrong: it is JSON.
        let mut response = HttpResponse::new(body.to_vec());
        *response.status_mut() = status;
        if let Some(date) = date {
            response.headers_mut().insert(DATE, date);
        }
        Ok(response)
    }

    /// Posts a form, and reads the whole answer in time. A refusal comes without
    /// the secrets that it may quote.
    async fn answer(
        &self,
        url: Url,
        headers: HeaderMap,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<Answered, Failure> {
        let request = Outgoing {
            method: Method::POST,
            url,
            headers,
            body: Some(Bytes::copy_from_slice(&body)),
            head_timeout: TOKEN_TIMEOUT,
        };
        let exchange = async {
            let answer = self.transport.send(request, &self.place.policy).await?;
            let seconds = answer.headers.get(RETRY_AFTER);
            let retry_after = seconds
                .and_then(|value| value.to_str().ok()?.trim().parse().ok())
                .map(Duration::from_secs);
            Ok(Answered {
                status: answer.status,
                retry_after,
                date: answer.headers.get(DATE).cloned(),
                body: answer.body.collect(MAX_TOKEN_ANSWER_BYTES).await?,
            })
        };
        match timeout(TOKEN_TIMEOUT, exchange).await {
            Ok(Ok(granted)) if granted.status == StatusCode::OK => Ok(granted),
            Ok(Ok(refused)) => Ok(Answered {
                body: quoted::taken_out(&body, refused.body),
                ..refused
            }),
            Ok(Err(error)) => Err(self.transport_failure(error)),
            Err(_) => Err(Failure::Lost(
                self.unavailable(format!("it took longer than {TOKEN_TIMEOUT:?}"), None),
            )),
        }
    }

    fn transport_failure(&self, error: TransportError) -> Failure {
        match error {
            TransportError::Refused { .. } | TransportError::RedirectRefused { .. } => {
                Failure::Other(AuthError::Refused(Arc::new(error)))
            }
            TransportError::TooLarge { .. } | TransportError::Bomb { .. } => {
                Failure::Other(AuthError::BadAnswer {
                    host: self.place.host(),
                    what: error.to_string(),
                })
            }
            error if error.maybe_sent() => Failure::Lost(self.unavailable(error.to_string(), None)),
            error => Failure::Other(self.unavailable(error.to_string(), None)),
        }
    }

    /// Reads what an exchange brought, whichever way it came.
    fn read(
        &self,
        answer: Result<TokenAnswer, RequestTokenError<Failure, BasicErrorResponse>>,
        signs: bool,
    ) -> Result<Granted, Failure> {
        let bad = || {
            Failure::Other(AuthError::BadAnswer {
                host: self.place.host(),
                what: format!(
                    "it is JSON, but neither a token nor an error as RFC 6749 has them; what was \
                     asked is `{}`, the `token_path` of the connector's manifest",
                    self.auth.token_path
                ),
            })
        };
        match answer {
            Ok(answer) => {
                let expected = Expected {
                    auth: &self.auth,
                    place: &self.place,
                    signed_with: self.client_secret.as_ref().filter(|_| signs),
                };
                expected.read(&answer).map_err(Failure::Other)
            }
            Err(RequestTokenError::Request(failure)) => Err(failure),
            Err(RequestTokenError::ServerResponse(error)) => {
                Err(self.refusal(StatusCode::BAD_REQUEST, &error))
            }
            Err(RequestTokenError::Parse(..) | RequestTokenError::Other(_)) => Err(bad()),
        }
    }

    /// What a refusal means: the table of RFC 6749 (5.2), and the manifest's.
    fn refusal(&self, status: StatusCode, error: &BasicErrorResponse) -> Failure {
        let code = clean(error.error().as_ref());
        let said = error.error_description().map_or("", String::as_str);
        let description = clean(said);
        let is_code = |known: &String| known.eq_ignore_ascii_case(error.error().as_ref());
        let lower = said.to_lowercase();
        let passing = |text: &String| lower.contains(&text.to_lowercase());
        if self.auth.dead_grant_errors.iter().any(is_code) {
            if self.auth.passing_descriptions.iter().any(passing) {
                return Failure::Other(self.unavailable(format!("{code}: {description}"), None));
            }
            return Failure::Dead(if description.is_empty() {
                code
            } else {
                format!("{code}: {description}")
            });
        }
        let setting = match code.to_ascii_lowercase().as_str() {
            "invalid_client" | "invalid_client_id" | "invalid_client_credentials" => {
                Setting::Client
            }
            "unauthorized_client" | "unsupported_grant_type" | "invalid_app_access" => {
                Setting::Flow
            }
            "invalid_scope" => Setting::Scopes,
            "redirect_uri_mismatch" | "invalid_redirect_uri" => Setting::RedirectUri,
            "temporarily_unavailable"
            | "server_error"
            | "slow_down"
            | "rate_limit_exceeded"
            | "unknown_error" => {
                return Failure::Other(self.unavailable(format!("{code}: {description}"), None));
            }
            _ if status.is_server_error() => {
                return Failure::Other(self.unavailable(format!("it answered {status}"), None));
            }
            _ => Setting::Other,
        };
        Failure::Other(AuthError::Misconfigured {
            host: self.place.host(),
            code,
            description,
            setting,
        })
    }

    fn unavailable(&self, cause: String, retry_after: Option<Duration>) -> AuthError {
        AuthError::Unavailable {
            host: self.place.host(),
            cause,
            retry_after: retry_after.map_or(PAUSE_AFTER_FAILURE, |asked| {
                asked.clamp(PAUSE_AFTER_FAILURE, MAX_PAUSE)
            }),
        }
    }
}

/// What the `oauth2` crate sends its requests through.
impl<'c> AsyncHttpClient<'c> for Exchange {
    type Error = Failure;
    type Future = BoxFuture<'c, Result<HttpResponse, Failure>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            // The endpoint is taken from what was checked, not from the request.
            let path = &self.auth.token_path;
            let url = self.endpoint(path).map_err(Failure::Other)?;
            let (parts, body) = request.into_parts();
            self.post(url, parts.headers, Zeroizing::new(body)).await
        })
    }
}

/// When an answer was given, by the clock of who gave it.
fn time_of(headers: &HeaderMap) -> Option<u64> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let date = httpdate::parse_http_date(date).ok()?;
    let since = date.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

fn form_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    headers
}

fn form(fields: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    Zeroizing::new(form.into_bytes())
}
