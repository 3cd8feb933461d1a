//! A token server that rotates refresh tokens, or answers as it is told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{NOW_MS, SECRET};
use crate::transport::loopback::{self, Loopback, Seen, Step};

type Script = Box<dyn FnOnce(&Seen) -> Vec<Step> + Send>;

pub(super) struct TokenServer {
    loopback: Loopback,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Answers to give instead of the regular ones.
    script: Mutex<VecDeque<Script>>,
    /// The one refresh token that is good.
    refresh: Mutex<String>,
    issued: AtomicUsize,
    origin: Mutex<String>,
}

impl TokenServer {
    pub(super) async fn start() -> Self {
        let state = Arc::new(State::default());
        let inside = Arc::clone(&state);
        let loopback = Loopback::start(move |seen| inside.answer(&seen)).await;
        *state.origin.lock().unwrap() = format!("http://{}", loopback.address);
        Self { loopback, state }
    }

    pub(super) fn origin(&self) -> String {
        self.state.origin.lock().unwrap().clone()
    }

    pub(super) fn requests(&self) -> Vec<Seen> {
        self.loopback.requests()
    }

    pub(super) fn token_requests(&self) -> usize {
        let is_token = |seen: &&Seen| seen.target == "/oauth/token";
        self.requests().iter().filter(is_token).count()
    }

    /// The next request gets this answer.
    pub(super) fn next(&self, script: impl FnOnce(&Seen) -> Vec<Step> + Send + 'static) {
        self.state
            .script
            .lock()
            .unwrap()
            .push_back(Box::new(script));
    }

    pub(super) fn next_json(&self, status: u16, body: Value) {
        self.next(move |_| loopback::json(status, &body.to_string()));
    }

    pub(super) fn next_error(&self, code: &str, description: &str) {
        self.next_json(
            400,
            json!({ "error": code, "error_description": description }),
        );
    }

    /// Carries the next request out, and loses the answer.
    pub(super) fn lose_next_answer(&self) {
        let state = Arc::clone(&self.state);
        self.next(move |seen| {
            state.regular(seen);
            vec![Step::Close]
        });
    }

    /// Takes the next request, does nothing, and hangs up.
    pub(super) fn drop_next_request(&self) {
        self.next(|_| vec![Step::Close]);
    }

    /// A regular answer with some members changed; `null` takes one away.
    pub(super) fn next_changed(&self, changes: Value) {
        let state = Arc::clone(&self.state);
        self.next(move |seen| {
            let mut answer = state.grant(seen);
            for (name, value) in changes.as_object().unwrap() {
                if value.is_null() {
                    answer.as_object_mut().unwrap().remove(name);
                } else {
                    answer[name] = value.clone();
                }
            }
            loopback::json(200, &answer.to_string())
        });
    }

    /// Holds the next regular answer back until it is released.
    pub(super) fn hold_next(&self) -> tokio::sync::oneshot::Sender<()> {
        let (release, released) = tokio::sync::oneshot::channel::<()>();
        let state = Arc::clone(&self.state);
        self.next(move |seen| {
            let mut steps = vec![Step::Wait(Box::pin(async {
                let _ = released.await;
            }))];
            steps.extend(state.regular(seen));
            steps
        });
        release
    }

    /// Ends the grant, as an administrator does.
    pub(super) fn kill_grant(&self) {
        *self.state.refresh.lock().unwrap() = "dead".to_owned();
    }
}

impl State {
    fn answer(&self, seen: &Seen) -> Vec<Step> {
        let script = self.script.lock().unwrap().pop_front();
        match script {
            Some(script) => script(seen),
            None => self.regular(seen),
        }
    }

    fn regular(&self, seen: &Seen) -> Vec<Step> {
        if seen.target == "/oauth/revoke" {
            return loopback::reply(200, &[], b"");
        }
        let stale = seen.field("grant_type").as_deref() == Some("refresh_token")
            && seen.field("refresh_token") != Some(self.refresh.lock().unwrap().clone());
        if stale {
            let body = json!({
                "error": "invalid_grant",
                "error_description": "expired access/refresh token",
            });
            return loopback::json(400, &body.to_string());
        }
        loopback::json(200, &self.grant(seen).to_string())
    }

    /// A token answer; a new refresh token each time for those who have one.
    fn grant(&self, seen: &Seen) -> Value {
        let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        let id = "https://login.example.com/id/org/user";
        let issued_at = NOW_MS.to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(format!("{id}{issued_at}").as_bytes());
        let mut answer = json!({
            "access_token": format!("00D!access-token-{number}"),
            "instance_url": *self.origin.lock().unwrap(),
            "id": id,
            "issued_at": issued_at,
            "signature": BASE64_STANDARD.encode(mac.finalize().into_bytes()),
            "token_type": "Bearer",
            "scope": "api refresh_token",
            "extra": { "any": ["thing"] },
        });
        let grant_type = seen.field("grant_type");
        if matches!(
            grant_type.as_deref(),
            Some("authorization_code" | "refresh_token")
        ) {
            let refresh = format!("5Aep-refresh-token-{number}");
            answer["refresh_token"] = json!(refresh);
            *self.refresh.lock().unwrap() = refresh;
        }
        answer
    }
}
