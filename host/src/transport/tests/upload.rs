//! Bodies that go up in parts: whole under their length or not at all, and given
//! up if nobody takes them.

use futures_util::stream::{self, StreamExt as _};
use tokio::net::TcpListener;

use super::*;

fn upload(parts: &[&'static str], length: Option<u64>, max_bytes: u64) -> Upload {
    let parts: Vec<Bytes> = parts
        .iter()
        .map(|part| Bytes::from_static(part.as_bytes()))
        .collect();
    Upload::new(stream::iter(parts).boxed(), length, max_bytes)
}

fn post(url: Url) -> Outgoing {
    Outgoing {
        method: Method::POST,
        ..get(url)
    }
}

async fn given(mut body: Upload) -> (String, Option<BodyFlaw>) {
    let mut all = String::new();
    while let Some(part) = body.next().await {
        match part {
            Ok(part) => all.push_str(std::str::from_utf8(&part).unwrap()),
            Err(flaw) => return (all, Some(flaw)),
        }
    }
    (all, None)
}

#[tokio::test]
async fn the_part_that_completes_the_length_is_given_only_if_nothing_follows() {
    let all = |text: &str| (text.to_owned(), None);
    assert_eq!(
        given(upload(&["ab", "", "c"], Some(3), 9)).await,
        all("abc")
    );
    assert_eq!(given(upload(&["ab", "c"], None, 3)).await, all("abc"));
    assert_eq!(given(upload(&[], Some(0), 9)).await, all(""));
    let short = Some(BodyFlaw::Short {
        given: 3,
        length: 4,
    });
    assert_eq!(
        given(upload(&["ab", "c"], Some(4), 9)).await,
        ("abc".to_owned(), short)
    );
    let long = Some(BodyFlaw::Long(3));
    assert_eq!(
        given(upload(&["ab", "c", "d"], Some(3), 9)).await,
        ("ab".to_owned(), long)
    );
    assert_eq!(
        given(upload(&["ab", "cd"], None, 3)).await,
        ("ab".to_owned(), long)
    );
}

#[tokio::test]
async fn a_body_arrives_under_its_length_and_a_flaw_says_that_nothing_was_sent() {
    let server = Loopback::start(|_| reply(201, &[], b"")).await;
    let send = async |body| {
        let request = post(server.url("/up"));
        transport()
            .send_stream(request, body, &local(&server))
            .await
    };
    let answer = send(upload(&["ab", "c"], Some(3), 9)).await.unwrap();
    assert_eq!(answer.status, 201);
    let seen = server.requests();
    assert_eq!(
        (seen[0].header("content-length"), seen[0].body.as_str()),
        (Some("3"), "abc")
    );
    let error = send(upload(&["ab"], Some(3), 9)).await.unwrap_err();
    assert!(matches!(error, TransportError::BadBody { .. }), "{error}");
    assert!(!error.maybe_sent());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_a_body_that_is_gone() {
    let server = Loopback::start(|_| reply(307, &[("location", "/other")], b"")).await;
    let request = post(server.url("/up"));
    let body = upload(&["abc"], Some(3), 9);
    let error = transport()
        .send_stream(request, body, &local(&server))
        .await
        .unwrap_err();
    assert!(
        matches!(error, TransportError::RedirectRefused { .. }),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_nobody_takes_is_given_up_and_was_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let policy = AddressPolicy::Local {
        origins: vec![url.clone()],
    };
    let parts = stream::repeat(Bytes::from(vec![b'x'; 65_536])).boxed();
    let body = Upload::new(parts, None, u64::MAX);
    let error = transport()
        .send_stream(post(url), body, &policy)
        .await
        .unwrap_err();
    assert!(
        matches!(error, TransportError::TimedOut { part: Part::Request, limit, .. } if limit == BODY_IDLE),
        "{error}"
    );
    assert!(!error.maybe_sent());
    drop(listener);
}
