//! Bodies: decompressed, limited, and given up when they stall, break or swell.

use std::io::Write;

use super::*;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

async fn fetch_body(
    answer: impl Fn() -> Vec<Step> + Send + Sync + 'static,
) -> Result<Bytes, TransportError> {
    fetch(answer).await?.body.collect(DEFAULT_BODY_BYTES).await
}

#[tokio::test]
async fn a_compressed_body_is_given_decompressed() {
    let content = b"[{\"Id\":\"1\"},{\"Id\":\"2\"}]".repeat(100);
    let packed = [gzip(&content), gzip(b" ")].concat();
    let answer = fetch(move || reply(200, &[("content-encoding", "gzip")], &packed))
        .await
        .unwrap();
    assert!(!answer.headers.contains_key("content-encoding"));
    assert!(!answer.headers.contains_key("content-length"));
    let body = answer.body.collect(DEFAULT_BODY_BYTES).await.unwrap();
    assert_eq!(&body[..content.len()], content);
    assert_eq!(body.len(), content.len() + 1, "both members are read");
}

#[tokio::test]
async fn a_gzip_bomb_is_stopped_long_before_it_is_whole() {
    let packed = gzip(&vec![b' '; 64 * 1024 * 1024]);
    let answer = fetch(move || reply(200, &[("content-encoding", "gzip")], &packed))
        .await
        .unwrap();
    let mut body = answer.body.limited(u64::MAX);
    let mut given = 0;
    let error = loop {
        match body.chunk().await.unwrap() {
            Ok(chunk) => given += chunk.len(),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, TransportError::Bomb { .. }), "{error}");
    assert!(given < 8 * 1024 * 1024, "{given}");
    assert!(body.chunk().await.is_none());
}

#[tokio::test]
async fn the_limit_of_a_body_counts_decompressed_bytes() {
    let packed = gzip(&vec![b' '; 900_000]);
    assert!(packed.len() < 2_000);
    let answer = fetch(move || reply(200, &[("content-encoding", "gzip")], &packed))
        .await
        .unwrap();
    let error = answer.body.collect(500_000).await.unwrap_err();
    assert!(matches!(
        error,
        TransportError::TooLarge {
            part: Part::Body,
            limit: 500_000
        }
    ));
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_unread() {
    let answer = fetch(|| {
        vec![Step::Send(
            b"HTTP/1.1 200 X\r\ncontent-length: 1000000\r\n\r\n".to_vec(),
        )]
    })
    .await
    .unwrap();
    let error = answer.body.collect(1_000).await.unwrap_err();
    assert!(matches!(
        error,
        TransportError::TooLarge { limit: 1_000, .. }
    ));
}

#[tokio::test]
async fn an_endless_body_ends_at_its_limit() {
    let answer = fetch(|| {
        let head = b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        let chunk = [b"1000\r\n".to_vec(), vec![b'x'; 4096], b"\r\n".to_vec()].concat();
        std::iter::once(head)
            .chain(std::iter::repeat_n(chunk, 1_000))
            .map(Step::Send)
            .collect()
    })
    .await
    .unwrap();
    let error = answer.body.collect(100_000).await.unwrap_err();
    assert!(matches!(
        error,
        TransportError::TooLarge { limit: 100_000, .. }
    ));
}

#[tokio::test]
async fn half_a_body_is_an_error_and_not_a_short_body() {
    let whole = gzip(&b"abcdefgh".repeat(10_000));
    let half = whole[..whole.len() / 2].to_vec();
    for answer in [
        "HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nnonsense",
    ] {
        let error = fetch_body(move || vec![Step::Send(answer.as_bytes().to_vec()), Step::Close])
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
    let error = fetch_body(move || reply(200, &[("content-encoding", "gzip")], &half))
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Broken { .. }), "{error}");
    let error = fetch_body(|| reply(200, &[("content-encoding", "gzip")], b"not gzip at all"))
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Broken { .. }), "{error}");
}

#[tokio::test]
async fn encodings_that_were_not_offered_are_refused() {
    for encoding in ["br", "gzip, gzip", "deflate"] {
        let error = fetch(move || reply(200, &[("content-encoding", encoding)], b"x"))
            .await
            .unwrap_err();
        assert!(matches!(error, TransportError::Broken { .. }), "{encoding}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_falls_silent_is_given_up() {
    let error = fetch_body(|| {
        vec![
            Step::Send(b"HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\nhalf".to_vec()),
            Step::Wait(Box::pin(std::future::pending())),
        ]
    })
    .await
    .unwrap_err();
    assert!(
        matches!(error, TransportError::TimedOut { part: Part::Body, limit, .. } if limit == BODY_IDLE),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_given_up_though_it_never_falls_silent() {
    let start = tokio::time::Instant::now();
    let error = fetch_body(|| {
        let mut steps = vec![Step::Send(
            b"HTTP/1.1 200 X\r\ncontent-length: 500\r\n\r\n".to_vec(),
        )];
        for _ in 0..500 {
            steps.push(Step::Wait(Box::pin(async {
                tokio::time::sleep(Duration::from_secs(10)).await;
            })));
            steps.push(Step::Send(b"x".to_vec()));
        }
        steps
    })
    .await
    .unwrap_err();
    assert!(
        matches!(
            error,
            TransportError::TimedOut {
                part: Part::Body,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        start.elapsed() < Duration::from_secs(90),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_not_mistaken_for_a_slow_sender() {
    let answer = fetch(|| {
        let head = b"HTTP/1.1 200 X\r\ncontent-length: 819200\r\n\r\n".to_vec();
        std::iter::once(head)
            .chain(std::iter::repeat_n(vec![b'x'; 4096], 200))
            .map(Step::Send)
            .collect()
    })
    .await
    .unwrap();
    let mut body = answer.body;
    let mut total = 0;
    while let Some(chunk) = body.chunk().await {
        total += chunk.unwrap().len();
        tokio::time::sleep(Duration::from_secs(45)).await;
    }
    assert_eq!(total, 819_200);
}
