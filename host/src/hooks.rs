//! Webhooks of a product as plain values: what goes to the connector, and what it
//! makes of a request, held against the contract.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};

use crate::bindings::connector::exports::lockgate::connector::hooks as wit;
use crate::error::Error;
use crate::events::{Event, Flaw, events};
use crate::records::bounded;

/// How long a connector may look at a request. The contract promises it.
pub(crate) const LONGEST_CALL: Duration = Duration::from_secs(30);

/// Header fields of a request. The contract promises it.
pub(crate) const MAX_HEADERS: usize = 64;

/// The longest value of a header field, in bytes. The contract promises it.
const MAX_VALUE_BYTES: usize = 8 * 1024;

/// The longest name of a header field, in bytes. The contract promises it.
const MAX_NAME_BYTES: usize = 256;

/// The longest query, in bytes. The contract promises it.
const MAX_QUERY_BYTES: usize = 8 * 1024;

/// The largest body of a request, in bytes. The contract promises it.
pub(crate) const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// The largest body of an answer, in bytes. The contract promises it.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The longest media type of an answer, in bytes. The contract promises it.
const MAX_TYPE_BYTES: usize = 256;

/// Fields of the connection between two machines rather than of the request, and
/// cookies, which nobody here has set.
const NOT_HANDED_ON: [HeaderName; 10] = [
    header::CONNECTION,
    header::COOKIE,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// What a connector made of a request that the product sent.
#[derive(Clone, Debug)]
pub enum Received {
    /// It is from the org of the connection. Keep the events first, and only then
    /// give the answer, by which the product knows that it need not send them again.
    Accepted {
        /// What it tells of, at most 1,000; none if it only asks whether somebody is
        /// there. What is sent twice has the same id.
        events: Vec<Event>,
        /// What the product takes for success.
        answer: Response<Bytes>,
    },
    /// It is malformed, or of somebody else.
    Refused {
        /// Why, for the operator.
        reason: String,
        /// To be given at once; its status is 400 or more.
        answer: Response<Bytes>,
    },
}

/// The request as the contract has it.
///
/// # Errors
/// [`Error::Input`] if it is larger than the contract allows.
pub(crate) fn request(request: &Request<Bytes>) -> Result<wit::Request, Error> {
    let too_large = |what: &str| Err(Error::Input(format!("the request has {what}")));
    let query = request.uri().query().unwrap_or_default();
    if query.len() > MAX_QUERY_BYTES {
        return too_large("a query that is too long");
    }
    if request.body().len() > MAX_BODY_BYTES {
        return too_large("a body that is too large");
    }
    let mut headers = Vec::new();
    for (name, value) in request.headers() {
        if NOT_HANDED_ON.contains(name) {
            continue;
        }
        let Ok(value) = value.to_str() else { continue };
        if headers.len() == MAX_HEADERS
            || name.as_str().len() > MAX_NAME_BYTES
            || value.len() > MAX_VALUE_BYTES
        {
            return too_large("too many header fields, or one that is too long");
        }
        headers.push(wit::Header {
            name: name.as_str().to_owned(),
            value: value.to_owned(),
        });
    }
    Ok(wit::Request {
        method: request.method().as_str().to_owned(),
        query: query.to_owned(),
        headers,
        body: request.body().to_vec(),
    })
}

/// Takes over what a connector made of a request, whole or not at all.
pub(crate) fn received(outcome: wit::Outcome) -> Result<Received, Flaw> {
    Ok(match outcome {
        wit::Outcome::Accepted(accepted) => Received::Accepted {
            answer: answer(accepted.answer)?,
            events: events(accepted.events)?,
        },
        wit::Outcome::Refused(refused) => {
            let answer = answer(refused.answer)?;
            if answer.status() < StatusCode::BAD_REQUEST {
                let status = answer.status().as_u16();
                return Err(Flaw::Broken(format!("a refusal with status {status}")));
            }
            Received::Refused {
                reason: bounded(&refused.reason),
                answer,
            }
        }
    })
}

fn answer(told: wit::Answer) -> Result<Response<Bytes>, Flaw> {
    let broken = |what: &str| Flaw::Broken(format!("its answer has {what}"));
    let status = StatusCode::from_u16(told.status).ok();
    let status = status
        .filter(|status| (200..=599).contains(&status.as_u16()))
        .ok_or_else(|| broken("a status that is none"))?;
    if told.body.len() > MAX_ANSWER_BYTES {
        return Err(broken("a body that is too large"));
    }
    let mut answer = Response::new(Bytes::from(told.body));
    *answer.status_mut() = status;
    if !told.content_type.is_empty() {
        let is_long = told.content_type.len() > MAX_TYPE_BYTES;
        let kind = HeaderValue::try_from(told.content_type).ok();
        let kind = kind.filter(|_| !is_long);
        let kind = kind.ok_or_else(|| broken("a media type that is none"))?;
        answer.headers_mut().insert(CONTENT_TYPE, kind);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_the_connection_of_two_machines_is_not_handed_on() {
        let came = Request::post("/hooks/secret?a=%20b")
            .header("Cookie", "a=b")
            .header("Connection", "keep-alive")
            .header("X-Name", "one")
            .header("X-Binary", &b"\xff"[..])
            .header("X-Name", "two")
            .body(Bytes::from_static(b"\0body"))
            .unwrap();
        let handed = request(&came).unwrap();
        assert_eq!(
            (handed.method.as_str(), handed.query.as_str()),
            ("POST", "a=%20b")
        );
        let headers: Vec<_> = handed
            .headers
            .iter()
            .map(|header| (header.name.as_str(), header.value.as_str()))
            .collect();
        assert_eq!(headers, [("x-name", "one"), ("x-name", "two")]);
        assert_eq!(handed.body, b"\0body");
    }

    #[test]
    fn what_is_larger_than_the_contract_allows_never_reaches_a_guest() {
        let mut many = Request::post("/").body(Bytes::new()).unwrap();
        for at in 0..=MAX_HEADERS {
            let name = HeaderName::try_from(format!("x-{at}")).unwrap();
            many.headers_mut()
                .insert(name, HeaderValue::from_static("1"));
        }
        let long = Request::post("/").header("x-long", "l".repeat(MAX_VALUE_BYTES + 1));
        let query = Request::post(format!("/?{}", "q".repeat(MAX_QUERY_BYTES + 1)));
        let body = Request::post("/").body(Bytes::from(vec![0; MAX_BODY_BYTES + 1]));
        for wrong in [
            many,
            long.body(Bytes::new()).unwrap(),
            query.body(Bytes::new()).unwrap(),
            body.unwrap(),
        ] {
            assert!(matches!(request(&wrong), Err(Error::Input(_))));
        }
    }
}
