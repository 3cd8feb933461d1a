//! One request, and what its answer means.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use tokio::time::{Instant, timeout};
use url::Url;

use super::Endpoint;
use super::retries::asked_pause;
use crate::capability::clock::now_ms;
use crate::transport::{
    AddressPolicy, Answer, Outgoing, RedirectRefusal, Transport, TransportError, clean,
};
use crate::webhook::sign;

/// How long an endpoint may take until the head of its answer is there. The
/// specification recommends 15 to 30 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// How long it may take for what is read of its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest that [`Wire::send`] takes, with time to spare.
pub(super) const LONGEST_SEND: Duration = Duration::from_secs(40);

/// How much of a body is read, in bytes: enough for a reason.
const READ_BYTES: usize = 1024;

/// What an endpoint did with a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tested {
    /// It answered.
    Answered {
        /// The status; 200 to 299 means that it has taken it.
        status: u16,
        /// The beginning of the body, at most some 256 bytes, with control characters
        /// escaped.
        body: String,
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
    /// It gave no answer.
    NotReached {
        /// Why.
        problem: String,
    },
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It was taken.
    Taken,
    /// The endpoint wants nothing any more.
    Gone(String),
    /// It was not taken.
    Refused {
        problem: String,
        /// The pause that the endpoint asks for.
        asked: Option<Duration>,
        /// It cannot be reached, or cannot keep up.
        is_overloaded: bool,
    },
}

/// Why there was no answer.
struct NotAnswered {
    problem: String,
    /// It cannot be reached.
    is_overloaded: bool,
}

/// The way to an endpoint.
pub(super) struct Wire {
    pub(super) transport: Transport,
    pub(super) url: Url,
    pub(super) policy: AddressPolicy,
}

/// An answer, read as far as it is of interest.
struct Heard {
    status: StatusCode,
    asked: Option<Duration>,
    body: String,
}

impl Wire {
    /// Signs and sends a body once.
    pub(super) async fn send(&self, endpoint: &Endpoint, id: &str, body: Vec<u8>) -> Sent {
        match self.post(endpoint, id, body).await {
            Ok(heard) => sorted(heard),
            Err(NotAnswered {
                problem,
                is_overloaded,
            }) => Sent::Refused {
                problem,
                asked: None,
                is_overloaded,
            },
        }
    }

    /// The same, for a person who looks on.
    pub(super) async fn test(&self, endpoint: &Endpoint, id: &str, body: Vec<u8>) -> Tested {
        let begun = Instant::now();
        match self.post(endpoint, id, body).await {
            Ok(heard) => Tested::Answered {
                status: heard.status.as_u16(),
                body: heard.body,
                took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            },
            Err(NotAnswered { problem, .. }) => Tested::NotReached { problem },
        }
    }

    async fn post(
        &self,
        endpoint: &Endpoint,
        id: &str,
        body: Vec<u8>,
    ) -> Result<Heard, NotAnswered> {
        let headers = headers(endpoint, id, &body).map_err(|problem| NotAnswered {
            problem,
            is_overloaded: false,
        })?;
        let request = Outgoing {
            method: Method::POST,
            url: self.url.clone(),
            headers,
            body: Some(Bytes::from(body)),
            head_timeout: ANSWER_TIMEOUT,
        };
        match self.transport.send(request, &self.policy).await {
            Ok(answer) => Ok(heard(answer).await),
            Err(error) => Err(not_answered(&error)),
        }
    }
}

fn headers(endpoint: &Endpoint, id: &str, body: &[u8]) -> Result<HeaderMap, String> {
    let secrets = endpoint.secrets_at(now_ms());
    let signed = sign(&secrets, id, SystemTime::now(), body).map_err(|error| error.to_string())?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in signed.headers() {
        let value = HeaderValue::from_str(&value).map_err(|error| error.to_string())?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(headers)
}

/// Reads of an answer what is of interest, and lets the rest be.
async fn heard(answer: Answer) -> Heard {
    let asked = answer.headers.get(RETRY_AFTER);
    let asked = asked.and_then(|value| asked_pause(value, SystemTime::now()));
    let mut body = answer.body;
    let mut read = Vec::new();
    let reading = async {
        // A body that breaks off changes nothing of the status.
        while let Some(Ok(part)) = body.chunk().await {
            read.extend_from_slice(&part);
            if read.len() >= READ_BYTES {
                break;
            }
        }
    };
    // What came until then is shown.
    let _ = timeout(BODY_TIMEOUT, reading).await;
    read.truncate(READ_BYTES);
    Heard {
        status: answer.status,
        asked,
        body: clean(&String::from_utf8_lossy(&read)),
    }
}

fn sorted(heard: Heard) -> Sent {
    let status = heard.status;
    if status.is_success() {
        return Sent::Taken;
    }
    let mut problem = format!("it answered {}", status.as_u16());
    if !heard.body.is_empty() {
        problem.push_str(": ");
        problem.push_str(&heard.body);
    }
    if status == StatusCode::GONE {
        return Sent::Gone(problem);
    }
    Sent::Refused {
        problem,
        asked: heard.asked,
        is_overloaded: matches!(status.as_u16(), 429 | 502..=504),
    }
}

fn not_answered(error: &TransportError) -> NotAnswered {
    let problem = match error {
        TransportError::RedirectRefused {
            reason: RedirectRefusal::Method,
            ..
        } => "it answered with a redirect, which is not followed: give the address that it \
              leads to"
            .to_owned(),
        other => other.to_string(),
    };
    NotAnswered {
        problem,
        is_overloaded: error.is_passing(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::TransportConfig;
    use crate::transport::loopback::{Loopback, Seen, Step, reply};
    use crate::webhook::{Secret, verify};

    async fn wire(answer: impl Fn(Seen) -> Vec<Step> + Send + Sync + 'static) -> (Loopback, Wire) {
        let server = Loopback::start(answer).await;
        let wire = Wire {
            transport: Transport::new(TransportConfig::default()).unwrap(),
            url: server.url("/hooks?k=v"),
            policy: AddressPolicy::Local {
                origins: vec![server.url("/")],
            },
        };
        (server, wire)
    }

    fn endpoint() -> Endpoint {
        let secret = Secret::generate().unwrap();
        Endpoint::new("app", "http://127.0.0.1/", secret, &["Contact"])
    }

    async fn sent(answer: impl Fn(Seen) -> Vec<Step> + Send + Sync + 'static) -> Sent {
        let (_server, wire) = wire(answer).await;
        wire.send(&endpoint(), "e-1", b"{}".to_vec()).await
    }

    #[tokio::test]
    async fn a_request_verifies_with_the_secret_and_has_its_body_byte_by_byte() {
        let (server, wire) = wire(|_| reply(204, &[], b"")).await;
        let endpoint = endpoint();
        let body = r#"{"type":"record.updated"}"#;
        let sent = wire.send(&endpoint, "e-1", body.into()).await;
        assert_eq!(sent, Sent::Taken);
        let seen = server.requests().remove(0);
        assert_eq!((seen.method.as_str(), seen.body.as_str()), ("POST", body));
        assert_eq!(seen.target, "/hooks?k=v");
        assert_eq!(seen.header("content-type"), Some("application/json"));
        let header = |name: &str| seen.header(name).map(str::as_bytes);
        let secrets = [endpoint.secrets[0].secret.clone()];
        let verified = verify(&secrets, header, seen.body.as_bytes(), SystemTime::now());
        assert_eq!(verified.unwrap().id, "e-1");
    }

    #[tokio::test]
    async fn each_status_means_what_the_specification_says() {
        for (status, is_overloaded) in [(400, false), (500, false), (429, true), (503, true)] {
            let sent = sent(move |_| reply(status, &[("retry-after", "7")], b"no\x1b[2J")).await;
            let problem = format!("it answered {status}: no\\u{{1b}}[2J");
            let asked = Some(Duration::from_secs(7));
            let refused = Sent::Refused {
                problem,
                asked,
                is_overloaded,
            };
            assert_eq!(sent, refused);
        }
        let gone = sent(|_| reply(410, &[], b"")).await;
        assert_eq!(gone, Sent::Gone("it answered 410".to_owned()));
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let (server, wire) = wire(|seen| match seen.target.as_str() {
            "/elsewhere" => reply(200, &[], b""),
            _ => reply(307, &[("location", "/elsewhere")], b""),
        })
        .await;
        let sent = wire.send(&endpoint(), "e-1", b"{}".to_vec()).await;
        let Sent::Refused { problem, .. } = sent else {
            panic!("{sent:?}");
        };
        assert!(problem.contains("redirect"), "{problem}");
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test]
    async fn of_an_endless_answer_only_the_beginning_is_read() {
        let endless = |_: Seen| {
            let mut steps = vec![Step::Send(
                b"HTTP/1.1 500 X\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
            )];
            steps.push(Step::Send(
                [b"1000\r\n", [b'x'; 4096].as_slice(), b"\r\n"].concat(),
            ));
            // The end never comes.
            steps.push(Step::Wait(Box::pin(std::future::pending())));
            steps
        };
        let Sent::Refused { problem, .. } = sent(endless).await else {
            panic!("it was taken");
        };
        assert!(problem.starts_with("it answered 500: xxx"), "{problem}");
        assert!(problem.len() < 300, "{}", problem.len());
    }

    #[tokio::test]
    async fn an_address_that_nobody_listens_on_is_told_and_left_in_peace() {
        let (server, mut wire) = wire(|_| reply(200, &[], b"")).await;
        let nowhere = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        wire.url = Url::parse(&format!("http://{}/", nowhere.local_addr().unwrap())).unwrap();
        drop(nowhere);
        wire.policy = AddressPolicy::Local {
            origins: vec![wire.url.clone()],
        };
        let sent = wire.send(&endpoint(), "e-1", b"{}".to_vec()).await;
        let Sent::Refused {
            problem,
            is_overloaded,
            ..
        } = sent
        else {
            panic!("{sent:?}");
        };
        assert!(
            is_overloaded && problem.contains("cannot be reached"),
            "{problem}"
        );
        assert!(server.requests().is_empty());
    }

    #[tokio::test]
    async fn a_test_shows_the_answer() {
        let (_server, wire) = wire(|_| reply(401, &[], b"who are you?\n")).await;
        let tested = wire.test(&endpoint(), "test_1", b"{}".to_vec()).await;
        let Tested::Answered { status, body, .. } = tested else {
            panic!("{tested:?}");
        };
        assert_eq!((status, body.as_str()), (401, "who are you?"));
    }
}
