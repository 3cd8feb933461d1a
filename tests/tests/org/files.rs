//! Contents of files: up and down as streams, whole or not at all.

use bytes::Bytes;
use dev_org::{FaultKind, FaultRule};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use lockgate::{Advice, Connection, Content, Error, Outcome, RecordResult};
use lockgate_tests::org::{Site, get, query};
use lockgate_tests::packages::package_with;
use serde_json::{Value as Json, json};

const MIB: usize = 1024 * 1024;
const TOKEN: &str = "/services/oauth2/token";

/// Bytes of all values in no short period, and the line that ends a part of
/// many forms.
fn bytes(count: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..count).map(|n| (n * 31 + n / 251) as u8).collect();
    let line = b"\r\n--boundary--\r\n";
    if let Some(place) = bytes.get_mut(..line.len()) {
        place.copy_from_slice(line);
    }
    bytes
}

async fn put(crm: &Connection, record: Json, content: &[u8]) -> Result<RecordResult, Error> {
    let content = Content::from_bytes(content.to_vec());
    crm.upload("ContentVersion", &record, "VersionData", content)
        .await
}

fn created(result: Result<RecordResult, Error>) -> String {
    let result = result.unwrap();
    assert_eq!(result.outcome, Outcome::Created);
    result.id.unwrap()
}

async fn content(crm: &Connection, object: &str, id: &str, field: &str) -> Result<Vec<u8>, Error> {
    let content = crm.download(object, id, field).await?;
    let parts: Vec<Bytes> = content.try_collect().await?;
    Ok(parts.concat())
}

fn files(site: &Site) -> usize {
    site.control.org(|org| org.table_of("ContentVersion").len())
}

#[tokio::test]
async fn a_file_of_64_mib_goes_up_and_down_through_a_guest_of_8_mib() {
    let site = Site::start().await;
    let small = package_with("salesforce", |manifest| {
        let small = manifest.replace("memory_mib = 128", "memory_mib = 8");
        assert_ne!(small, manifest);
        small
    });
    site.host.load(&small).await;
    let crm = site.crm().await;
    let file = bytes(64 * MIB);
    let id = created(put(&crm, json!({ "PathOnClient": "a.bin" }), &file).await);
    let down = crm.download("ContentVersion", &id, "VersionData").await;
    let down = down.unwrap();
    assert_eq!(down.length(), Some(file.len() as u64));
    let parts: Vec<Bytes> = down.try_collect().await.unwrap();
    assert!(parts.concat() == file, "the file has changed");
    // One call each, besides the list of versions, which is free.
    assert_eq!(site.count("POST", "/sobjects/ContentVersion"), 1);
    assert_eq!(site.count("GET", "/VersionData"), 1);

    // Without its length as well.
    let pieces = file.chunks(100_000).map(Bytes::copy_from_slice);
    let pieces: Vec<_> = pieces.map(Ok).collect();
    let content = Content::from_stream(stream::iter(pieces), None);
    let record = json!({ "PathOnClient": "b.bin" });
    let result = crm.upload("ContentVersion", &record, "VersionData", content);
    let id = created(result.await);
    let fields = ["ContentSize"];
    let version = get(&crm, "ContentVersion", &[&id], &fields).await;
    assert_eq!(version[0]["ContentSize"], file.len());
}

#[tokio::test]
async fn versions_attachments_and_documents_are_put_beside_what_they_belong_to() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let account = lockgate_tests::org::create(&crm, "Account", json!({ "Name": "A" })).await;
    let record = json!({ "PathOnClient": "a.txt", "FirstPublishLocationId": account });
    let first = created(put(&crm, record, b"one").await);
    let version = get(&crm, "ContentVersion", &[&first], &["ContentDocumentId"]).await;
    let document = version[0]["ContentDocumentId"].clone();
    let soql = format!(
        "SELECT ContentDocumentId FROM ContentDocumentLink WHERE LinkedEntityId = '{account}'"
    );
    assert_eq!(query(&crm, &soql).await[0]["ContentDocumentId"], document);
    let record = json!({ "PathOnClient": "a.txt", "ContentDocumentId": document });
    let second = created(put(&crm, record, b"two").await);
    let versions = get(&crm, "ContentVersion", &[&first, &second], &["IsLatest"]).await;
    assert_eq!(versions[0]["IsLatest"], false);
    assert_eq!(versions[1]["IsLatest"], true);

    let record = json!({ "Name": "b.bin", "ParentId": account });
    let file = bytes(3);
    let result = crm.upload(
        "Attachment",
        &record,
        "Body",
        Content::from_bytes(file.clone()),
    );
    let id = created(result.await);
    assert_eq!(
        content(&crm, "Attachment", &id, "Body").await.unwrap(),
        file
    );
    // A record with its id is changed.
    let record = json!({ "Id": id, "Name": "c.bin" });
    let result = crm.upload("Attachment", &record, "Body", Content::from_bytes("new"));
    assert_eq!(result.await.unwrap().outcome, Outcome::Updated);
    assert_eq!(
        content(&crm, "Attachment", &id, "Body").await.unwrap(),
        b"new"
    );
}

#[tokio::test]
async fn a_file_may_stand_in_base64_within_its_record() {
    let site = Site::start().await;
    let crm = site.crm().await;
    for (object, record, field, expected) in [
        (
            "ContentVersion",
            json!({ "PathOnClient": "a.bin", "VersionData": "AAEC/w==" }),
            "VersionData",
            &b"\0\x01\x02\xff"[..],
        ),
        (
            "ContentNote",
            json!({ "Title": "T", "Content": "PHA+b25lPC9wPg==" }),
            "Content",
            b"<p>one</p>",
        ),
    ] {
        let id = lockgate_tests::org::create(&crm, object, record).await;
        let got = content(&crm, object, &id, field).await.unwrap();
        assert_eq!(got, expected, "{object}");
    }
}

#[tokio::test]
async fn a_download_that_breaks_off_is_told_and_never_a_short_file() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let file = bytes(3 * MIB);
    let id = created(put(&crm, json!({ "PathOnClient": "a" }), &file).await);
    for keep_bytes in [0, 1, 2 * MIB, 3 * MIB - 1] {
        let fault = FaultKind::Truncate {
            keep_bytes: Some(keep_bytes),
        };
        site.control
            .add_fault(FaultRule::next(1, "/VersionData", fault));
        let outcome = match crm.download("ContentVersion", &id, "VersionData").await {
            Ok(parts) => parts.try_collect::<Vec<Bytes>>().await,
            Err(error) => Err(error),
        };
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    }
    let whole = content(&crm, "ContentVersion", &id, "VersionData").await;
    assert!(whole.unwrap() == file);
}

#[tokio::test]
async fn transfers_that_are_dropped_write_nothing_and_harm_nobody() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let file = bytes(8 * MIB);
    let id = created(put(&crm, json!({ "PathOnClient": "a" }), &file).await);
    let mut down = crm
        .download("ContentVersion", &id, "VersionData")
        .await
        .unwrap();
    assert!(down.next().await.unwrap().is_ok());
    drop(down);
    let before = files(&site);

    let (reached, until_reached) = futures_util::future::AbortHandle::new_pair();
    let parts = stream::iter([Ok(Bytes::from(file.clone()))]).chain(stream::once(async move {
        // Asked for: all before it is on its way.
        reached.abort();
        std::future::pending().await
    }));
    let content = Content::from_stream(parts, None);
    let record = json!({ "PathOnClient": "b" });
    let upload = crm.upload("ContentVersion", &record, "VersionData", content);
    let aborted = futures_util::future::Abortable::new(upload, until_reached).await;
    assert!(aborted.is_err(), "it was not dropped");
    assert_eq!(files(&site), before);
    created(put(&crm, json!({ "PathOnClient": "c" }), &file).await);
    assert_eq!(files(&site), before + 1);
}

#[tokio::test]
async fn a_session_that_ended_before_an_upload_costs_a_second_try_and_writes_nothing_twice() {
    let site = Site::start().await;
    let crm = site.crm().await;
    query(&crm, "SELECT Id FROM Account").await;
    let before = files(&site);
    site.control.expire_sessions();
    site.control.clear_requests();
    let record = json!({ "PathOnClient": "a" });
    let error = put(&crm, record.clone(), b"content").await.unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable { retry_after, .. } if retry_after.is_zero()),
        "{error}"
    );
    assert_eq!((files(&site), site.count("POST", TOKEN)), (before, 1));
    created(put(&crm, record, b"content").await);
    let after = (files(&site), site.count("POST", TOKEN));
    assert_eq!(after, (before + 1, 1));
}

#[tokio::test]
async fn a_session_that_nobody_has_used_is_renewed_before_an_upload() {
    let site = Site::start().await;
    created(put(&site.crm().await, json!({ "PathOnClient": "a" }), b"one").await);
    // Another process finds the session in the store, and it has ended.
    let host = site.another_host().await;
    let crm = host
        .connection(lockgate_tests::org::TENANT, lockgate_tests::org::NAME)
        .await
        .unwrap();
    site.control.expire_sessions();
    site.control.clear_requests();
    created(put(&crm, json!({ "PathOnClient": "b" }), b"two").await);
    assert_eq!(site.count("POST", TOKEN), 1);
    created(put(&crm, json!({ "PathOnClient": "c" }), b"three").await);
    assert_eq!(site.count("POST", TOKEN), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_told_with_what_to_do() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let name = json!({ "PathOnClient": "a" });
    // Too large before anything is sent.
    let content = Content::from_stream(stream::empty(), Some(3 * 1024 * MIB as u64));
    let outcome = crm.upload("ContentVersion", &name, "VersionData", content);
    let Err(Error::Refused { problem, .. }) = outcome.await else {
        panic!("it was not refused")
    };
    assert_eq!(problem.code, "FILE_SIZE_LIMIT_EXCEEDED");
    assert_eq!(problem.advice, Advice::FixRecord);
    assert_eq!(site.count("POST", "/sobjects/"), 0);
    // What the org says against the record.
    let result = put(&crm, json!({ "Title": "T" }), b"x").await.unwrap();
    let Outcome::Failed { problems } = result.outcome else {
        panic!("it was written")
    };
    assert_eq!(problems[0].code, "REQUIRED_FIELD_MISSING");
    assert_eq!(problems[0].fields, ["PathOnClient"]);
    // A record that is not there, and a field that holds no file.
    let id = created(put(&crm, name, b"x").await);
    for (id, field, advice) in [
        ("068000000000001AAA", "VersionData", Advice::Refetch),
        (id.as_str(), "Title", Advice::FixSchema),
    ] {
        let error = crm.download("ContentVersion", id, field).await.unwrap_err();
        let Error::Refused { problem, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(problem.advice, advice, "{problem}");
    }
}
