//! The receiver of webhooks: what is not theirs, not in time or too much never gets in,
//! and nothing is answered with success that was not kept.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream;
use http::Request;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Body, Frame};
use lockgate::receiver::{Address, Hook, Receiver, ReceiverOptions, Shape, Source, Until};
use lockgate::store::{FILE_NAME, QueueState};
use lockgate::webhook::{Secret, sign};
use lockgate::{Connection, Inbox};
use lockgate_tests::loopback::Loopback;
use lockgate_tests::sandbox::TestHost;
use rusqlite::Connection as Sqlite;

use crate::attack::connector;

/// A receiver with a webhook of the hostile connector, and a signed one.
struct Desk {
    server: Loopback,
    host: TestHost,
    crm: Connection,
    receiver: Receiver,
    product: (Inbox, Address),
    signed: (Inbox, Address),
    secret: Secret,
}

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    status: u16,
    body: String,
    retry_after: Option<String>,
}

impl Desk {
    async fn open() -> Self {
        Self::with(ReceiverOptions::default(), Shape::Whole).await
    }

    async fn with(options: ReceiverOptions, shape: Shape) -> Self {
        let server = Loopback::start().await;
        let (host, crm) = server.attacked_by(&connector("")).await;
        let place = |name: &str| (crm.inbox(name).unwrap(), Address::generate().unwrap());
        let desk = Self {
            receiver: Receiver::new(options),
            product: place("product"),
            signed: place("signed"),
            secret: Secret::generate().unwrap(),
            server,
            host,
            crm,
        };
        let secrets = vec![Until::ever(desk.secret.clone())];
        desk.receiver.serve(vec![
            desk.hook(&desk.product, Source::Product, shape),
            desk.hook(&desk.signed, Source::Signed(secrets), shape),
        ]);
        desk
    }

    fn hook(&self, place: &(Inbox, Address), source: Source, shape: Shape) -> Hook {
        Hook {
            connection: self.crm.clone(),
            inbox: place.0.clone(),
            addresses: vec![Until::ever(place.1.digest())],
            source,
            shape,
        }
    }

    /// Sends a command to the hostile connector.
    async fn command(&self, command: &str) -> Told {
        let request = Request::post(path(&self.product.1));
        self.send(request.body(Full::from(command.to_owned())).unwrap())
            .await
    }

    /// Sends a signed body.
    async fn signed(&self, id: &str, body: &str) -> Told {
        self.send(self.request(&self.secret, id, SystemTime::now(), body))
            .await
    }

    fn request(
        &self,
        secret: &Secret,
        id: &str,
        sent: SystemTime,
        body: &str,
    ) -> Request<Full<Bytes>> {
        let signed = sign(std::slice::from_ref(secret), id, sent, body.as_bytes()).unwrap();
        let mut request = Request::post(path(&self.signed.1));
        for (name, value) in signed.headers() {
            request = request.header(name, value);
        }
        request.body(Full::from(body.to_owned())).unwrap()
    }

    async fn send<B>(&self, request: Request<B>) -> Told
    where
        B: Body<Data = Bytes, Error = Infallible>,
    {
        let answer = self.receiver.answer(request).await;
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get("retry-after");
        let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Told {
            status,
            body: String::from_utf8(body.to_vec()).unwrap(),
            retry_after,
        }
    }
}

fn path(address: &Address) -> String {
    format!("/hooks/{}", address.expose())
}

/// The ids and bodies of what waits.
async fn waiting(inbox: &Inbox) -> Vec<(String, String)> {
    let page = inbox.queue().list(QueueState::Waiting, None, 1_000).await;
    let items = page.unwrap().items.into_iter();
    items
        .map(|item| (item.id, String::from_utf8(item.bytes).unwrap()))
        .collect()
}

/// A body that must not be read.
fn untouchable() -> impl Body<Data = Bytes, Error = Infallible> {
    StreamBody::new(stream::poll_fn(|_| panic!("it was read")))
}

#[tokio::test]
async fn an_address_that_is_none_or_no_longer_one_is_answered_alike_and_nothing_is_read() {
    let desk = Desk::open().await;
    let nothing = Told {
        status: 404,
        body: String::new(),
        retry_after: None,
    };
    let other = path(&Address::generate().unwrap());
    let known = path(&desk.signed.1);
    for wrong in [
        "/",
        "/hooks/",
        "/hooks/a",
        &other,
        &known[..known.len() - 1],
    ] {
        let request = Request::post(wrong).body(untouchable()).unwrap();
        assert_eq!(desk.send(request).await, nothing, "{wrong}");
    }
    assert_eq!(desk.signed("msg_1", "{}").await.status, 204);
    let mut ended = desk.hook(&desk.signed, Source::Product, Shape::Whole);
    ended.addresses[0].until_ms = Some(1_700_000_000_000);
    desk.receiver.serve(vec![ended]);
    let request = Request::post(known).body(untouchable()).unwrap();
    assert_eq!(desk.send(request).await, nothing);
}

#[tokio::test]
async fn a_body_that_is_too_large_packed_or_too_slow_is_refused() {
    let options = ReceiverOptions {
        max_body_bytes: 1_000,
        ..ReceiverOptions::default()
    };
    let desk = Desk::with(options, Shape::Whole).await;
    let path = path(&desk.signed.1);
    let claimed = Request::post(&path).header("content-length", "1001");
    let claimed = claimed.body(untouchable()).unwrap();
    assert_eq!(desk.send(claimed).await.status, 413);
    // One that does not say how long it is, and does not end.
    let chunk = || Ok(Frame::data(Bytes::from_static(&[b'a'; 100])));
    let endless = StreamBody::new(stream::repeat_with(chunk));
    let endless = Request::post(&path).body(endless).unwrap();
    assert_eq!(desk.send(endless).await.status, 413);
    let packed = Request::post(&path).header("content-encoding", "gzip");
    let packed = packed.body(untouchable()).unwrap();
    assert_eq!(desk.send(packed).await.status, 415);
    let slow = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let slow = Request::post(&path).body(slow).unwrap();
    tokio::time::pause();
    assert_eq!(desk.send(slow).await.status, 408);
    tokio::time::resume();
    assert_eq!(desk.signed("msg_1", "{}").await.status, 204);
}

#[tokio::test]
async fn a_flood_of_one_webhook_is_put_off_and_the_others_are_served() {
    let desk = Desk::open().await;
    let receiver = &desk.receiver;
    let path = path(&desk.product.1);
    let mut held = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let body = Full::<Bytes>::from("do send-many 1 /hold");
        let request = Request::post(&path).body(body).unwrap();
        let receiver = receiver.clone();
        held.spawn(async move { receiver.answer(request).await.status().as_u16() });
    }
    while desk.server.held() < 16 {
        tokio::task::yield_now().await;
    }
    let put_off = desk.command("tell 1").await;
    assert_eq!(
        (put_off.status, put_off.retry_after.as_deref()),
        (503, Some("5"))
    );
    assert_eq!(desk.signed("msg_1", "{}").await.status, 204);
    desk.server.release();
    let answers = held.join_all().await;
    assert_eq!(answers, [200; 16]);
    assert_eq!(desk.command("tell 1").await.status, 200);
    assert_eq!(waiting(&desk.product.0).await.len(), 1);
}

#[tokio::test]
async fn more_than_a_webhook_may_get_in_a_second_is_put_off() {
    let desk = Desk::open().await;
    let path = path(&desk.signed.1);
    tokio::time::pause();
    let mut answers = Vec::new();
    for _ in 0..251 {
        let empty = Request::post(&path).body(Full::<Bytes>::default()).unwrap();
        answers.push(desk.send(empty).await);
    }
    let last = answers.pop().unwrap();
    assert!(answers.iter().all(|answer| answer.status == 401));
    assert_eq!((last.status, last.retry_after.as_deref()), (429, Some("5")));
}

#[tokio::test]
async fn a_signed_webhook_is_kept_once_however_often_it_is_sent() {
    let desk = Desk::open().await;
    for _ in 0..3 {
        let told = desk.signed("msg_1", "{\"a\": 1.10}").await;
        assert_eq!((told.status, told.body.as_str()), (204, ""));
    }
    desk.signed("msg_2", "any text").await;
    let one = ("msg_1".to_owned(), "{\"a\": 1.10}".to_owned());
    let two = ("msg_2".to_owned(), "any text".to_owned());
    assert_eq!(waiting(&desk.signed.0).await, [one, two]);
}

#[tokio::test]
async fn what_is_not_signed_by_who_has_the_secret_now_is_not_kept_and_told_nothing() {
    let desk = Desk::open().await;
    let now = SystemTime::now();
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let stranger = Secret::generate().unwrap();
    let mut changed = desk.request(&desk.secret, "msg_1", now, "{}");
    *changed.body_mut() = Full::from("{ }");
    let mut renamed = desk.request(&desk.secret, "msg_1", now, "{}");
    renamed
        .headers_mut()
        .insert("webhook-id", "msg_2".parse().unwrap());
    let mut unsigned = desk.request(&desk.secret, "msg_1", now, "{}");
    unsigned.headers_mut().remove("webhook-signature");
    for (what, request) in [
        (
            "a recording",
            desk.request(&desk.secret, "msg_1", now - minutes(6), "{}"),
        ),
        (
            "from the future",
            desk.request(&desk.secret, "msg_1", now + minutes(6), "{}"),
        ),
        (
            "another secret",
            desk.request(&stranger, "msg_1", now, "{}"),
        ),
        ("another body", changed),
        ("another id", renamed),
        ("no signature", unsigned),
    ] {
        let told = desk.send(request).await;
        assert_eq!((told.status, told.body.as_str()), (401, ""), "{what}");
    }
    let mut got = desk.request(&desk.secret, "msg_1", now, "{}");
    *got.method_mut() = http::Method::GET;
    assert_eq!(desk.send(got).await.status, 405);
    assert!(waiting(&desk.signed.0).await.is_empty());
}

#[tokio::test]
async fn while_secrets_are_replaced_both_are_good_until_the_older_one_ends() {
    let desk = Desk::open().await;
    let newer = Secret::generate().unwrap();
    let serve = |until_ms: u64| {
        let older = Until {
            value: desk.secret.clone(),
            until_ms: Some(until_ms),
        };
        let source = Source::Signed(vec![older, Until::ever(newer.clone())]);
        let hook = desk.hook(&desk.signed, source, Shape::Whole);
        desk.receiver.serve(vec![hook]);
    };
    serve(u64::MAX);
    let with_newer = |id: &str| desk.request(&newer, id, SystemTime::now(), "{}");
    assert_eq!(desk.signed("msg_1", "{}").await.status, 204);
    assert_eq!(desk.send(with_newer("msg_2")).await.status, 204);
    serve(1_700_000_000_000);
    assert_eq!(desk.signed("msg_3", "{}").await.status, 401);
    assert_eq!(desk.send(with_newer("msg_4")).await.status, 204);
}

#[tokio::test]
async fn records_are_taken_out_of_bodies_and_events_and_what_holds_none_is_refused() {
    let desk = Desk::with(ReceiverOptions::default(), Shape::Records).await;
    let told = desk.signed("msg_1", "[{\"a\":1},{\"a\":2}]").await;
    assert_eq!(told.status, 204);
    let told = desk.signed("msg_2", "7").await;
    assert_eq!(told.status, 400);
    assert!(told.body.contains("JSON object"), "{}", told.body);
    let kept = waiting(&desk.signed.0).await;
    let ids: Vec<&str> = kept.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["msg_1.0", "msg_1.1"]);
    desk.command("tell 1").await;
    let kept = waiting(&desk.product.0).await;
    assert_eq!(kept[0].1, "{ \"Number\": 1.50, \"Gone\": null }");
}

#[tokio::test]
async fn events_of_a_product_are_kept_once_each_before_it_is_answered() {
    let desk = Desk::open().await;
    let told = desk.command("tell 2").await;
    assert_eq!((told.status, told.body.as_str()), (200, "told"));
    desk.command("tell 3").await;
    let kept = waiting(&desk.product.0).await;
    let ids: Vec<&str> = kept.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["event-1", "event-2", "event-3"]);
    let event: serde_json::Value = serde_json::from_str(&kept[0].1).unwrap();
    assert_eq!(
        (&event["event"], &event["object"]),
        (&"change".into(), &"Thing".into())
    );

    assert_eq!(desk.command("refuse").await.status, 403);
    for wrong in [
        "lie flood",
        "fail unavailable-soon",
        "fail reconnect",
        "do panic",
    ] {
        let told = desk.command(wrong).await;
        assert_eq!((told.status, told.body.as_str()), (503, ""), "{wrong}");
        assert_eq!(told.retry_after.as_deref(), Some("30"), "{wrong}");
    }
    assert_eq!(waiting(&desk.product.0).await.len(), 3);
    desk.host.remove_connection("acme", "crm").await.unwrap();
    assert_eq!(desk.command("tell 4").await.status, 404);
}

#[tokio::test]
async fn nothing_is_answered_with_success_while_the_store_does_not_keep_it() {
    let desk = Desk::open().await;
    assert_eq!(desk.signed("msg_1", "{}").await.status, 204);
    let store = Sqlite::open(desk.host.data_dir().join(FILE_NAME)).unwrap();
    let rename = |from: &str, to: &str| {
        let statement = format!("ALTER TABLE {from} RENAME TO {to}");
        store.execute_batch(&statement).unwrap();
    };
    rename("queue_items", "away");
    for told in [
        desk.signed("msg_2", "{}").await,
        desk.command("tell 1").await,
    ] {
        let expected = Told {
            status: 503,
            body: String::new(),
            retry_after: Some("30".to_owned()),
        };
        assert_eq!(told, expected);
    }
    rename("away", "queue_items");
    assert_eq!(desk.signed("msg_2", "{}").await.status, 204);
    assert_eq!(desk.command("tell 1").await.status, 200);
    let kept = waiting(&desk.signed.0).await;
    let ids: Vec<&str> = kept.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["msg_1", "msg_2"]);
}
