//! The service's API: requests as JSON, and answers as what they hold or as errors.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::exports::lockgate::connector::records::Error;
use crate::fault::{self, Effect, unexpected};
use crate::host::{Header, Host, Method, Request};

/// One connection's API.
#[derive(Debug)]
pub(crate) struct Api<H> {
    pub(crate) host: H,
}

impl<H: Host> Api<H> {
    pub(crate) const fn new(host: H) -> Self {
        Self { host }
    }

    /// Reads what is at a path.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: Vec<(String, String)>,
    ) -> Result<T, Error> {
        let request = request(Method::Get, path, query, None);
        self.answer(request, Effect::Read).await
    }

    /// Posts a body.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        effect: Effect,
    ) -> Result<T, Error> {
        let body = Some(body.to_string().into_bytes());
        let request = request(Method::Post, path, Vec::new(), body);
        self.answer(request, effect).await
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        request: Request,
        effect: Effect,
    ) -> Result<T, Error> {
        let sent = self.host.send(request).await;
        let answer = sent.map_err(|lost| fault::without_answer(&lost, effect))?;
        if !(200..300).contains(&answer.status) {
            return Err(fault::of_answer(answer.status, &answer.body, effect));
        }
        serde_json::from_slice(&answer.body).map_err(|error| match effect {
            Effect::Read => unexpected(&format!(
                "an answer in the form of the mailing list, and line {} column {} is not",
                error.line(),
                error.column()
            )),
            Effect::Write => Error::UnknownOutcome,
        })
    }
}

fn request(
    method: Method,
    path: &str,
    query: Vec<(String, String)>,
    body: Option<Vec<u8>>,
) -> Request {
    let mut headers = vec![header("Accept")];
    if body.is_some() {
        headers.push(header("Content-Type"));
    }
    Request {
        method,
        path: path.to_owned(),
        query,
        headers,
        body,
        timeout_ms: 0,
    }
}

fn header(name: &str) -> Header {
    Header {
        name: name.to_owned(),
        value: "application/json".to_owned(),
    }
}
