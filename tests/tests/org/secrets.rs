//! Secrets: sealed on disk, unknown to guests, and in no log and no error.

use std::os::unix::fs::PermissionsExt as _;

use dev_org::{FaultKind, FaultRule};
use lockgate::{
    Error, Host, MASTER_KEY_FILE, MasterKey, NewConnection, QueryOptions, WriteOptions,
};
use lockgate_tests::org::{NAME, Site, TENANT, create, demo_org, query, records};
use lockgate_tests::packages::package;
use lockgate_tests::secrets::{Listener, files_with, holds};
use serde_json::json;

const SOQL: &str = "SELECT Id FROM Account";

/// A whole life of a connection with all that can go wrong in it; gives what
/// its errors say.
async fn a_whole_life(site: &Site) -> String {
    let mut said = String::new();
    let mut hear = |error: &dyn std::fmt::Debug, shown: String| {
        said.push_str(&format!("{shown}\n{error:?}\n{error:#?}\n"));
    };
    let crm = site.connect_by_person(TENANT, NAME).await;
    hear(&crm, String::new());
    hear(&site.host.host, String::new());
    hear(&crm.record().await.unwrap(), String::new());
    create(&crm, "Account", json!({"Name":"A"})).await;
    site.control.expire_sessions();
    query(&crm, SOQL).await;

    let rows = records(&json!([{ "No": 1 }]));
    let results = crm
        .create("Account", &rows, WriteOptions::default())
        .await
        .unwrap();
    hear(&results, String::new());
    // Bodies that quote the credential, as a careless org would.
    for token in site.control.tokens() {
        for status in [400, 500] {
            let quoting = FaultKind::Error {
                status,
                code: Some("UNKNOWN_EXCEPTION".to_owned()),
                message: Some(format!("sid={token}; Authorization: Bearer {token}")),
                body: None,
            };
            site.control
                .add_fault(FaultRule::next(1, "/query", quoting));
            let error = crm.query(SOQL, QueryOptions::default()).await.unwrap_err();
            hear(&error, error.to_string());
        }
    }
    // A token request's answer can quote what the request held.
    let refresh_token = site
        .control
        .tokens()
        .into_iter()
        .find(|token| !token.contains('!'));
    let quoting = FaultKind::Error {
        status: 400,
        code: None,
        message: None,
        body: Some(
            json!({
                "error": "server_error",
                "error_description": format!("dev-org-secret and {refresh_token:?}"),
            })
            .to_string(),
        ),
    };
    site.control
        .add_fault(FaultRule::next(2, "/services/oauth2/token", quoting));
    site.control.expire_sessions();
    let error = crm.query(SOQL, QueryOptions::default()).await.unwrap_err();
    hear(&error, error.to_string());
    site.control.clear_faults();
    // The tokens that are left in the end are those of a rotation.
    site.control.set_rotation(true);
    site.log_in(TENANT, NAME).await;
    site.control.expire_sessions();
    query(&crm, SOQL).await;
    said
}

#[tokio::test]
async fn no_token_and_no_secret_stands_in_logs_errors_debug_output_or_the_data_directory() {
    let listener = Listener::default();
    let guard = tracing::subscriber::set_default(listener.clone());
    let site = Site::unconnected(demo_org()).await;
    let mut tokens = Vec::new();
    let said = a_whole_life(&site).await;
    tokens.extend(site.control.tokens());
    drop(guard);
    let heard = listener.heard();
    assert!(
        heard.contains("the connection is authorised"),
        "the log was not heard: {heard}"
    );
    assert!(tokens.len() >= 2, "{} tokens", tokens.len());
    tokens.push("dev-org-secret".to_owned());
    for secret in &tokens {
        // Whole, and the part after the org's id, by which Salesforce's own
        // tokens are told apart.
        for form in [secret.as_str(), secret.rsplit('!').next().unwrap()] {
            // Which line, and nothing of the secret: this may stand in a CI's log.
            let line = heard.lines().find(|line| line.contains(form));
            assert_eq!(line.map(|line| line.replace(form, "<secret>")), None);
            assert!(!said.contains(form), "a secret is in an error");
            assert_eq!(
                files_with(site.host.data_dir(), form.as_bytes()),
                Vec::<std::path::PathBuf>::new()
            );
        }
    }
    // The search finds what is there.
    assert!(!files_with(site.host.data_dir(), TENANT.as_bytes()).is_empty());
}

#[tokio::test]
async fn a_guest_sees_no_token_even_if_the_org_echoes_every_header() {
    let site = Site::unconnected(demo_org()).await;
    site.host.load(&package("hostile-connector")).await;
    let new = NewConnection {
        connector: "hostile-connector".to_owned(),
        scopes: vec!["api".to_owned()],
        ..site.by_client("evil", "crm")
    };
    let evil = site.host.add_connection(new).await.unwrap();
    site.host.authorize_client("evil", "crm").await.unwrap();
    let pages = evil
        .query("send GET /services/apexrest/echo", QueryOptions::default())
        .await
        .unwrap();
    let seen = pages.collect(10).await.unwrap();
    let seen = seen.as_bytes();
    assert!(
        holds(seen, b"apexrest/echo"),
        "{}",
        String::from_utf8_lossy(seen)
    );
    assert!(
        holds(seen, b"uthorization"),
        "the echo shows no headers: {}",
        String::from_utf8_lossy(seen)
    );
    for token in site.control.tokens() {
        for form in [token.as_str(), token.rsplit('!').next().unwrap()] {
            assert!(!holds(seen, form.as_bytes()), "the guest saw a token");
        }
    }
}

#[tokio::test]
async fn the_data_directory_is_its_owners_alone() {
    let site = Site::start().await;
    query(&site.crm().await, SOQL).await;
    for entry in std::fs::read_dir(site.host.data_dir()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
    assert!(site.host.data_dir().join(MASTER_KEY_FILE).is_file());
}

/// 32 times the same byte, in base64.
fn key(byte: char) -> MasterKey {
    let text = match byte {
        'A' => format!("{}QUE=", "QUFB".repeat(10)),
        'B' => format!("{}QkI=", "QkJC".repeat(10)),
        _ => panic!("no key of {byte}"),
    };
    MasterKey::from_variable("LOCKGATE_MASTER_KEY", &text).unwrap()
}

#[tokio::test]
async fn a_wrong_master_key_is_told_at_the_start_and_the_right_one_still_opens() {
    let site = Site::unconnected_with(demo_org(), |builder| builder.master_key(key('A'))).await;
    site.connect(TENANT, NAME).await;
    let build = |key: MasterKey| {
        Host::builder()
            .data_dir(site.host.data_dir())
            .master_key(key)
            .allow_unsigned()
            .build()
    };
    let error = build(key('B')).await.unwrap_err();
    assert!(matches!(error, Error::Key(_)), "{error:?}");
    assert!(error.to_string().contains("sealed with key"), "{error}");
    // Without a key one is made, which is another one as well.
    let error = Host::builder()
        .data_dir(site.host.data_dir())
        .build()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Key(_)), "{error:?}");

    let host = build(key('A')).await.unwrap();
    host.load(&package("salesforce"), package("salesforce").asked_grants())
        .await
        .unwrap();
    query(&host.connection(TENANT, NAME).await.unwrap(), SOQL).await;
}
