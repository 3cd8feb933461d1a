//! The page on loopback to which the product sends the person's browser back
//! (RFC 8252, section 7.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse as _, Response};
use lockgate::Callback;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::{Host, Url};

use crate::exit::{advised, usage};

/// A page that waits for one callback.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: TcpListener,
    path: String,
}

/// A listener that serves.
#[derive(Debug)]
pub(crate) struct Waiting {
    arrived: oneshot::Receiver<Callback>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

#[derive(Clone)]
struct Page {
    path: Arc<str>,
    state: Arc<str>,
    arrived: Arc<Mutex<Option<oneshot::Sender<Callback>>>>,
}

impl Listener {
    /// Takes the port of the redirect URI.
    pub(crate) async fn bind(redirect_uri: &Url) -> Result<Self> {
        let address = loopback(redirect_uri)?;
        let listener = TcpListener::bind(address).await.map_err(|error| {
            advised(
                format!("cannot listen on {address} for the callback: {error}"),
                "end the program that has the port, or give another with \
                 --redirect-uri http://127.0.0.1:PORT/callback and add it to your app",
            )
        })?;
        Ok(Self {
            listener,
            path: redirect_uri.path().to_owned(),
        })
    }

    /// Serves the page until a callback with this `state` has come. Others are
    /// refused and do not end the waiting: anything on this machine could send
    /// them.
    pub(crate) fn serve(self, state: &str) -> Waiting {
        let (sender, arrived) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let page = Page {
            path: self.path.into(),
            state: state.into(),
            arrived: Arc::new(Mutex::new(Some(sender))),
        };
        // Not a route: a path from outside could be no pattern of routes.
        let router = Router::new().fallback(answer).with_state(page);
        let serving = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            axum::serve(self.listener, router)
                .with_graceful_shutdown(stopped)
                .await
        });
        Waiting {
            arrived,
            stop,
            serving,
        }
    }
}

impl Waiting {
    /// The callback.
    pub(crate) async fn callback(&mut self) -> Result<Callback> {
        (&mut self.arrived)
            .await
            .context("the callback page has stopped")
    }

    /// Lets the last answer reach the browser, and gives the port back.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        // A browser may hold its connection open; the answer is long gone then.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), self.serving).await;
    }
}

async fn answer(
    State(page): State<Page>,
    method: Method,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Response {
    if method != Method::GET || uri.path() != &*page.path {
        return StatusCode::NOT_FOUND.into_response();
    }
    let callback = Callback::from_query(&query.unwrap_or_default());
    if callback.state.as_deref() != Some(&page.state) {
        return html(
            StatusCode::BAD_REQUEST,
            "Not this authorization",
            "This page belongs to another authorization. Begin again in the terminal.",
        );
    }
    let declined = callback.error.is_some();
    let sender = page
        .arrived
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(sender) = sender {
        // Nobody waits any more: the command was ended.
        let _ = sender.send(callback);
    }
    if declined {
        html(
            StatusCode::OK,
            "Not connected",
            "The terminal says why. You can close this page.",
        )
    } else {
        html(
            StatusCode::OK,
            "Back to the terminal",
            "You can close this page.",
        )
    }
}

/// Nothing of the request is in the page, so nothing in it can be forged.
fn html(status: StatusCode, title: &str, text: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Lockgate</title>\
         </head><body><main><h1>{title}</h1><p>{text}</p></main></body></html>"
    );
    let headers = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, Html(page)).into_response()
}

/// The address to listen on; only loopback, since the code comes in plain HTTP.
fn loopback(redirect_uri: &Url) -> Result<SocketAddr> {
    let address = match redirect_uri.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain("localhost")) => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => None,
    };
    let is_loopback = |address: &IpAddr| match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => *address == Ipv6Addr::LOCALHOST,
    };
    match (
        address.filter(is_loopback),
        redirect_uri.port_or_known_default(),
    ) {
        (Some(address), Some(port)) if redirect_uri.scheme() == "http" => {
            Ok(SocketAddr::new(address, port))
        }
        _ => Err(usage(format!(
            "the redirect URI {redirect_uri} cannot be served here: it must be http on loopback, \
             such as http://127.0.0.1:8722/callback"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_can_be_served() {
        for good in [
            "http://127.0.0.1:8722/callback",
            "http://localhost:1/",
            "http://[::1]:2/x",
        ] {
            assert!(loopback(&good.parse().unwrap()).is_ok(), "{good}");
        }
        for bad in [
            "http://0.0.0.0:8722/",
            "https://127.0.0.1:8722/",
            "http://example.com:1/",
        ] {
            assert!(loopback(&bad.parse().unwrap()).is_err(), "{bad}");
        }
    }
}
