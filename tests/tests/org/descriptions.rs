//! What objects look like: asked for again only as far as it has changed.

use lockgate_tests::org::{NAME, Site, TENANT, create};
use serde::Serialize;
use serde_json::{Value as Json, json};

fn told(what: &impl Serialize) -> Json {
    serde_json::to_value(what).unwrap()
}

#[tokio::test]
async fn a_description_that_has_not_changed_comes_without_a_body() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let first = told(&crm.describe("Account").await.unwrap());
    let all = told(&crm.objects().await.unwrap());
    let used = site.control.quota().used;
    site.control.clear_requests();
    assert_eq!(told(&crm.describe("Account").await.unwrap()), first);
    assert_eq!(told(&crm.objects().await.unwrap()), all);
    // A call each, but no body.
    assert_eq!(site.control.quota().used - used, 2);
    let statuses: Vec<u16> = site
        .control
        .requests()
        .iter()
        .map(|request| request.status)
        .collect();
    assert_eq!(statuses, [304, 304]);
    // Another process of the same host knows it as well.
    let other = site.another_host().await;
    let crm = other.connection(TENANT, NAME).await.unwrap();
    assert_eq!(told(&crm.describe("Account").await.unwrap()), first);
    assert_eq!(site.control.requests().last().unwrap().status, 304);
}

#[tokio::test]
async fn all_fields_of_records_are_asked_for_without_another_description() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let one = create(&crm, "Account", json!({"Name":"A"})).await;
    let two = create(&crm, "Account", json!({"Name":"B"})).await;
    let ids = [one, two];
    let first = crm.get("Account", &ids, &[]).await.unwrap();
    let used = site.control.quota().used;
    assert_eq!(crm.get("Account", &ids, &[]).await.unwrap(), first);
    assert_eq!(site.control.quota().used - used, 1);
    assert_eq!(site.count("GET", "/describe"), 1);
}
