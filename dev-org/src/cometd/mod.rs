//! The Streaming API: CometD's messages (Bayeux) by long polling, with
//! Salesforce's extension that says from which event on. It tells of the same bus
//! as the Pub/Sub API.

mod clients;

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use hyper::HeaderMap;
use hyper::header::{self, HeaderValue};
use serde_json::{Map, Value, json};

pub(crate) use self::clients::Clients;
use self::clients::{Look, QUIET_MS};
use crate::events::Start;
use crate::http::data::admit::{Credential, credential};
use crate::http::front::Peer;
use crate::http::{answer, body};
use crate::state::Shared;
use crate::topic::Topic;
use crate::user::User;

/// The cookie that binds a client's requests together.
const COOKIE: &str = "BAYEUX_BROWSER";
/// The oldest version that answers.
const OLDEST: f64 = 23.0;
/// Most bytes of a request.
const REQUEST_BYTES: usize = 1024 * 1024;

/// One message from a client.
type Message = Map<String, Value>;

/// One request with its messages.
struct Call {
    shared: Arc<Shared>,
    headers: HeaderMap,
    peer: Peer,
    /// The cookie for a client that was greeted by this request.
    new_cookie: Option<String>,
}

/// `POST /cometd/60.0`
pub(crate) async fn serve(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let (head, stream) = request.into_parts();
    if head.method != hyper::Method::POST {
        return answer::empty(405);
    }
    let read = body::read(&head.headers, stream, REQUEST_BYTES).await;
    let messages: Option<Vec<Message>> = read.ok().and_then(|bytes| {
        let one = |value| serde_json::from_value::<Message>(value).ok();
        match serde_json::from_slice(&bytes).ok()? {
            Value::Array(messages) => messages.into_iter().map(one).collect(),
            message => Some(vec![one(message)?]),
        }
    });
    let Some(messages) = messages else {
        return answer::empty(400);
    };
    let wrong_version = check_version(head.uri.path()).err();
    let mut call = Call {
        shared,
        headers: head.headers,
        peer,
        new_cookie: None,
    };
    let mut answers = Vec::new();
    for message in &messages {
        match wrong_version {
            Some(error) => answers.push(failed(message, error)),
            None => call.answer(message, &mut answers).await,
        }
    }
    let mut response = answer::json(200, &Value::Array(answers));
    let cookie = call
        .new_cookie
        .map(|cookie| format!("{COOKIE}={cookie}; Path=/cometd/; HttpOnly"));
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn check_version(path: &str) -> Result<(), &'static str> {
    let version = path.trim_start_matches("/cometd").trim_matches('/');
    if version.is_empty() {
        return Err("400::API version in the URI is mandatory. URI format: '/cometd/60.0'");
    }
    match version.parse::<f64>() {
        Ok(number) if number >= OLDEST => Ok(()),
        _ => Err(
            "400::Unsupported API version. Only API versions '23.0' and above are supported. \
             URI format: '/cometd/60.0'",
        ),
    }
}

impl Call {
    async fn answer(&mut self, message: &Message, answers: &mut Vec<Value>) {
        let channel = text(message, "channel");
        let user = match self.user() {
            Ok(user) => user,
            Err(reason) => {
                let mut refused = failed(message, reason);
                if channel == "/meta/handshake" {
                    refused = failed(message, "403::Handshake denied");
                    put(
                        &mut refused,
                        "ext",
                        json!({ "sfdc": { "failureReason": reason } }),
                    );
                }
                put(
                    &mut refused,
                    "advice",
                    json!({ "reconnect": "none", "interval": 0 }),
                );
                return answers.push(refused);
            }
        };
        if channel == "/meta/handshake" {
            return answers.push(self.handshake(message));
        }
        if !self.is_known(message) {
            return answers.push(unknown_client(message));
        }
        match channel {
            "/meta/connect" => self.connect(message, answers).await,
            "/meta/subscribe" => {
                let names = match message.get("subscription") {
                    Some(Value::Array(names)) => names.clone(),
                    name => vec![name.cloned().unwrap_or(Value::Null)],
                };
                answers.extend(
                    names
                        .iter()
                        .map(|name| self.subscribe(message, &user, name)),
                );
            }
            "/meta/unsubscribe" => {
                let name = text(message, "subscription");
                self.with_client(message, |client| client.leave(name));
                let mut done = succeeded(message);
                put(&mut done, "subscription", json!(name));
                answers.push(done);
            }
            "/meta/disconnect" => {
                self.shared.cometd.forget(text(message, "clientId"));
                answers.push(succeeded(message));
            }
            _ => answers.push(failed(message, "400::Channel not supported")),
        }
    }

    /// The user of the session, or why there is none.
    fn user(&self) -> Result<Arc<User>, &'static str> {
        let Credential::Token(token) = credential(&self.headers) else {
            return Err("401::Request requires authentication");
        };
        let now_ms = self.shared.clock.now_ms();
        let session = self.shared.oauth().session(&token, now_ms);
        let session = session.filter(|session| session.has_scope(&["api"]));
        let user = session.and_then(|session| self.shared.org().user(&session.username));
        user.ok_or("401::Authentication invalid")
    }

    /// Whether the message is from a client that was greeted, with its cookie.
    fn is_known(&self, message: &Message) -> bool {
        let cookies = self.headers.get_all(header::COOKIE).iter();
        let cookies = cookies.filter_map(|cookies| cookies.to_str().ok());
        let mut cookies = cookies.flat_map(|cookies| cookies.split(';'));
        let own = cookies.find_map(|cookie| {
            let (name, value) = cookie.trim().split_once('=')?;
            (name == COOKIE).then(|| value.to_owned())
        });
        let own = own.or_else(|| self.new_cookie.clone()).unwrap_or_default();
        self.with_client(message, |client| client.cookie == own) == Some(true)
    }

    fn with_client<T>(
        &self,
        message: &Message,
        work: impl FnOnce(&mut clients::Client) -> T,
    ) -> Option<T> {
        let now_ms = self.shared.clock.now_ms();
        let id = text(message, "clientId");
        self.shared.cometd.with(id, now_ms, work)
    }

    fn handshake(&mut self, message: &Message) -> Value {
        let types = message.get("supportedConnectionTypes");
        let types = types.and_then(Value::as_array);
        if types.is_some_and(|types| !types.contains(&json!("long-polling"))) {
            return failed(message, "400::Invalid connection type");
        }
        let (id, cookie) = self.shared.cometd.greet(&self.shared);
        self.new_cookie = Some(cookie);
        let mut greeting = succeeded(message);
        for (name, value) in [
            ("clientId", json!(id)),
            ("version", json!("1.0")),
            ("minimumVersion", json!("1.0")),
            ("supportedConnectionTypes", json!(["long-polling"])),
            ("ext", json!({ "replay": true, "payload.format": true })),
        ] {
            put(&mut greeting, name, value);
        }
        greeting
    }

    fn subscribe(&self, message: &Message, user: &User, name: &Value) -> Value {
        let refuse = |error: &str| {
            let mut refused = failed(message, error);
            put(&mut refused, "subscription", name.clone());
            refused
        };
        let Some(name) = name.as_str().filter(|name| !name.is_empty()) else {
            return refuse("400::Channel name not specified");
        };
        if !name.starts_with('/') {
            return refuse("400::Channel subscriptions must start with a leading '/'");
        }
        let Some(topic) = Topic::find(&self.shared, user, name) else {
            let error =
                format!("400::The channel you requested to subscribe to does not exist {{{name}}}");
            return refuse(&error);
        };
        let replay = message.get("ext").and_then(|ext| ext.get("replay"));
        let replay = replay.and_then(|replay| replay.get(name)?.as_i64());
        let replay = replay.unwrap_or(-1);
        let start = match replay {
            -1 => Some(Start::Latest),
            -2 => Some(Start::Earliest),
            number => u64::try_from(number).ok().map(Start::After),
        };
        let now_ms = self.shared.clock.now_ms();
        let Some(position) = start.and_then(|start| self.shared.events.start(start, now_ms)) else {
            return refuse(&format!(
                "400::The replayId {{{replay}}} you provided was invalid.  Please provide a valid \
                 ID, -2 to replay all events, or -1 to replay only new events."
            ));
        };
        self.with_client(message, |client| {
            client.follow(name, topic.channel, position)
        });
        // A connect that waits already has to look once more.
        self.shared.events.changed();
        let mut done = succeeded(message);
        put(&mut done, "subscription", json!(name));
        done
    }

    /// Waits for events, though not the first time.
    async fn connect(&self, message: &Message, answers: &mut Vec<Value>) {
        if text(message, "connectionType") != "long-polling" {
            return answers.push(failed(message, "400::Invalid connection type"));
        }
        let id = text(message, "clientId");
        let shared = &self.shared;
        let mut news = shared.events.listen();
        let wants_no_wait = message
            .get("advice")
            .and_then(|advice| advice.get("timeout")?.as_i64())
            == Some(0);
        let is_first = self.with_client(message, |client| {
            let is_first = !client.is_known;
            client.connect();
            is_first
        });
        let mut waiting = Waiting {
            shared,
            id,
            with_events: false,
        };
        shared.events.stream_follows();
        let mut until_ms = shared.clock.now_ms() + QUIET_MS;
        if is_first == Some(true) || wants_no_wait {
            until_ms = i64::MIN;
        }
        let events = loop {
            news.borrow_and_update();
            if let Err(reason) = self.user() {
                let mut refused = failed(message, reason);
                put(
                    &mut refused,
                    "advice",
                    json!({ "reconnect": "none", "interval": 0 }),
                );
                return answers.push(refused);
            }
            let more_at_ms = match shared.cometd.look(shared, id) {
                Look::Events(events) => break events,
                Look::Nothing { more_at_ms } => more_at_ms,
                Look::Unknown => return answers.push(unknown_client(message)),
                Look::LimitReached => {
                    let error = "403::Organization total events daily limit exceeded";
                    let mut refused = failed(message, error);
                    put(
                        &mut refused,
                        "advice",
                        json!({ "reconnect": "none", "interval": 0 }),
                    );
                    return answers.push(refused);
                }
                Look::Reset => {
                    self.peer.kill.notify_one();
                    // The connection is dropped with this answer inside.
                    return std::future::pending().await;
                }
            };
            if shared.clock.now_ms() >= until_ms {
                break Vec::new();
            }
            tokio::select! {
                _ = news.changed() => {}
                () = shared.clock.reach(until_ms.min(more_at_ms)) => {}
            }
        };
        waiting.with_events = !events.is_empty();
        answers.extend(events);
        let mut done = succeeded(message);
        let advice = json!({ "reconnect": "retry", "interval": 0, "timeout": QUIET_MS });
        put(&mut done, "advice", advice);
        answers.push(done);
    }
}

/// A connect that waits. However it ends, its client has to come back.
struct Waiting<'a> {
    shared: &'a Arc<Shared>,
    id: &'a str,
    with_events: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let now_ms = self.shared.clock.now_ms();
        let answered = |client: &mut clients::Client| client.answered(now_ms, self.with_events);
        self.shared.cometd.with(self.id, now_ms, answered);
        self.shared.events.stream_left();
    }
}

fn text<'m>(message: &'m Message, name: &str) -> &'m str {
    message
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// What every answer repeats of its message.
fn about(message: &Message, successful: bool) -> Value {
    let repeated = ["clientId", "channel", "id"]
        .into_iter()
        .filter_map(|name| {
            let value = message.get(name)?;
            Some((name.to_owned(), value.clone()))
        });
    let mut answer: Map<String, Value> = repeated.collect();
    answer.insert("successful".to_owned(), json!(successful));
    Value::Object(answer)
}

fn succeeded(message: &Message) -> Value {
    about(message, true)
}

fn failed(message: &Message, error: &str) -> Value {
    let mut answer = about(message, false);
    put(&mut answer, "error", json!(error));
    answer
}

fn unknown_client(message: &Message) -> Value {
    let mut refused = failed(message, "403::Unknown client");
    put(
        &mut refused,
        "advice",
        json!({ "reconnect": "handshake", "interval": 0 }),
    );
    refused
}

fn put(answer: &mut Value, name: &str, value: Value) {
    if let Some(answer) = answer.as_object_mut() {
        answer.insert(name.to_owned(), value);
    }
}
