//! The other ways to hear of changes: polling, and CometD.

use super::*;

#[tokio::test]
async fn polling_tells_of_the_same_records_without_any_stream() {
    let site = Site::start().await;
    let crm = site.crm().await;
    // Salesforce ignores the seconds of a window of deletions: what was deleted
    // some minutes ago is in it for sure.
    site.control.set_clock_offset_ms(-180_000);
    let kept = create(&crm, "Contact", json!({ "LastName": "Old" })).await;
    let gone = create(&crm, "Contact", json!({ "LastName": "Gone" })).await;
    let options = by("polling", Start::Newest);
    let mut deliveries = subscribed(&crm, &["Contact"], options).await;
    assert!(
        deliveries.way().reason.contains("API calls"),
        "{:?}",
        deliveries.way()
    );
    site.control.set_clock_offset_ms(-170_000);
    update(&crm, "Contact", json!({ "Id": kept, "FirstName": "Jo" })).await;
    let new = create(&crm, "Contact", json!({ "LastName": "New" })).await;
    crm.delete("Contact", std::slice::from_ref(&gone), Default::default())
        .await
        .unwrap();
    let mut told = Vec::new();
    while told.len() < 3 {
        told.extend(changes(&mut deliveries, 1).await);
    }
    let of = |id: &str| {
        told.iter()
            .find(|change| change.record_ids == [id])
            .unwrap()
    };
    assert_eq!(of(&kept).kind, ChangeKind::Updated);
    assert_eq!(fields(of(&kept))["FirstName"], "Jo");
    assert_eq!(of(&new).kind, ChangeKind::Created);
    assert_eq!(of(&gone).kind, ChangeKind::Deleted);
}

#[tokio::test]
async fn the_same_changes_come_by_cometd_through_lost_clients_and_ended_sessions() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let before = site.control.quota().used;
    let options = by("cometd", Start::Newest);
    let mut deliveries = subscribed(&crm, &["Contact"], options).await;
    let record = json!({
        "FirstName": "Jo", "LastName": "Doe", "Birthdate": "1970-12-31", "MailingCity": "Lyon",
    });
    in_the_browser(&site, "Contact", record);
    let delivery = next(&mut deliveries).await;
    let [Event::Change(made)] = &delivery.events[..] else {
        panic!("{delivery:?}");
    };
    // To describe the object.
    assert_eq!(site.control.quota().used - before, 1);
    let told = fields(made);
    let names: Vec<&str> = told
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let [read] = get(&crm, "Contact", &[&made.record_ids[0]], &names)
        .await
        .try_into()
        .unwrap();
    assert_eq!(told["MailingCity"], "Lyon");
    for name in names {
        assert_eq!(told[name], read[name], "{name}");
    }
    let events = site.control.events();
    for name in ["A", "B"] {
        events.end_streams(StreamBreak::default());
        in_the_browser(&site, "Contact", json!({ "LastName": name }));
        assert_eq!(fields(&change(&mut deliveries).await)["LastName"], name);
        site.control.expire_sessions();
    }
    drop(deliveries);
    let start = Start::After(delivery.checkpoint);
    let mut deliveries = subscribe(&crm, &["Contact"], start).await;
    assert_eq!(deliveries.way().name, "cometd");
    let told = changes(&mut deliveries, 2).await;
    assert_eq!(fields(&told[1])["LastName"], "B");
}

#[tokio::test]
async fn where_a_new_subscription_begins_is_known_at_once_and_nothing_behind_it_is_missed() {
    let site = Site::start().await;
    let crm = site.crm().await;
    for way in ["pubsub", "cometd", "polling"] {
        let options = by(way, Start::Newest);
        let mut deliveries = crm.subscribe(&["Contact"], options).await.unwrap();
        let place = deliveries.next_delivery().await.unwrap().unwrap();
        assert!(place.events.is_empty(), "{place:?}");
        drop(deliveries);
        in_the_browser(&site, "Contact", json!({ "LastName": way }));
        let start = Start::After(place.checkpoint);
        let mut deliveries = subscribe(&crm, &["Contact"], start).await;
        assert_eq!(deliveries.way().name, way);
        // What happened shortly before may come too.
        let is_it = |change: &Change| fields(change)["LastName"] == way;
        while !changes(&mut deliveries, 1).await.iter().any(is_it) {}
    }
}
