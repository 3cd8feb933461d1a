//! A second connector, through the sandbox, against the service that it was made for:
//! what the host promises of the first holds of it without a change in the host.

use lockgate::{
    Advice, ChangeKind, Connection, Error, Event, Operation, Outcome, QueryOptions, ScanOptions,
    Start, SubscribeOptions, WriteOptions,
};
use lockgate_tests::list::{self, LIST};
use lockgate_tests::org::{ids, records};
use lockgate_tests::sandbox::TestHost;
use mailing_list::MailingList;
use serde_json::{Map, Value as Json, json};

struct Bench {
    service: MailingList,
    host: TestHost,
    list: Connection,
}

async fn bench() -> Bench {
    let service = list::start().await;
    let host = TestHost::new().await;
    let list = list::join(&host, &service, "acme").await;
    Bench {
        service,
        host,
        list,
    }
}

async fn create(list: &Connection, rows: Json) -> Vec<String> {
    let rows = records(&rows);
    let results = list.create("Member", &rows, WriteOptions::default()).await;
    ids(&results.unwrap())
}

async fn query(list: &Connection, text: &str) -> Vec<Json> {
    let pages = list.query(text, QueryOptions::default()).await.unwrap();
    pages.collect(10_000).await.unwrap().to_vec().unwrap()
}

fn fields(json: &Json) -> Map<String, Json> {
    json.as_object().unwrap().clone()
}

#[tokio::test]
async fn members_are_created_read_changed_upserted_and_deleted() {
    let Bench { service, list, .. } = bench().await;
    let made = create(
        &list,
        json!([
            {"email": "ann@example.com", "first_name": "Ann", "tags": "vip;new"},
            {"email": "bob@example.com", "status": "unsubscribed"},
        ]),
    )
    .await;
    let wanted = ["email".to_owned(), "tags".to_owned()];
    let read = list.get("Member", &made, &wanted).await.unwrap();
    let read: Json = serde_json::from_slice(&read).unwrap();
    assert_eq!(
        read[0],
        json!({"id": made[0], "email": "ann@example.com", "tags": "new;vip"})
    );
    assert_eq!(query(&list, r#"Member {"tag": "vip"}"#).await.len(), 1);

    let rows = records(&json!([
        {"email": "ANN@example.com", "last_name": "Doe"},
        {"email": "eve@example.com"},
    ]));
    let results = list
        .upsert("Member", "email", &rows, WriteOptions::default())
        .await
        .unwrap();
    assert_eq!(results[0].outcome, Outcome::Updated);
    assert_eq!(results[0].id.as_ref(), Some(&made[0]));
    assert_eq!(results[1].outcome, Outcome::Created);
    let update = records(&json!([{"id": made[1], "status": "subscribed"}]));
    list.update("Member", &update, WriteOptions::default())
        .await
        .unwrap();
    assert_eq!(
        query(&list, r#"Member {"status": "subscribed"}"#)
            .await
            .len(),
        3
    );

    list.delete("Member", &made, WriteOptions::default())
        .await
        .unwrap();
    assert_eq!(service.members().len(), 1);
    let gone = list.get("Member", &made, &[]).await.unwrap();
    assert_eq!(&gone[..], b"[null,null]");
}

#[tokio::test]
async fn what_the_service_refuses_says_what_to_do_and_the_others_are_written() {
    let Bench { list, service, .. } = bench().await;
    create(&list, json!([{"email": "ann@example.com"}])).await;
    let rows = records(&json!([
        {"email": "Ann@example.com"},
        {"email": "no address"},
        {"email": "bob@nowhere"},
        {"email": "eve@example.com"},
    ]));
    let results = list
        .create("Member", &rows, WriteOptions::default())
        .await
        .unwrap();
    let advice: Vec<Option<Advice>> = results
        .iter()
        .map(|result| match &result.outcome {
            Outcome::Failed { problems } => Some(problems[0].advice),
            _ => None,
        })
        .collect();
    let fix = Some(Advice::FixRecord);
    assert_eq!(advice, [Some(Advice::ResolveDuplicate), fix, fix, None]);

    let options = WriteOptions {
        all_or_none: true,
        ..WriteOptions::default()
    };
    let rows = records(&json!([{"email": "new@example.com"}, {"email": "ann@example.com"}]));
    let results = list.create("Member", &rows, options).await.unwrap();
    assert!(results.iter().all(|result| !result.is_ok()));
    assert_eq!(service.members().len(), 2);
}

#[tokio::test]
async fn a_scan_gives_all_members_in_the_order_of_their_ids_page_by_page() {
    let Bench { list, service, .. } = bench().await;
    let people: Json = (0..1_203)
        .map(|n| json!({"email": format!("{n}@example.com")}))
        .collect();
    let mut made = create(&list, people).await;
    made.sort();
    let pages = list.scan("Member", ScanOptions::default()).await.unwrap();
    let scanned: Vec<Json> = pages.collect(10_000).await.unwrap().to_vec().unwrap();
    let scanned: Vec<&str> = scanned
        .iter()
        .map(|row| row["id"].as_str().unwrap())
        .collect();
    assert_eq!(scanned, made);
    let batches = service
        .requests()
        .iter()
        .filter(|asked| asked.path.ends_with("/batch"))
        .count();
    assert_eq!(batches, 13, "a hundred members in a call");
    let pages = list
        .scan(
            "Member",
            ScanOptions {
                after: Some(made[1_200].clone()),
                ..ScanOptions::default()
            },
        )
        .await
        .unwrap();
    assert_eq!(pages.collect(10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn changes_are_told_as_they_happen_and_from_a_checkpoint_on() {
    let Bench { list, service, .. } = bench().await;
    let options = SubscribeOptions::default();
    let mut deliveries = list.subscribe(&["Member"], options).await.unwrap();
    let place = deliveries.next_delivery().await.unwrap().unwrap();
    assert!(place.events.is_empty(), "where it begins");
    let id = create(&list, json!([{"email": "ann@example.com"}]))
        .await
        .remove(0);
    let first = deliveries.next_delivery().await.unwrap().unwrap();
    let [Event::Change(change)] = &first.events[..] else {
        panic!("{first:?}")
    };
    assert_eq!(change.kind, ChangeKind::Created);
    assert!(change.own, "this client did it");
    drop(deliveries);

    let left = fields(&json!({"status": "unsubscribed"}));
    service.update(&id, &left).unwrap();
    service.remove(&id).unwrap();
    let options = SubscribeOptions {
        start: Start::After(first.checkpoint.clone()),
        ..SubscribeOptions::default()
    };
    let mut deliveries = list.subscribe(&["Member"], options.clone()).await.unwrap();
    let next = deliveries.next_delivery().await.unwrap().unwrap();
    let kinds: Vec<(ChangeKind, bool)> = next
        .events
        .iter()
        .map(|event| match event {
            Event::Change(change) => (change.kind, change.own),
            event => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        [(ChangeKind::Updated, false), (ChangeKind::Deleted, false)]
    );
    drop(deliveries);

    service.forget_changes();
    let mut deliveries = list.subscribe(&["Member"], options).await.unwrap();
    match deliveries.next_delivery().await.unwrap_err() {
        Error::Refused { problem, .. } => assert_eq!(problem.advice, Advice::Refetch),
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn an_expired_token_is_renewed_by_the_host_and_the_connector_never_knows() {
    let Bench { list, service, .. } = bench().await;
    create(&list, json!([{"email": "ann@example.com"}])).await;
    service.end_tokens();
    assert_eq!(query(&list, "Member").await.len(), 1);
    let refused = service
        .requests()
        .iter()
        .filter(|asked| asked.status == 401)
        .count();
    assert_eq!(refused, 1);
}

#[tokio::test]
async fn calls_are_counted_as_the_service_counts_them_and_not_overrun() {
    let Bench { list, service, .. } = bench().await;
    query(&list, "Member").await;
    let budget = list.budget().await.unwrap();
    assert_eq!((budget.limit, budget.used), (Some(10_000), 1));
    service.limit_calls(2);
    query(&list, "Member").await;
    let error = list.query("Member", QueryOptions::default()).await;
    let error = match error {
        Ok(pages) => pages.collect(10).await.map(|_| ()).unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, Error::OverQuota { .. }), "{error:?}");
    let refused = service
        .requests()
        .iter()
        .filter(|asked| asked.status == 429)
        .count();
    assert_eq!(refused, 0, "nothing was sent that would have been refused");
}

#[tokio::test]
async fn the_description_is_what_a_sync_needs() {
    let Bench { list, host, .. } = &bench().await;
    let described = list.describe("Member").await.unwrap();
    assert_eq!(described.stamp_fields, ["updated_at"]);
    assert!(described.fields.iter().any(|field| field.kind == "id"));
    let error = list.describe("Lead").await.unwrap_err();
    assert!(error.to_string().contains("one object, Member"), "{error}");
    assert_eq!(list.objects().await.unwrap().len(), 1);
    let connector = list.connector().await.unwrap();
    assert_eq!(connector.product, "Mailing list");
    assert!(list.invoke("anything", &json!({})).await.is_err());
    let named = WriteOptions {
        name: Some("load".to_owned()),
        ..WriteOptions::default()
    };
    assert!(
        list.write("Member", Operation::Create, named)
            .await
            .is_err()
    );
    let odd = list.with_settings(json!({"speed": 7}));
    let error = odd.describe("Member").await.unwrap_err();
    assert!(matches!(error, Error::Settings { .. }), "{error:?}");
    assert!(host.connection("acme", LIST).await.is_ok());
}

#[tokio::test]
async fn a_connector_without_webhooks_says_so_to_any_request() {
    let bench = bench().await;
    let error = bench.list.receive(&http::Request::default()).await;
    let Err(Error::Refused { problem, .. }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(problem.advice, Advice::FixSchema);
    assert!(problem.message.contains("sends no webhooks"), "{problem}");
}
