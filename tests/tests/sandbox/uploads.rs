//! Streams in both directions with a guest that does not keep its word: bodies of
//! requests, contents of files.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use lockgate::{Connection, Content, Error, Limit, Outcome};
use lockgate_tests::loopback::Loopback;
use serde_json::json;

use crate::attack::{connector, one, report, stopped_by};

const MIB: u64 = 1024 * 1024;

async fn error(crm: &Connection, command: &str) -> String {
    let report = one(crm, command).await;
    report["error"]
        .as_str()
        .unwrap_or_else(|| panic!("{report}"))
        .to_owned()
}

#[tokio::test]
async fn a_body_goes_up_with_and_without_its_length() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for bytes in [0, 1, 65_536, 3_000_001_u64] {
        for length in [bytes.to_string(), "unknown".to_owned()] {
            let report = one(&crm, &format!("send-stream {bytes} {length} /count")).await;
            assert_eq!(report, json!({ "status": 200, "body": bytes.to_string() }));
        }
    }
    let heads = server.heads();
    assert!(heads[0].contains("content-length: 0\r\n"), "{heads:?}");
    assert!(
        heads[1].contains("transfer-encoding: chunked\r\n"),
        "{heads:?}"
    );
    assert!(
        heads
            .iter()
            .all(|head| head.contains("authorization: Bearer "))
    );
    assert_eq!(server.cut_bodies(), 0);
}

#[tokio::test]
async fn a_body_that_does_not_have_its_length_never_arrives_whole() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for command in [
        "send-stream 100000 100001 /count",
        "send-stream 100001 100000 /count",
        "send-stream 200000 100000 /count",
        "send-stream 1 0 /count",
    ] {
        assert!(
            error(&crm, command).await.contains("InvalidPart::Body"),
            "{command}"
        );
    }
    // The connection is not used again.
    let report = one(&crm, "send-stream 5 5 /count").await;
    assert_eq!(report["body"], "5");
    server.until_cut(3).await;
}

#[tokio::test]
async fn a_body_without_end_is_broken_off_at_the_limit_for_streams() {
    let server = Loopback::start().await;
    let limits = "request_mib = 1\nresponse_mib = 1\nstream_mib = 3";
    let (_host, crm) = server.attacked_by(&connector(limits)).await;
    let most = 3 * MIB;
    for length in [most.to_string(), "unknown".to_owned()] {
        let report = one(&crm, &format!("send-stream {most} {length} /count")).await;
        assert_eq!(report["body"], most.to_string());
    }
    let command = "send-stream 4000000000 unknown /count";
    assert!(error(&crm, command).await.contains("InvalidPart::Body"));
    let n_requests = server.heads().len();
    let command = format!("send-stream 1 {} /count", most + 1);
    assert!(error(&crm, &command).await.contains("InvalidPart::Body"));
    assert_eq!(server.heads().len(), n_requests, "it was sent");
    // The same limit counts for what comes down.
    let report = one(&crm, &format!("stream /bytes/{most}")).await;
    assert_eq!(report, json!({ "bytes": most, "ending": "whole" }));
    let report = one(&crm, "stream /endless").await;
    assert!(
        report["ending"]
            .as_str()
            .unwrap()
            .contains(&format!("TooLarge({most})"))
    );
}

#[tokio::test]
async fn a_guest_that_stops_in_the_midst_of_a_body_is_stopped_by_its_wall_clock() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("wall_ms = 2000")).await;
    let (limit, _) = stopped_by(report(&crm, "send-stall /count").await);
    assert_eq!(limit, Limit::Wall);
    assert_eq!(one(&crm, "send get /ok").await["status"], 200);
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_has_ended_is_given() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("stream_mib = 4096")).await;
    let report = one(&crm, "send-stream 4000000000 unknown /early").await;
    // Or the server was gone before its answer could be read.
    let told =
        report["body"] == "early" || report["error"].as_str().unwrap().contains("Unavailable");
    assert!(told, "{report}");
}

async fn download(crm: &Connection, kind: &str, bytes: u64) -> Result<u64, Error> {
    let content = crm.download(kind, &bytes.to_string(), "").await?;
    content
        .try_fold(0, |all, part| async move { Ok(all + part.len() as u64) })
        .await
}

#[tokio::test]
async fn a_content_gives_every_byte_and_its_end() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for bytes in [0, 1, 65_537, 20 * MIB] {
        assert_eq!(download(&crm, "whole", bytes).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_content_that_broke_off_ends_with_an_error_and_not_in_silence() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("wall_ms = 2000")).await;
    let error = download(&crm, "broken", 100_000).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    let (limit, _) = stopped_by(download(&crm, "untold", 100_000).await);
    assert_eq!(limit, Limit::Wall);
}

#[tokio::test]
async fn a_content_that_is_dropped_gives_its_instance_back() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    // More than there are instances.
    for _ in 0..300 {
        let mut content = crm.download("whole", "1000000000000", "").await.unwrap();
        assert!(content.next().await.unwrap().is_ok());
    }
    assert_eq!(download(&crm, "whole", 1).await.unwrap(), 1);
}

#[tokio::test]
async fn limits_begin_afresh_with_each_mib_and_not_with_each_byte() {
    let server = Loopback::start().await;
    let limits = "cpu_ms = 500\nhttp_requests = 20";
    let (_host, crm) = server.attacked_by(&connector(limits)).await;
    let bytes = 4 * MIB;
    assert_eq!(download(&crm, "asking", bytes).await.unwrap(), bytes);
    // One for each 64 KiB.
    let requests = server.heads().into_iter();
    assert_eq!(requests.filter(|head| head.contains(" /ok ")).count(), 64);
    let (limit, _) = stopped_by(download(&crm, "burn", 1_000).await);
    assert_eq!(limit, Limit::Cpu);
}

async fn upload(crm: &Connection, kind: &str, content: Content) -> Result<String, Error> {
    let result = crm.upload(kind, &json!({}), "", content).await?;
    assert_eq!(result.outcome, Outcome::Created);
    Ok(result.id.unwrap())
}

fn parts(count: usize) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    stream::iter((0..count).map(|_| Ok(Bytes::from_static(&[b'p'; 1_000]))))
}

#[tokio::test]
async fn a_content_reaches_the_guest_whole_or_ends_the_call() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for length in [None, Some(3_000_000)] {
        let content = Content::from_stream(parts(3_000), length);
        assert_eq!(upload(&crm, "read", content).await.unwrap(), "3000000");
    }
    let reader = std::io::Cursor::new(vec![b'r'; 200_000]);
    let content = Content::from_reader(reader, None);
    assert_eq!(upload(&crm, "read", content).await.unwrap(), "200000");
    let content = Content::from_bytes("abc");
    assert_eq!(upload(&crm, "unread", content).await.unwrap(), "0");

    let broken = || {
        let error = std::io::Error::other("the disk is gone");
        Content::from_stream(parts(3).chain(stream::iter([Err(error)])), None)
    };
    for (content, said) in [
        (
            Content::from_stream(parts(3), Some(3_001)),
            "3000 bytes, and 3001",
        ),
        (
            Content::from_stream(parts(3), Some(2_999)),
            "longer than the 2999 bytes",
        ),
        (broken(), "the disk is gone"),
    ] {
        let error = upload(&crm, "read", content).await.unwrap_err();
        assert!(
            matches!(&error, Error::Input(what) if what.contains(said)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_guest_that_takes_a_content_no_further_is_stopped_by_its_wall_clock() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("wall_ms = 2000")).await;
    let (limit, _) = stopped_by(upload(&crm, "stall", Content::from_bytes("abc")).await);
    assert_eq!(limit, Limit::Wall);
}
