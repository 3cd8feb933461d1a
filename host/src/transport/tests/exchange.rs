//! Exchanges over real sockets: TLS, whom the client believes, where it does not
//! go, and what it does not wait for.

use std::convert::Infallible;

use futures_util::stream::{self, StreamExt as _};
use http_body_util::{BodyStream, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::transport::{BrokenOff, status};

/// Answers all exchanges of a connection with what they say. If one says
/// nothing, so does the answer, without end.
async fn echo(socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let answer = |request: Request<Incoming>| async move {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let said = BodyStream::new(request.into_body()).map(|part| part.map_err(|_| BrokenOff));
        let parts = said.chain(stream::iter([Ok(Frame::trailers(trailers))]));
        Ok::<_, Infallible>(Response::new(StreamBody::new(parts)))
    };
    // A connection that the other side broke off is no fault.
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(socket), service_fn(answer))
        .await;
}

fn opening(url: Url, messages: &[&'static [u8]]) -> Opening {
    let messages: Vec<_> = messages
        .iter()
        .map(|message| Ok(Bytes::from_static(message)))
        .collect();
    Opening {
        url,
        metadata: HeaderMap::new(),
        messages: stream::iter(messages).boxed(),
        max_message_bytes: 100,
    }
}

fn only(url: &Url) -> AddressPolicy {
    AddressPolicy::Local {
        origins: vec![url.clone()],
    }
}

fn with_root(root: Vec<u8>) -> Transport {
    Transport::new(TransportConfig {
        extra_roots: vec![root],
        ..TransportConfig::default()
    })
    .unwrap()
}

#[tokio::test]
async fn messages_go_over_tls_to_a_server_that_is_believed() {
    let (config, root) = tls::server("127.0.0.1", &[b"h2"]);
    let acceptor = TlsAcceptor::from(config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/a.B/C", listener.local_addr().unwrap());
    let url = Url::parse(&url).unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            if let Ok(socket) = acceptor.accept(socket).await {
                tokio::spawn(echo(socket));
            }
        }
    });
    let (open, policy) = (opening(url.clone(), &[b"one", b"two"]), only(&url));
    let mut exchange = with_root(root).open(open, &policy).await.unwrap();
    assert_eq!(exchange.next().await.unwrap(), "one");
    assert_eq!(exchange.next().await.unwrap(), "two");
    assert_eq!(exchange.next().await.unwrap_err().status, 0);
    assert_eq!(
        exchange.next().await.unwrap_err().status,
        status::UNAVAILABLE,
        "it has ended"
    );
    let error = transport().open(opening(url, &[]), &policy).await;
    let error = error.unwrap_err();
    assert!(
        matches!(error, TransportError::Unreachable { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_without_http_2_is_not_spoken_to() {
    let (config, root) = tls::server("127.0.0.1", &[]);
    let acceptor = TlsAcceptor::from(config);
    let server = Loopback::start_with(
        |_| reply(200, &[], b""),
        move |socket| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(socket).await.ok() }
        },
    )
    .await;
    let url = Url::parse(&format!("https://{}/a.B/C", server.address)).unwrap();
    let (open, policy) = (opening(url.clone(), &[]), only(&url));
    let error = with_root(root).open(open, &policy).await.unwrap_err();
    assert!(error.to_string().contains("HTTP/2"), "{error}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_name_that_leads_into_the_own_network_is_refused_on_any_port() {
    #[derive(Debug)]
    struct Inside;
    #[async_trait::async_trait]
    impl Resolver for Inside {
        async fn resolve(&self, _: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
            Ok(vec!["10.1.2.3".parse().unwrap()])
        }
    }
    let transport = Transport::new(TransportConfig {
        resolver: Arc::new(Inside),
        ..TransportConfig::default()
    })
    .unwrap();
    for (url, reason) in [
        ("https://events.example.com:7443/a.B/C", Refusal::Address),
        ("https://127.0.0.1:7443/a.B/C", Refusal::Address),
        ("https://localhost:7443/a.B/C", Refusal::Name),
        ("http://events.example.com/a.B/C", Refusal::Scheme),
    ] {
        let open = opening(Url::parse(url).unwrap(), &[]);
        let refused = transport.open(open, &AddressPolicy::Public).await;
        match refused.unwrap_err() {
            TransportError::Refused { reason: why, .. } => assert_eq!(why, reason, "{url}"),
            other => panic!("{url}: {other}"),
        }
    }
}

#[tokio::test]
async fn a_local_connection_reaches_its_own_origin_and_no_other() {
    let server = Loopback::start(|_| reply(200, &[], b"")).await;
    let other = Url::parse("http://127.0.0.1:1/").unwrap();
    let error = transport()
        .open(opening(server.url("/a.B/C"), &[]), &only(&other))
        .await
        .unwrap_err();
    assert!(
        matches!(error, TransportError::Refused { reason, .. } if reason == Refusal::Origin),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_answers_no_ping_is_given_up_sooner_than_one_that_is_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/a.B/C", listener.local_addr().unwrap());
    let url = Url::parse(&url).unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        tokio::io::copy(&mut socket, &mut tokio::io::sink()).await
    });
    let mut open = opening(url.clone(), &[]);
    open.messages = stream::pending().boxed();
    let mut exchange = transport().open(open, &only(&url)).await.unwrap();
    let begun = tokio::time::Instant::now();
    let ended = exchange.next().await.unwrap_err();
    assert_eq!(ended.status, status::UNAVAILABLE);
    assert!(begun.elapsed() < EXCHANGE_IDLE, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_is_silent_for_too_long_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/a.B/C", listener.local_addr().unwrap());
    let url = Url::parse(&url).unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(echo(socket));
        }
    });
    let mut open = opening(url.clone(), &[]);
    open.messages = stream::iter([Ok(Bytes::from_static(b"one"))])
        .chain(stream::pending())
        .boxed();
    let mut exchange = transport().open(open, &only(&url)).await.unwrap();
    assert_eq!(exchange.next().await.unwrap(), "one");
    let begun = tokio::time::Instant::now();
    let ended = exchange.next().await.unwrap_err();
    assert_eq!(ended.status, status::UNAVAILABLE);
    assert_eq!(begun.elapsed(), EXCHANGE_IDLE);
}
