//! The outermost step of every request, top to bottom: sizes, request log,
//! faults, the route itself, and gzip. Kept in one straight function so that
//! the order, which decides what is logged and what is counted, can be read.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::header;
use hyper_util::service::TowerToHyperService;
use tokio::sync::Notify;

use crate::faults::FaultKind;
use crate::http::{answer, body};
use crate::state::Shared;

/// URI and headers together; the URI alone has the same limit.
const HEAD_LIMIT: usize = 16_384;

/// Who is at the other end, and how to hang up on them.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) addr: SocketAddr,
    pub(crate) kill: Arc<Notify>,
}

/// Left on an answer by the step that checked the session.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    pub(crate) username: String,
    pub(crate) counted: bool,
}

/// Answers one request.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    router: Router,
    request: hyper::Request<Incoming>,
    peer: Peer,
) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    let path = request.uri().path().to_owned();
    let takes_gzip = accepts_gzip(&request);
    request.extensions_mut().insert(peer.clone());

    // Tests steer by the control API; it is neither logged nor disturbed.
    if path.starts_with("/__control") {
        return Ok(route(&router, request).await);
    }

    let method = request.method().as_str().to_owned();
    let mut entry = shared
        .log
        .open(shared.clock.now_ms(), &method, &path, request.uri().query());

    if let Some(refused) = too_long(&request) {
        entry.answered(refused.status().as_u16());
        return Ok(refused);
    }

    // Logins are not API requests and never count as long-running ones.
    let is_api = ["/services/data", "/services/apexrest", "/services/Soap"]
        .iter()
        .any(|root| path.starts_with(root));
    let _running = is_api.then(|| shared.running());
    let plan = shared.faults().plan(&method, &path);
    if plan.wait_ms > 0 {
        tokio::time::sleep(Duration::from_millis(plan.wait_ms)).await;
    }

    let mut response = match plan.before {
        Some(fault) => {
            entry.fault(fault.name());
            play(&fault, &peer).await
        }
        None => route(&router, request).await,
    };
    if let Some(admitted) = response.extensions().get::<Admitted>() {
        entry.admitted(&admitted.username, admitted.counted);
    }
    if let Some(fault) = plan.after {
        entry.fault(fault.name());
        response = play(&fault, &peer).await;
    }

    let response = answer::with_edge_headers(response, shared.clock.now_ms());
    let response = match takes_gzip {
        true => body::gzip(response).await,
        false => response,
    };
    let response = match plan.body {
        Some(fault) => {
            entry.fault(fault.name());
            body::disturb(response, &fault).await
        }
        None => response,
    };
    entry.answered(response.status().as_u16());
    Ok(response)
}

async fn route(router: &Router, request: Request) -> Response {
    use hyper::service::Service as _;
    match TowerToHyperService::new(router.clone()).call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// An answer that comes instead of the real one, or none at all.
async fn play(fault: &FaultKind, peer: &Peer) -> Response {
    match fault {
        FaultKind::Error {
            status,
            code,
            message,
            body,
        } => answer::injected(
            *status,
            code.as_deref(),
            message.as_deref(),
            body.as_deref(),
        ),
        _ => {
            peer.kill.notify_one();
            // The connection is dropped with this future inside.
            std::future::pending().await
        }
    }
}

fn accepts_gzip(request: &Request) -> bool {
    request
        .headers()
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("gzip"))
                && !parts.any(|part| part == "q=0")
        })
}

/// Salesforce's edge answers these two itself, in HTML.
fn too_long(request: &Request) -> Option<Response> {
    let uri = request.uri().to_string().len();
    if uri > HEAD_LIMIT {
        return Some(answer::bad_message(414, "URI Too Long"));
    }
    // Name, value and the four bytes of `: ` and the line's end.
    let headers: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    (uri + headers > HEAD_LIMIT)
        .then(|| answer::bad_message(431, "Request Header Fields Too Large"))
}
