//! Cookies: those of the manifest go back to where they came from, within a call,
//! and no others go anywhere.

use lockgate_tests::loopback::Loopback;

use crate::attack::{connector, one};

/// The cookies that requests carried.
fn cookies(server: &Loopback) -> Vec<Option<String>> {
    let cookie = |head: &String| {
        let mut lines = head.lines();
        lines.find_map(|line| Some(line.strip_prefix("cookie: ")?.to_owned()))
    };
    server.heads().iter().map(cookie).collect()
}

#[tokio::test]
async fn a_cookie_of_the_manifest_goes_back_within_the_call_and_no_other_goes_anywhere() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    one(&crm, "read-loop 3 /cookies").await;
    let node = Some("NODE=n-7".to_owned());
    assert_eq!(cookies(&server), [None, node.clone(), node]);
    // Another call begins without any, and so does another path.
    one(&crm, "read-loop 1 /cookies").await;
    one(&crm, "read-loop 2 /cookies/2").await;
    assert_eq!(cookies(&server)[3..], [None, None, None]);
}

#[tokio::test]
async fn a_guest_can_neither_set_a_cookie_nor_see_one() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let refused = one(&crm, "send-header /cookies Cookie NODE=other").await;
    assert!(refused.to_string().contains("Header"), "{refused}");
    let seen = one(&crm, "send get /cookies").await;
    assert!(!seen.to_string().contains("n-7"), "{seen}");
    assert_eq!(cookies(&server), [None]);
}
