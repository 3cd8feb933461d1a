//! A scripted host for tests: it answers requests in the order of the script and
//! remembers what was asked.

mod batch;
mod script;
mod sheet;
mod table;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::api::Api;
use crate::files::{Clash, Frame};
use crate::host::{
    Answer, BatchFrame, Form, Found, Heard, Host, HttpError, InvalidPart, Level, Lost, Member,
    Method, Opened, Part, QuotaError, Request, Sent, Shape, StreamError, Telling,
};
use crate::settings::Settings;
use script::Script;
pub(crate) use script::{Down, Exchange, Reply, Step, broken, ends, interrupted};
use sheet::Sheet;
use table::{Rows, Table};

/// How much of a content comes at a time, in bytes: little, so that most rows come
/// in several parts.
const PART_BYTES: usize = 17;

/// The scripted host; clones share the script.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fake(pub(crate) Rc<Script>);

impl Fake {
    /// A host whose org serves up to version 62.0, already known.
    pub(crate) fn new() -> Self {
        let fake = Self::default();
        fake.0.now_ms.set(5_000);
        fake.keep("api-versions", r#"{"asked_ms":5000,"majors":[61,62]}"#);
        fake
    }

    pub(crate) fn keep(&self, key: &str, value: &str) {
        self.0
            .stored
            .borrow_mut()
            .insert(key.to_owned(), value.as_bytes().to_vec());
    }

    pub(crate) fn answer(self, status: u16, body: impl Into<String>) -> Self {
        self.0
            .replies
            .borrow_mut()
            .push_back(Reply::Answer(status, body.into()));
        self
    }

    pub(crate) fn rows(self, csv: impl Into<String>, locator: &str) -> Self {
        let rows = Reply::Rows(csv.into(), locator.to_owned());
        self.0.replies.borrow_mut().push_back(rows);
        self
    }

    /// Rows that break off behind this beginning of them.
    pub(crate) fn torn(self, csv: impl Into<String>, locator: &str, error: HttpError) -> Self {
        let torn = Reply::Torn(csv.into(), locator.to_owned(), error);
        self.0.replies.borrow_mut().push_back(torn);
        self
    }

    /// An answer with the validators that a later request may name.
    pub(crate) fn valid(self, status: u16, body: &str, validators: [&'static str; 2]) -> Self {
        let reply = Reply::Valid(status, body.to_owned(), validators);
        self.0.replies.borrow_mut().push_back(reply);
        self
    }

    pub(crate) fn content(self, length: Option<u64>, bytes: &[u8]) -> Self {
        let content = Reply::Content(length, bytes.to_vec());
        self.0.replies.borrow_mut().push_back(content);
        self
    }

    /// An exchange that does this.
    pub(crate) fn exchange(self, steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = steps.into_iter().collect();
        self.0.exchanges.borrow_mut().push_back(Ok(steps));
        self
    }

    /// An exchange that does not come about.
    pub(crate) fn no_exchange(self, error: StreamError) -> Self {
        self.0.exchanges.borrow_mut().push_back(Err(error));
        self
    }

    pub(crate) fn lose(self, lost: Lost) -> Self {
        self.0.replies.borrow_mut().push_back(Reply::Lost(lost));
        self
    }

    pub(crate) fn api(&self) -> Api<Self> {
        self.api_with("{}")
    }

    pub(crate) fn api_with(&self, settings: &str) -> Api<Self> {
        Api::new(self.clone(), Rc::new(Settings::read(settings).unwrap()))
    }

    /// Requests as `GET /path?name=value`, query not encoded.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |request: &Request| {
            let method = match request.method {
                Method::Get => "GET",
                Method::Head => "HEAD",
                Method::Post => "POST",
                Method::Put => "PUT",
                Method::Patch => "PATCH",
                Method::Delete => "DELETE",
            };
            let query: Vec<String> = request
                .query
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let mark = if query.is_empty() { "" } else { "?" };
            format!("{method} {}{mark}{}", request.path, query.join("&"))
        };
        self.0.asked.borrow().iter().map(line).collect()
    }

    pub(crate) fn body(&self, at: usize) -> String {
        let asked = self.0.asked.borrow();
        String::from_utf8(asked[at].body.clone().unwrap_or_default()).unwrap()
    }

    pub(crate) fn header(&self, at: usize, name: &str) -> Option<String> {
        let asked = self.0.asked.borrow();
        asked[at]
            .headers
            .iter()
            .find(|h| h.name == name)
            .map(|h| h.value.clone())
    }

    /// Whether everything in the script was asked for.
    pub(crate) fn is_done(&self) -> bool {
        self.0.replies.borrow().is_empty() && self.0.exchanges.borrow().is_empty()
    }
}

impl Host for Fake {
    type Reserved = ();
    type Down = Down;
    type Up = Vec<u8>;
    type Table = Table;
    type Rows = Rows;
    type Batch = Vec<u8>;
    type Written = Vec<Option<String>>;
    type Sheet = Sheet;
    type Exchange = Exchange;

    fn batch(&self, json: &[u8]) -> Vec<u8> {
        let script = &self.0;
        script.n_batches.set(script.n_batches.get() + 1);
        json.to_vec()
    }

    fn count(&self, batch: &Vec<u8>) -> usize {
        batch::elements(batch).len()
    }

    fn json(&self, batch: &Vec<u8>) -> Vec<u8> {
        self.0.n_read.set(self.0.n_read.get() + 1);
        batch.clone()
    }

    fn outline(&self, batch: &Vec<u8>) -> Option<Vec<Member>> {
        batch::outline(batch)
    }

    fn column(&self, batch: &Vec<u8>, member: usize) -> Vec<Option<String>> {
        batch::column(batch, member)
    }

    async fn send_batch(
        &self,
        mut request: Request,
        batch: &Vec<u8>,
        (records, frame): (&[u32], &BatchFrame),
        form: &Form,
    ) -> Result<Sent<Vec<Option<String>>>, Lost> {
        request.body = Some(batch::body(batch, records, frame));
        let answer = self.send(request).await?;
        Ok(match answer.status {
            200 | 201 => batch::told(&answer.body, form).map_or(Sent::Unreadable, Sent::Told),
            _ => Sent::Refused(answer),
        })
    }

    fn open_sheet(&self, null: &str) -> Option<Sheet> {
        Sheet::open(&self.0, null)
    }

    fn widen(&self, sheet: &Sheet, names: &[String]) -> bool {
        sheet.widen(names)
    }

    fn add(&self, sheet: &Sheet, batch: &Vec<u8>, first: usize) -> Option<usize> {
        sheet.add(batch, first)
    }

    fn let_file_go(&self, sheet: &Sheet) {
        sheet.let_file_go();
    }

    fn lose_all(&self, sheet: &Sheet) {
        sheet.lose_all();
    }

    async fn send_sheet(&self, mut request: Request, sheet: &Sheet) -> Result<Answer, Lost> {
        let gone = Lost::Head(HttpError::Invalid(InvalidPart::Body));
        request.body = Some(sheet.file().ok_or(gone)?);
        self.send(request).await
    }

    async fn find(
        &self,
        table: &Table,
        sheet: &Sheet,
        telling: Telling,
        most: u32,
    ) -> Result<Option<Found<Vec<Option<String>>>>, Lost> {
        later().await;
        sheet.find(table, &telling, most as usize)
    }

    async fn send(&self, request: Request) -> Result<Answer, Lost> {
        let script = &self.0;
        if request.method == Method::Head {
            // What time it is, which is asked beside the script.
            return Ok(Answer {
                status: 200,
                date: script.date.borrow().clone(),
                ..Answer::default()
            });
        }
        script.asked.borrow_mut().push(request);
        let reply = script.replies.borrow_mut().pop_front();
        script.under_way.set(script.under_way.get() + 1);
        script
            .most_under_way
            .set(script.most_under_way.get().max(script.under_way.get()));
        later().await;
        script.under_way.set(script.under_way.get() - 1);
        let clock = &script.monotonic_ms;
        clock.set(clock.get() + script.each_answer_ms.get());
        match reply.expect("a request that the script does not know") {
            Reply::Answer(status, body) => Ok(Answer {
                status,
                body: body.into_bytes(),
                ..Answer::default()
            }),
            Reply::Valid(status, body, [etag, last_modified]) => Ok(Answer {
                status,
                etag: Some(etag.to_owned()),
                last_modified: Some(last_modified.to_owned()),
                body: body.into_bytes(),
                ..Answer::default()
            }),
            Reply::Rows(body, _) => Ok(Answer {
                status: 200,
                body: body.into_bytes(),
                ..Answer::default()
            }),
            Reply::Content(_, body) => Ok(Answer {
                status: 200,
                body,
                ..Answer::default()
            }),
            Reply::Lost(lost) => Err(lost),
            Reply::Torn(_, _, error) => Err(Lost::Body(error)),
        }
    }

    async fn exchange(&self, method: &str) -> Result<Exchange, StreamError> {
        let script = &self.0;
        if let Some(topic) = &*script.topic.borrow()
            && method.ends_with("/GetTopic")
        {
            let steps = VecDeque::from([Step::Says(topic.clone())]);
            return Ok(Exchange {
                at: usize::MAX,
                steps,
            });
        }
        let next = script.exchanges.borrow_mut().pop_front();
        let steps = next.expect("an exchange that the script does not know")?;
        let mut opened = script.opened.borrow_mut();
        opened.push(method.to_owned());
        let at = opened.len() - 1;
        Ok(Exchange { at, steps })
    }

    async fn say(&self, exchange: &mut Exchange, message: Vec<u8>) {
        if exchange.at != usize::MAX {
            self.0.said.borrow_mut().push((exchange.at, message));
        }
    }

    fn say_no_more(&self, _exchange: &mut Exchange) {}

    async fn hear(
        &self,
        mut exchanges: Vec<&mut Exchange>,
        wait_ms: u32,
    ) -> Option<(usize, Heard)> {
        for (at, exchange) in exchanges.iter_mut().enumerate() {
            match exchange.steps.pop_front() {
                Some(Step::Says(message)) => return Some((at, Heard::Message(message))),
                Some(Step::Ends(ending)) => return Some((at, Heard::Ended(ending))),
                Some(Step::Waits) => exchange.steps.push_front(Step::Waits),
                None => {}
            }
        }
        for exchange in exchanges {
            exchange.steps.pop_front();
        }
        let clock = &self.0.monotonic_ms;
        // As the host does it, whoever waits longer.
        clock.set(clock.get() + u64::from(wait_ms.min(60_000)));
        None
    }

    fn calls_left(&self) -> Option<u64> {
        self.0.calls_left.get()
    }

    async fn open(&self, request: Request) -> Result<Opened<Down>, Lost> {
        let (mut length, mut locator, mut torn) = (None, None, None);
        if let Some(reply) = self.0.replies.borrow_mut().front_mut() {
            match reply {
                Reply::Content(known, _) => length = *known,
                Reply::Rows(_, next) => locator = Some(next.clone()),
                Reply::Torn(csv, next, error) => {
                    locator = Some(next.clone());
                    torn = Some(*error);
                    *reply = Reply::Answer(200, std::mem::take(csv));
                }
                Reply::Answer(..) | Reply::Valid(..) | Reply::Lost(_) => {}
            }
        }
        let answer = self.send(request).await?;
        Ok(match answer.status {
            200 => Opened::Content {
                length,
                locator,
                body: Down {
                    bytes: answer.body,
                    at: 0,
                    torn,
                },
            },
            _ => Opened::Refused(answer),
        })
    }

    async fn open_table(&self, request: Request) -> Result<Opened<Table>, Lost> {
        Ok(match self.open(request).await? {
            Opened::Content {
                length,
                locator,
                body: Down { bytes, torn, .. },
            } => Opened::Content {
                length,
                locator,
                body: Table::new(bytes, torn),
            },
            Opened::Refused(answer) => Opened::Refused(answer),
        })
    }

    async fn columns(&self, table: &Table) -> Result<Option<Vec<String>>, Lost> {
        later().await;
        table.columns()
    }

    async fn rows(&self, table: &Table, shape: &Shape, most: u32) -> Result<Part<Rows>, Lost> {
        later().await;
        self.0.shapes.borrow_mut().push(shape.clone());
        table.rows(most as usize)
    }

    async fn read(
        &self,
        mut content: Down,
        mut room: Vec<u8>,
    ) -> Result<(Vec<u8>, Option<Down>), Lost> {
        later().await;
        let rest = &content.bytes[content.at..];
        if rest.is_empty() {
            return content
                .torn
                .map_or(Ok((room, None)), |error| Err(Lost::Body(error)));
        }
        let part = &rest[..rest.len().min(PART_BYTES)];
        room.extend_from_slice(part);
        content.at += part.len();
        Ok((room, Some(content)))
    }

    async fn send_parts(
        &self,
        mut request: Request,
        parts: impl Iterator<Item = Vec<u8>>,
        length: u64,
    ) -> Result<Answer, Lost> {
        let body = parts.collect::<Vec<_>>().concat();
        assert_eq!(body.len() as u64, length);
        request.body = Some(body);
        self.send(request).await
    }

    async fn send_file(
        &self,
        mut request: Request,
        mut frame: Frame,
        content: Vec<u8>,
        length: Option<u64>,
    ) -> Result<Result<Answer, Clash>, Lost> {
        if let Err(clash) = frame.guard.check(&content) {
            return Ok(Err(clash));
        }
        let whole_length = length.map(|length| frame.length(length));
        let body = [frame.before, content, frame.after].concat();
        assert!(whole_length.is_none_or(|length| length == body.len() as u64));
        request.body = Some(body);
        self.send(request).await.map(Ok)
    }

    async fn reserve(&self, calls: u32) -> Result<(), QuotaError> {
        self.0.reserved.borrow_mut().push(calls);
        self.0.no_quota.borrow_mut().take().map_or(Ok(()), Err)
    }

    async fn load(&self, key: &str) -> Option<Vec<u8>> {
        self.0.stored.borrow().get(key).cloned()
    }

    async fn store(&self, key: &str, value: Vec<u8>) {
        self.0.stored.borrow_mut().insert(key.to_owned(), value);
    }

    async fn forget(&self, key: &str) {
        self.0.stored.borrow_mut().remove(key);
    }

    async fn wait(&self, duration_ms: u32) {
        self.0.waits.borrow_mut().push(duration_ms);
        let clock = &self.0.monotonic_ms;
        clock.set(clock.get() + u64::from(duration_ms));
    }

    fn now_ms(&self) -> u64 {
        self.0.now_ms.get()
    }

    fn monotonic_ms(&self) -> u64 {
        self.0.monotonic_ms.get()
    }

    fn log(&self, _level: Level, message: &str, _fields: &[(&str, String)]) {
        self.0.logged.borrow_mut().push(message.to_owned());
    }
}

/// Not at once, so that requests can overlap.
async fn later() {
    let mut waited = false;
    std::future::poll_fn(|context| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Runs to the end; nothing here waits for anything outside.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("a future that does not end");
}
