//! What objects and the org say of themselves.

use dev_org::Config;
use serde_json::json;

use super::support::{read, start, start_with};

#[tokio::test]
async fn basic_information_describes_an_object_in_short() {
    let session = start().await;
    session.made("Account", json!({ "Name": "Seen" })).await;
    let (status, body) = read(session.get("/sobjects/Account/").await).await;
    assert_eq!(status, 200);
    assert_eq!(body["objectDescribe"]["keyPrefix"], "001");
    assert_eq!(body["recentItems"][0]["Name"], "Seen");
    assert_eq!(session.get("/sobjects/Nope").await.status(), 404);
}

#[tokio::test]
async fn the_organization_says_which_edition_it_is() {
    let session = start_with(Config {
        edition: dev_org::Edition::Sandbox,
        ..Config::default()
    })
    .await;
    let answer = session
        .query("SELECT OrganizationType, IsSandbox FROM Organization")
        .await;
    let organization = &answer["records"][0];
    assert_eq!(organization["OrganizationType"], "Enterprise Edition");
    assert_eq!(organization["IsSandbox"], true);
}

#[tokio::test]
async fn recent_items_are_ten_or_as_many_as_are_asked_for() {
    let session = start().await;
    for number in 0..12 {
        session
            .made("Account", json!({ "Name": format!("Seen {number}") }))
            .await;
    }
    let count = async |path: &str| {
        let (status, body) = read(session.get(path).await).await;
        assert_eq!(status, 200, "{body}");
        body.as_array().unwrap().len()
    };
    assert_eq!(count("/recent").await, 10);
    assert_eq!(count("/recent?limit=3").await, 3);
    assert_eq!(count("/recent?limit=200").await, 12);
}
