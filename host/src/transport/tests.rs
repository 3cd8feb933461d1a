//! The client against real sockets on loopback.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue};
use url::Url;

use super::loopback::{Loopback, Step, json, reply};
use super::*;

mod body;
mod exchange;
mod tls;
mod upload;

fn get(url: Url) -> Outgoing {
    Outgoing {
        method: Method::GET,
        url,
        headers: HeaderMap::new(),
        body: None,
        head_timeout: Duration::from_secs(20),
    }
}

fn local(server: &Loopback) -> AddressPolicy {
    AddressPolicy::Local {
        origins: vec![server.url("/")],
    }
}

fn transport() -> Transport {
    Transport::new(TransportConfig::default()).unwrap()
}

/// One answer of a server that always gives it.
async fn fetch(
    answer: impl Fn() -> Vec<Step> + Send + Sync + 'static,
) -> Result<Answer, TransportError> {
    let server = Loopback::start(move |_| answer()).await;
    transport()
        .send(get(server.url("/")), &local(&server))
        .await
}

#[tokio::test]
async fn a_request_arrives_as_given_and_its_answer_comes_back() {
    let server = Loopback::start(|_| reply(201, &[("x-a", "b")], b"hello")).await;
    let mut request = get(server.url("/a%2Fb?c=%20d"));
    request.method = Method::POST;
    request.body = Some(Bytes::from_static(b"body"));
    request
        .headers
        .insert("authorization", HeaderValue::from_static("Bearer t"));
    let answer = transport().send(request, &local(&server)).await.unwrap();
    assert_eq!(answer.status, 201);
    assert_eq!(answer.headers["x-a"], "b");
    assert_eq!(answer.body.collect(5).await.unwrap(), "hello");
    let seen = server.requests();
    assert_eq!(seen[0].method, "POST");
    assert_eq!(seen[0].target, "/a%2Fb?c=%20d");
    assert_eq!(seen[0].body, "body");
    assert_eq!(seen[0].header("authorization"), Some("Bearer t"));
    assert_eq!(seen[0].header("accept-encoding"), Some("gzip"));
    assert!(
        seen[0]
            .header("user-agent")
            .unwrap()
            .starts_with("lockgate/")
    );
}

#[tokio::test]
async fn connections_are_kept_and_shared_by_clones() {
    let server = Loopback::start(|_| reply(200, &[], b"x")).await;
    let transport = transport();
    for _ in 0..3 {
        let answer = transport
            .clone()
            .send(get(server.url("/")), &local(&server))
            .await
            .unwrap();
        answer.body.collect(10).await.unwrap();
    }
    assert!(server.requests().iter().all(|seen| seen.connection == 0));
}

#[tokio::test]
async fn a_public_request_never_reaches_loopback_and_nothing_is_sent() {
    let server = Loopback::start(|_| reply(200, &[], b"")).await;
    for url in [
        server.url("/").to_string(),
        format!("https://{}/", server.address),
        "https://127.0.0.1/".to_owned(),
        "https://[::1]/".to_owned(),
    ] {
        let result = transport()
            .send(get(Url::parse(&url).unwrap()), &AddressPolicy::Public)
            .await;
        let error = result.unwrap_err();
        assert!(
            matches!(error, TransportError::Refused { .. }),
            "{url}: {error}"
        );
        assert!(!error.maybe_sent() && !error.is_passing());
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_name_with_a_private_address_is_refused_by_the_client_before_it_connects() {
    #[derive(Debug)]
    struct Inside;
    #[async_trait::async_trait]
    impl Resolver for Inside {
        async fn resolve(&self, _: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
            Ok(vec![
                "8.8.8.8".parse().unwrap(),
                "10.1.2.3".parse().unwrap(),
            ])
        }
    }
    let transport = Transport::new(TransportConfig {
        resolver: Arc::new(Inside),
        ..TransportConfig::default()
    })
    .unwrap();
    let url = Url::parse("https://acme.example.com/secret?token=1").unwrap();
    let error = transport
        .send(get(url), &AddressPolicy::Public)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            TransportError::Refused {
                reason: Refusal::Address,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!format!("{error} {error:?}").contains("token"));
}

#[tokio::test]
async fn a_local_name_is_looked_up_by_the_resolver_and_pinned() {
    #[derive(Debug)]
    struct Here;
    #[async_trait::async_trait]
    impl Resolver for Here {
        async fn resolve(&self, _: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
            Ok(vec!["127.0.0.1".parse().unwrap()])
        }
    }
    let server = Loopback::start(|_| reply(200, &[], b"")).await;
    let url = Url::parse(&format!("http://org.test:{}/", server.address.port())).unwrap();
    let policy = AddressPolicy::Local {
        origins: vec![url.clone()],
    };
    let transport = Transport::new(TransportConfig {
        resolver: Arc::new(Here),
        ..TransportConfig::default()
    })
    .unwrap();
    assert_eq!(
        transport
            .send(get(url.clone()), &policy)
            .await
            .unwrap()
            .status,
        200
    );
    let host = format!("org.test:{}", server.address.port());
    assert_eq!(server.requests()[0].header("host"), Some(host.as_str()));
}

#[tokio::test]
async fn header_fields_that_frame_a_message_are_refused() {
    let server = Loopback::start(|_| reply(200, &[], b"")).await;
    for name in [
        "host",
        "content-length",
        "transfer-encoding",
        "te",
        "connection",
        "upgrade",
        "proxy-authorization",
        "expect",
    ] {
        let mut request = get(server.url("/"));
        request.headers.insert(name, HeaderValue::from_static("1"));
        let error = transport()
            .send(request, &local(&server))
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                TransportError::Refused {
                    reason: Refusal::Header,
                    ..
                }
            ),
            "{name}"
        );
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn redirects_within_the_origin_are_followed_three_times_and_no_more() {
    let server = Loopback::start(|seen| match seen.target.as_str() {
        "/1" => reply(302, &[("location", "/2?a=b")], b""),
        "/2?a=b" => reply(307, &[("location", "3")], b""),
        "/3" => reply(308, &[("location", "/end")], b""),
        "/end" => reply(200, &[], b"there"),
        _ => reply(301, &[("location", "/loop")], b""),
    })
    .await;
    let answer = transport()
        .send(get(server.url("/1")), &local(&server))
        .await
        .unwrap();
    assert_eq!(answer.body.collect(10).await.unwrap(), "there");
    let error = transport()
        .send(get(server.url("/loop")), &local(&server))
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        TransportError::RedirectRefused {
            reason: RedirectRefusal::TooMany,
            ..
        }
    ));
    let loops = server
        .requests()
        .iter()
        .filter(|seen| seen.target == "/loop")
        .count();
    assert_eq!(loops, 4);
}

#[tokio::test]
async fn redirects_to_another_origin_are_refused_and_the_credential_stays() {
    let evil = Loopback::start(|_| reply(200, &[], b"")).await;
    let targets = [
        evil.url("/").to_string(),
        format!("//{}/", evil.address),
        "https://evil.example.net/".to_owned(),
        "http://169.254.169.254/".to_owned(),
        "file:///etc/passwd".to_owned(),
    ];
    for target in targets {
        let location = target.clone();
        let server = Loopback::start(move |_| reply(302, &[("location", &location)], b"")).await;
        let policy = AddressPolicy::Local {
            origins: vec![server.url("/"), evil.url("/")],
        };
        let mut request = get(server.url("/"));
        request
            .headers
            .insert("authorization", HeaderValue::from_static("Bearer t"));
        let error = transport().send(request, &policy).await.unwrap_err();
        assert!(
            matches!(
                error,
                TransportError::RedirectRefused {
                    reason: RedirectRefusal::Origin,
                    ..
                }
            ),
            "{target}: {error}"
        );
        let mut request = get(server.url("/"));
        request.method = Method::POST;
        request.body = Some(Bytes::from_static(b"body"));
        let error = transport().send(request, &policy).await.unwrap_err();
        assert!(matches!(
            error,
            TransportError::RedirectRefused {
                reason: RedirectRefusal::Method,
                ..
            }
        ));
    }
    assert!(evil.requests().is_empty());
}

#[tokio::test]
async fn an_answer_with_a_huge_head_is_refused() {
    let field = "x".repeat(40_000);
    let error = fetch(move || reply(200, &[("a", &field), ("b", &field)], b""))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            TransportError::TooLarge {
                part: Part::Head,
                ..
            }
        ),
        "{error}"
    );
    let field = "x".repeat(10_000_000);
    let error = fetch(move || reply(200, &[("a", &field)], b""))
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Broken { .. }), "{error}");
}

#[tokio::test]
async fn a_malformed_answer_is_broken_and_may_have_been_sent() {
    for answer in ["garbage\r\n\r\n", "HTTP/1.1 two hundred\r\n\r\n", ""] {
        let error = fetch(move || vec![Step::Send(answer.as_bytes().to_vec()), Step::Close])
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                TransportError::Broken {
                    maybe_sent: true,
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_refused_connection_was_certainly_not_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let policy = AddressPolicy::Local {
        origins: vec![url.clone()],
    };
    let error = transport().send(get(url), &policy).await.unwrap_err();
    assert!(
        matches!(error, TransportError::Unreachable { .. }),
        "{error}"
    );
    assert!(!error.maybe_sent() && error.is_passing());
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_head_in_time_may_have_been_sent() {
    let error = fetch(|| vec![Step::Wait(Box::pin(std::future::pending()))])
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            TransportError::TimedOut { part: Part::Head, maybe_sent: true, limit, .. }
                if limit == Duration::from_secs(20)
        ),
        "{error}"
    );
}

#[tokio::test]
async fn nothing_shows_queries_header_values_or_bodies() {
    let secret = "s3cr3t-value";
    let server = Loopback::start(|_| json(200, "{}")).await;
    let mut request = get(server.url(&format!("/a?token={secret}")));
    request.headers.insert(
        "authorization",
        HeaderValue::from_static("Bearer s3cr3t-value"),
    );
    request.body = Some(Bytes::from_static(b"s3cr3t-value"));
    let mut shown = format!("{request:?}");
    let answer = transport().send(request, &local(&server)).await.unwrap();
    shown += &format!("{answer:?}");
    let error = transport()
        .send(
            get(Url::parse(&format!("http://x/?t={secret}")).unwrap()),
            &AddressPolicy::Public,
        )
        .await
        .unwrap_err();
    shown += &format!("{error} {error:?}");
    assert!(!shown.contains(secret), "{shown}");
}
