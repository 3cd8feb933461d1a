//! A scripted service for tests: what it answers, in order, and what it was asked.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use serde_json::Value;

use crate::bindings::lockgate::connector::http::Interruption;
use crate::host::{Answer, Host, HttpError, Lost, Method, Request};

/// What the service answers.
#[derive(Debug)]
pub(crate) enum Reply {
    Answer(u16, String),
    Lost(Lost),
}

impl Reply {
    pub(crate) fn ok(body: &str) -> Self {
        Self::Answer(200, body.to_owned())
    }
}

#[derive(Debug, Default)]
struct Script {
    replies: RefCell<VecDeque<Reply>>,
    asked: RefCell<Vec<Request>>,
    now_ms: Cell<u64>,
    each_answer_ms: Cell<u64>,
}

/// The service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fake(Rc<Script>);

impl Fake {
    pub(crate) fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let fake = Self::default();
        fake.0.replies.borrow_mut().extend(replies);
        fake
    }

    pub(crate) fn each_answer_takes(&self, ms: u64) {
        self.0.each_answer_ms.set(ms);
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.0.now_ms.get()
    }

    /// A request as one line.
    pub(crate) fn asked(&self, at: usize) -> String {
        let asked = self.0.asked.borrow();
        let request = &asked[at];
        let method = match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
            other => panic!("{other:?}"),
        };
        let query: Vec<String> = request
            .query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let query = match query.is_empty() {
            true => String::new(),
            false => format!("?{}", query.join("&")),
        };
        format!("{method} {}{query}", request.path)
    }

    pub(crate) fn body(&self, at: usize) -> Value {
        let asked = self.0.asked.borrow();
        serde_json::from_slice(asked[at].body.as_ref().unwrap()).unwrap()
    }
}

impl Host for Fake {
    async fn send(&self, request: Request) -> Result<Answer, Lost> {
        let script = &self.0;
        script.asked.borrow_mut().push(request);
        script
            .now_ms
            .set(script.now_ms.get() + script.each_answer_ms.get());
        let reply = script.replies.borrow_mut().pop_front();
        match reply.expect("a request that the script does not know") {
            Reply::Answer(status, body) => Ok(Answer {
                status,
                body: body.into_bytes(),
            }),
            Reply::Lost(lost) => Err(lost),
        }
    }

    fn monotonic_ms(&self) -> u64 {
        self.0.now_ms.get()
    }
}

/// A connection that broke; whether the request may have arrived.
pub(crate) const fn broken(maybe_sent: bool) -> Lost {
    Lost::Head(HttpError::Unavailable(Interruption {
        maybe_sent,
        retry_after_ms: 700,
    }))
}

/// Runs to the end; nothing here waits for anything outside.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a future that does not end"),
    }
}
