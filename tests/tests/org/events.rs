//! Subscriptions of the real connector: what comes of writes in an org, by each
//! way, and that nothing is passed over.

mod ways;

use std::time::Duration;

use dev_org::{Config, EventSwitches, GapEvent, StreamBreak};
use lockgate::{
    Advice, Change, ChangeKind, Connection, Deliveries, Delivery, Error, Event, Problem, Start,
    SubscribeOptions,
};
use lockgate_tests::org::{Site, counted, create, get, records};
use serde_json::{Value as Json, json};

/// A platform event, for orgs that have one.
const LOW_INK: &str = r#"
[[object]]
name = "Low_Ink__e"
label = "Low Ink"
plural = "Low Ink"
fields = [
    { name = "Printer_Model__c", label = "Printer Model", type = "string", length = 40, required = true },
    { name = "Ink_Percentage__c", label = "Ink Percentage", type = "double" },
]
"#;

fn by(way: &str, start: Start) -> SubscribeOptions {
    SubscribeOptions {
        start,
        way: Some(way.to_owned()),
    }
}

async fn subscribe(crm: &Connection, sources: &[&str], start: Start) -> Deliveries {
    subscribed(crm, sources, SubscribeOptions { start, way: None }).await
}

/// A subscription, which has told where it begins if it is a new one.
async fn subscribed(crm: &Connection, sources: &[&str], options: SubscribeOptions) -> Deliveries {
    let is_new = options.start == Start::Newest;
    let mut deliveries = crm.subscribe(sources, options).await.unwrap();
    if is_new {
        let place = deliveries.next_delivery().await.unwrap().unwrap();
        assert!(place.events.is_empty(), "{place:?}");
    }
    deliveries
}

/// What is new from now on, once the org knows that somebody wants it.
async fn follow(site: &Site, crm: &Connection, sources: &[&str]) -> Deliveries {
    let deliveries = subscribe(crm, sources, Start::Newest).await;
    site.control.events().subscribed(sources.len()).await;
    deliveries
}

/// The next delivery that has events.
async fn next(deliveries: &mut Deliveries) -> Delivery {
    loop {
        let delivery = deliveries.next_delivery().await.unwrap().unwrap();
        if !delivery.events.is_empty() {
            return delivery;
        }
    }
}

/// So many changes, however many deliveries they take.
async fn changes(deliveries: &mut Deliveries, count: usize) -> Vec<Change> {
    let mut changes = Vec::new();
    while changes.len() < count {
        for event in next(deliveries).await.events {
            match event {
                Event::Change(change) => changes.push(change),
                other => panic!("{other:?}"),
            }
        }
    }
    changes
}

async fn change(deliveries: &mut Deliveries) -> Change {
    changes(deliveries, 1).await.remove(0)
}

fn fields(change: &Change) -> Json {
    serde_json::from_str(change.fields.get()).unwrap()
}

async fn refusal(deliveries: &mut Deliveries) -> Box<Problem> {
    match deliveries.next_delivery().await {
        Err(Error::Refused { problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

async fn update(crm: &Connection, object: &str, record: Json) {
    let rows = records(&json!([record]));
    let results = crm.update(object, &rows, Default::default()).await.unwrap();
    assert!(results[0].is_ok(), "{results:?}");
}

/// A person writes in the browser.
fn in_the_browser(site: &Site, object: &str, record: Json) {
    site.control.org(|org| {
        let who = org.user(dev_org::org::ADMIN).unwrap();
        let options = dev_org::org::WriteOptions::default();
        org.create(&who, object, record.as_object().unwrap(), &options)
            .unwrap();
    });
}

#[tokio::test]
async fn a_write_comes_back_as_a_change_that_is_known_as_ones_own() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let mut deliveries = follow(&site, &crm, &["Contact"]).await;
    assert_eq!(deliveries.way().name, "pubsub");
    let record = json!({
        "FirstName": "Jo", "LastName": "Doe", "Birthdate": "1970-12-31",
        "MailingStreet": "1 Rue", "MailingCity": "Lyon",
    });
    let id = create(&crm, "Contact", record).await;
    let made = change(&mut deliveries).await;
    assert_eq!((made.kind, made.own), (ChangeKind::Created, true));
    assert_eq!(made.record_ids, [id.as_str()]);
    assert_eq!(made.object, "Contact");
    assert!(made.transaction.is_some() && made.user.is_some());
    update(
        &crm,
        "Contact",
        json!({ "Id": id, "FirstName": null, "MailingCity": "Nice" }),
    )
    .await;
    let changed = change(&mut deliveries).await;
    assert_eq!(changed.kind, ChangeKind::Updated);
    let mut told = fields(&changed);
    assert!(told["LastModifiedDate"].take().is_string());
    assert_eq!(
        told,
        json!({ "FirstName": null, "MailingCity": "Nice", "LastModifiedDate": null })
    );
    crm.delete("Contact", std::slice::from_ref(&id), Default::default())
        .await
        .unwrap();
    let gone = change(&mut deliveries).await;
    assert_eq!((gone.kind, fields(&gone)), (ChangeKind::Deleted, json!({})));
    // A stranger's write is nobody's echo.
    in_the_browser(&site, "Contact", json!({ "LastName": "Roe" }));
    assert!(!change(&mut deliveries).await.own);
}

#[tokio::test]
async fn fields_have_the_names_and_the_words_that_reading_the_record_gives() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let mut deliveries = follow(&site, &crm, &["Account", "Contact", "Opportunity"]).await;
    let account = create(
        &crm,
        "Account",
        json!({
            "Name": "Acme", "AnnualRevenue": 1_500_000.5, "NumberOfEmployees": 12,
            "BillingStreet": "1 Rue", "BillingCity": "Lyon", "BillingCountry": "France",
        }),
    )
    .await;
    let contact = json!({
        "Salutation": "Dr.", "FirstName": "Jo", "LastName": "Doe", "Birthdate": "1970-12-31",
        "AccountId": account, "OtherCity": "Nice",
    });
    create(&crm, "Contact", contact).await;
    let deal = json!({
        "Name": "Deal", "StageName": "Prospecting", "CloseDate": "2030-02-28", "Amount": 7,
        "Probability": 40,
    });
    create(&crm, "Opportunity", deal).await;
    for change in changes(&mut deliveries, 3).await {
        let told = fields(&change);
        let names: Vec<&str> = told
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert!(names.len() >= 8, "{told}");
        let [read] = get(&crm, &change.object, &[&change.record_ids[0]], &names)
            .await
            .try_into()
            .unwrap();
        for name in names {
            assert_eq!(told[name], read[name], "{}.{name}", change.object);
        }
    }
}

#[tokio::test]
async fn a_subscription_costs_no_calls_but_one_to_describe_each_object() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let before = site.control.quota().used;
    for round in 0..2 {
        let mut deliveries = follow(&site, &crm, &["Contact"]).await;
        for number in 0..3 {
            in_the_browser(
                &site,
                "Contact",
                json!({ "LastName": format!("{round}{number}") }),
            );
            change(&mut deliveries).await;
        }
        drop(deliveries);
        site.control.events().subscribed(0).await;
    }
    assert_eq!(site.control.quota().used - before, 1);
}

#[tokio::test]
async fn a_later_subscription_goes_on_behind_the_checkpoint() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let mut deliveries = follow(&site, &crm, &["Account", "Contact"]).await;
    in_the_browser(&site, "Contact", json!({ "LastName": "A" }));
    let delivery = next(&mut deliveries).await;
    drop(deliveries);
    site.control.events().subscribed(0).await;
    in_the_browser(&site, "Contact", json!({ "LastName": "B" }));
    in_the_browser(&site, "Account", json!({ "Name": "C" }));
    let start = Start::After(delivery.checkpoint);
    let mut deliveries = subscribe(&crm, &["Contact", "Account"], start).await;
    let mut objects: Vec<String> = changes(&mut deliveries, 2)
        .await
        .into_iter()
        .map(|change| change.object)
        .collect();
    objects.sort();
    assert_eq!(objects, ["Account", "Contact"]);
}

#[tokio::test]
async fn streams_that_break_and_sessions_that_end_lose_and_double_nothing() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let events = site.control.events();
    // In the midst, by an error, by a lost connection, and with the session.
    for after_events in [2, 3] {
        let reset = after_events == 3;
        events.break_next_stream(StreamBreak {
            after_events,
            reset,
        });
    }
    let mut deliveries = follow(&site, &crm, &["Contact"]).await;
    for number in 0..12 {
        in_the_browser(
            &site,
            "Contact",
            json!({ "LastName": format!("N{number}") }),
        );
    }
    let mut told = changes(&mut deliveries, 12).await;
    site.control.expire_sessions();
    events.end_streams(StreamBreak::default());
    in_the_browser(&site, "Contact", json!({ "LastName": "N12" }));
    told.push(change(&mut deliveries).await);
    let names: Vec<String> = told
        .iter()
        .map(|change| fields(change)["LastName"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> = (0..13).map(|number| format!("N{number}")).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn an_event_that_is_sent_twice_has_the_same_id() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let mut deliveries = follow(&site, &crm, &["Contact"]).await;
    in_the_browser(&site, "Contact", json!({ "LastName": "A" }));
    let first = change(&mut deliveries).await;
    site.control
        .events()
        .repeat("/data/ContactChangeEvent", 1)
        .unwrap();
    assert_eq!(change(&mut deliveries).await.id, first.id);
}

#[tokio::test]
async fn what_is_no_longer_kept_is_told_and_never_passed_over() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let mut deliveries = follow(&site, &crm, &["Contact"]).await;
    in_the_browser(&site, "Contact", json!({ "LastName": "A" }));
    let checkpoint = next(&mut deliveries).await.checkpoint;
    in_the_browser(&site, "Contact", json!({ "LastName": "B" }));
    site.control.events().expire();
    let mut late = subscribe(&crm, &["Contact"], Start::After(checkpoint)).await;
    let problem = refusal(&mut late).await;
    assert_eq!(problem.advice, Advice::Refetch);
    assert!(late.next_delivery().await.unwrap().is_none());
}

#[tokio::test]
async fn gaps_leave_records_stale_and_an_overflow_the_whole_object() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let mut deliveries = follow(&site, &crm, &["Account"]).await;
    let id = create(&crm, "Account", json!({ "Name": "A" })).await;
    change(&mut deliveries).await;
    let events = site.control.events();
    for (change, ids, expected) in [
        ("UPDATE", vec![id.clone()], vec![id.clone()]),
        ("UPDATE", vec!["001*".to_owned()], vec![]),
        ("OVERFLOW", vec![], vec![]),
    ] {
        let gap = GapEvent {
            object: "Account".to_owned(),
            change: change.to_owned(),
            ids,
        };
        events.gap(&gap).unwrap();
        let delivery = next(&mut deliveries).await;
        let [Event::Stale(stale)] = &delivery.events[..] else {
            panic!("{delivery:?}");
        };
        assert_eq!(
            (stale.object.as_str(), &stale.record_ids),
            ("Account", &expected)
        );
    }
}

#[tokio::test]
async fn events_of_another_schema_are_read_by_it() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let mut deliveries = follow(&site, &crm, &["Contact"]).await;
    for _ in 0..3 {
        in_the_browser(&site, "Contact", json!({ "LastName": "A" }));
        assert_eq!(fields(&change(&mut deliveries).await)["LastName"], "A");
        site.control.events().renew_schema("Contact").unwrap();
    }
}

#[tokio::test]
async fn many_objects_share_a_channel_and_only_they_are_told() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let sources = [
        "Account",
        "Contact",
        "Lead",
        "Opportunity",
        "OpportunityLineItem",
        "Task",
        "Order",
        "OrderItem",
    ];
    let mut deliveries = subscribe(&crm, &sources, Start::Newest).await;
    site.control.events().subscribed(1).await;
    in_the_browser(&site, "Product2", json!({ "Name": "P" }));
    in_the_browser(&site, "Lead", json!({ "LastName": "L", "Company": "C" }));
    let told = change(&mut deliveries).await;
    assert_eq!(told.object, "Lead");
}

#[tokio::test]
async fn when_the_days_events_are_used_up_the_subscription_keeps_its_place() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let mut deliveries = follow(&site, &crm, &["Contact"]).await;
    let used = |used| EventSwitches {
        deliveries_max: Some(10),
        deliveries_used: Some(used),
        ..EventSwitches::default()
    };
    let events = site.control.events();
    events.set(&used(10)).unwrap();
    in_the_browser(&site, "Contact", json!({ "LastName": "A" }));
    let error = deliveries.next_delivery().await.unwrap_err();
    assert!(matches!(error, Error::OverQuota { .. }), "{error:?}");
    events.set(&used(0)).unwrap();
    assert_eq!(fields(&change(&mut deliveries).await)["LastName"], "A");
}

#[tokio::test]
async fn a_source_that_is_none_is_refused_with_what_to_do() {
    let site = Site::start().await;
    let crm = site.crm().await;
    for (source, advice, word) in [
        ("Nothing__c", Advice::FixSchema, "Nothing__c"),
        ("contact", Advice::FixSchema, "is called Contact"),
        ("User", Advice::AskPermission, "Change Data Capture"),
    ] {
        let refused = crm.subscribe(&[source], SubscribeOptions::default()).await;
        let Err(Error::Refused { problem, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(problem.advice, advice, "{source}: {problem:?}");
        assert!(problem.message.contains(word), "{source}: {problem:?}");
    }
}

#[tokio::test]
async fn what_is_published_arrives_and_costs_no_calls() {
    let config = Config {
        schema: Some(LOW_INK.to_owned()),
        ..Config::default()
    };
    let site = Site::with(config).await;
    let crm = site.crm().await;
    let mut deliveries = follow(&site, &crm, &["Low_Ink__e"]).await;
    let input = json!({ "event": "Low_Ink__e", "events": [
        { "id": "mine", "fields": { "Printer_Model__c": "XZO-5", "Ink_Percentage__c": 0.5 } },
        { "fields": { "Printer_Model__c": 7 } },
    ] });
    let (output, calls) = counted(&site, &crm, "publish-events", &input).await;
    assert_eq!(output["published"], 1, "{output}");
    assert_eq!(output["events"][1]["outcome"], "failed");
    // To describe the event, once.
    assert_eq!(calls, 1);
    let (_, calls) = counted(&site, &crm, "publish-events", &input).await;
    assert_eq!(calls, 0);
    create(&crm, "Low_Ink__e", json!({ "Printer_Model__c": "by REST" })).await;
    let mut told = Vec::new();
    while told.len() < 3 {
        told.extend(next(&mut deliveries).await.events);
    }
    let models: Vec<Json> = told
        .iter()
        .map(|event| match event {
            Event::Message(message) => {
                assert_eq!(message.name, "Low_Ink__e");
                let payload: Json = serde_json::from_str(message.payload.get()).unwrap();
                payload["Printer_Model__c"].clone()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(models, ["XZO-5", "XZO-5", "by REST"]);
    assert_eq!(told[0].id(), "mine");
}

#[tokio::test]
async fn a_subscription_that_is_dropped_closes_its_streams() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let deliveries = follow(&site, &crm, &["Contact", "Account"]).await;
    drop(deliveries);
    let closed = site.control.events();
    let closed = tokio::time::timeout(Duration::from_secs(30), closed.subscribed(0));
    closed.await.unwrap();
}
