//! Tenants know nothing of one another, and who leaves leaves nothing.

use lockgate::{Error, NewConnection, Reserve, Revocation};
use lockgate_tests::org::{NAME, Site, TENANT, create, demo_org, query};
use lockgate_tests::secrets::files_with;
use serde_json::json;

const REVOKE: &str = "/services/oauth2/revoke";

#[tokio::test]
async fn a_removed_connection_is_revoked_and_no_byte_of_it_stays() {
    let site = Site::unconnected(demo_org()).await;
    let new = NewConnection {
        settings: json!({"call_options":{"client":"setting-of-acme"}}),
        client_id: "dev-org-client".to_owned(),
        ..site.by_person("tenant-of-acme", "connection-of-acme")
    };
    let crm = site.host.add_connection(new).await.unwrap();
    site.log_in("tenant-of-acme", "connection-of-acme").await;
    create(&crm, "Account", json!({"Name":"A"})).await;
    query(&crm, "SELECT Id FROM Account").await;
    // An authorization that was begun and never came back.
    let hints = lockgate::AuthorizationHints::default();
    site.host
        .begin_authorization("tenant-of-acme", "connection-of-acme", &hints)
        .await
        .unwrap();
    let texts = [
        "of-acme",
        "setting-of-acme",
        "dev-org-client",
        "api-versions",
    ];
    for text in texts {
        assert!(
            !files_with(site.host.data_dir(), text.as_bytes()).is_empty(),
            "{text} never was there"
        );
    }

    let revocation = site
        .host
        .remove_connection("tenant-of-acme", "connection-of-acme")
        .await
        .unwrap();
    assert!(matches!(revocation, Revocation::Revoked), "{revocation:?}");
    assert_eq!(site.count("POST", REVOKE), 2);
    let refused = site.control.expire_sessions();
    assert_eq!(refused, 0, "a session outlived its revocation");
    let error = crm.objects().await.unwrap_err();
    assert!(matches!(error, Error::NoConnection { .. }), "{error:?}");
    for text in texts {
        let found = files_with(site.host.data_dir(), text.as_bytes());
        assert!(found.is_empty(), "{text} is still in {found:?}");
    }
}

#[tokio::test]
async fn a_connection_is_erased_even_if_the_org_cannot_be_reached_to_revoke() {
    let site = Site::start().await;
    let crm = site.crm().await;
    query(&crm, "SELECT Id FROM Account").await;
    let Site { host, org, .. } = site;
    org.stop().await;
    let revocation = host.remove_connection(TENANT, NAME).await.unwrap();
    assert!(
        matches!(revocation, Revocation::Failed(_)),
        "{revocation:?}"
    );
    assert!(host.connections(None).await.unwrap().is_empty());
    assert!(files_with(host.data_dir(), b"dev-org-client").is_empty());
}

#[tokio::test]
async fn two_tenants_with_connections_of_one_name_share_neither_settings_nor_storage_nor_budget() {
    let site = Site::unconnected(demo_org()).await;
    let (one, two) = (
        site.connect("one", "crm").await,
        site.connect("two", "crm").await,
    );
    let settings = json!({"api_version":"60.0"});
    let reserve = Reserve {
        max_share_percent: Some(0),
        ..Reserve::default()
    };
    site.host
        .change_connection("one", "crm", Some(settings), None)
        .await
        .unwrap();

    // The list of versions is kept in storage: each tenant asks for its own.
    for (connection, version) in [(&one, "v60.0"), (&two, "v67.0")] {
        site.control.clear_requests();
        query(connection, "SELECT Id FROM Account").await;
        let paths: Vec<String> = site
            .control
            .requests()
            .into_iter()
            .map(|r| r.path)
            .collect();
        assert_eq!(
            paths,
            [
                "/services/data".to_owned(),
                format!("/services/data/{version}/query")
            ]
        );
    }
    site.host
        .change_connection("one", "crm", None, Some(reserve))
        .await
        .unwrap();
    let error = one.objects().await.unwrap_err();
    assert!(matches!(error, Error::OverQuota { .. }), "{error:?}");
    two.objects().await.unwrap();

    let of_one = site.host.connections(Some("one")).await.unwrap();
    assert_eq!(of_one.len(), 1);
    assert_eq!(of_one[0].key.to_string(), "one/crm");
    let error = site.host.connection("three", "crm").await.unwrap_err();
    assert!(matches!(error, Error::NoConnection { .. }), "{error:?}");
}

#[tokio::test]
async fn a_tenant_that_leaves_takes_all_its_connections_and_nobody_elses() {
    let site = Site::unconnected(demo_org()).await;
    for (tenant, name) in [("one", "a"), ("one", "b"), ("two", "a")] {
        query(&site.connect(tenant, name).await, "SELECT Id FROM Account").await;
    }
    let outcomes = site.host.remove_tenant("one").await.unwrap();
    assert_eq!(outcomes.len(), 2);
    for (key, revocation) in &outcomes {
        assert!(
            matches!(revocation, Revocation::Revoked),
            "{key}: {revocation:?}"
        );
    }
    let left = site.host.connections(None).await.unwrap();
    assert_eq!(left.len(), 1);
    let two = site.host.connection("two", "a").await.unwrap();
    site.control.clear_requests();
    query(&two, "SELECT Id FROM Account").await;
    assert_eq!(
        site.count("POST", "/token"),
        0,
        "the session of the other tenant was revoked"
    );
}

#[tokio::test]
async fn a_connection_of_a_name_that_was_removed_starts_afresh() {
    let site = Site::start().await;
    query(&site.crm().await, "SELECT Id FROM Account").await;
    site.host.remove_connection(TENANT, NAME).await.unwrap();
    let error = site
        .host
        .add_connection(site.by_client(TENANT, NAME))
        .await
        .unwrap()
        .objects()
        .await;
    assert!(
        matches!(error, Err(Error::NeedsReconnect { .. } | Error::Auth(_))) || error.is_ok(),
        "{error:?}"
    );
    site.host.authorize_client(TENANT, NAME).await.unwrap();
    site.control.clear_requests();
    query(&site.crm().await, "SELECT Id FROM Account").await;
    assert_eq!(
        site.control.requests()[0].path,
        "/services/data",
        "the storage was not empty"
    );
}
