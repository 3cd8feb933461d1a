//! A connection's settings reach the org as the headers that they stand for.

use dev_org::{Config, FaultKind, FaultRule};
use lockgate::{Advice, Connection, Error, Outcome, QueryOptions, Reserve, WriteOptions};
use lockgate_tests::org::{Site, all_pages, create, demo_org, query, records};
use serde_json::{Value as Json, json};

const DUPLICATES: &str = r#"
[[duplicate]]
object = "Contact"
name = "Same_Email"
match = ["Email"]
action = "alert"
"#;

async fn with_rule() -> (Site, Connection) {
    let schema = format!("{}\n{DUPLICATES}", dev_org::schema::DEMO);
    let site = Site::with(Config {
        schema: Some(schema),
        ..demo_org()
    })
    .await;
    let crm = site.crm().await;
    (site, crm)
}

async fn create_contact(crm: &Connection) -> Outcome {
    let rows = records(&json!([{"LastName":"Doe","Email":"doe@example.com"}]));
    let results = crm
        .create("Contact", &rows, WriteOptions::default())
        .await
        .unwrap();
    results.into_iter().next().unwrap().outcome
}

#[tokio::test]
async fn a_duplicate_is_refused_with_the_one_that_is_there_unless_the_settings_let_it_pass() {
    let (_site, crm) = with_rule().await;
    let first = create(
        &crm,
        "Contact",
        json!({"LastName":"Doe","Email":"doe@example.com"}),
    )
    .await;
    let told = crm.with_settings(json!({"duplicate_rule":{"include_record_details":true}}));
    let Outcome::Failed { problems } = create_contact(&told).await else {
        panic!("a duplicate")
    };
    assert_eq!(problems[0].advice, Advice::ResolveDuplicate);
    assert_eq!(problems[0].code, "DUPLICATES_DETECTED");
    assert!(problems[0].message.contains(&first), "{problems:?}");

    let allowed = crm.with_settings(json!({"duplicate_rule":{"allow_save":true}}));
    assert_eq!(create_contact(&allowed).await, Outcome::Created);
}

#[tokio::test]
async fn leads_are_assigned_by_the_rule_only_if_the_settings_say_so() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let lead = json!({"LastName":"Roe","Company":"Initech"});
    let mut owners = Vec::new();
    for on in [true, false] {
        let crm = crm.with_settings(json!({ "auto_assign": on }));
        let id = create(&crm, "Lead", lead.clone()).await;
        let found = query(
            &crm,
            &format!("SELECT Owner.Username FROM Lead WHERE Id = '{id}'"),
        )
        .await;
        owners.push(found[0]["Owner"]["Username"].clone());
    }
    assert_eq!(
        owners,
        [json!("leads@example.com"), json!("admin@example.com")]
    );
}

/// The headers of the last request, as the org saw them.
async fn echo(site: &Site, settings: Json) -> Vec<String> {
    let crm = site.crm().await.with_settings(settings);
    query(&crm, "SELECT Id FROM Account").await;
    site.control
        .requests()
        .iter()
        .map(|r| format!("{} {}", r.method, r.path))
        .collect()
}

#[tokio::test]
async fn the_newest_version_is_spoken_unless_one_is_pinned() {
    let site = Site::start().await;
    let paths = echo(&site, json!({})).await;
    assert!(
        paths
            .iter()
            .any(|path| path == "GET /services/data/v67.0/query"),
        "{paths:?}"
    );
    site.control.clear_requests();
    let paths = echo(&site, json!({"api_version":"59.0"})).await;
    assert!(
        paths
            .iter()
            .any(|path| path == "GET /services/data/v59.0/query"),
        "{paths:?}"
    );
    assert!(
        paths.iter().all(|path| !path.ends_with("/services/data")),
        "the list is kept: {paths:?}"
    );
}

#[tokio::test]
async fn a_retired_version_is_negotiated_anew_and_a_pinned_one_is_refused_by_name() {
    let site = Site::start().await;
    let crm = site.crm().await;
    query(&crm, "SELECT Id FROM Account").await;
    // As if the release of tonight had taken v67.0 away.
    let gone = FaultKind::Error {
        status: 410,
        code: Some("UNSUPPORTED_API_VERSION".to_owned()),
        message: Some("The requested resource is no longer available.".to_owned()),
        body: None,
    };
    let list = FaultKind::Error {
        status: 200,
        code: None,
        message: None,
        body: Some(r#"[{"label":"x","url":"/services/data/v66.0","version":"66.0"}]"#.to_owned()),
    };
    site.control.add_fault(FaultRule {
        times: None,
        ..FaultRule::next(1, "/services/data/v67.0/", gone)
    });
    let after = FaultRule {
        rate: 1.0,
        times: None,
        ..FaultRule::next(1, "/services/data", list)
    };
    // Only the list itself: rules match a part of the path, so the query's own
    // rule comes first and wins.
    site.control.add_fault(FaultRule {
        times: Some(1),
        ..after
    });
    query(&crm, "SELECT Id FROM Account").await;
    assert_eq!(site.count("GET", "/services/data/v66.0/query"), 1);

    let pinned = crm.with_settings(json!({"api_version":"67.0"}));
    let error = pinned
        .query("SELECT Id FROM Account", QueryOptions::default())
        .await
        .unwrap_err();
    let Error::Refused { problem, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(problem.code, "UNSUPPORTED_API_VERSION");
    assert!(
        problem.message.contains("api_version pins 67.0"),
        "{problem:?}"
    );
}

/// Settings with three problems.
fn unfit() -> Json {
    json!({"api_version":67,"query_batch_size":1,"typo":true})
}

/// Where those problems are, in their order.
fn places(error: &Error) -> Vec<&str> {
    let Error::Settings { problems, .. } = error else {
        panic!("{error:?}")
    };
    let mut places: Vec<&str> = problems.iter().map(|p| p.pointer.as_str()).collect();
    places.sort_unstable();
    places
}

const UNFIT_PLACES: [&str; 3] = ["/api_version", "/query_batch_size", "/typo"];

#[tokio::test]
async fn settings_that_do_not_fit_are_refused_all_at_once_and_no_connection_is_kept() {
    let site = Site::unconnected(demo_org()).await;
    let new = site.by_client("acme", "crm");
    let error = site
        .host
        .add_connection(new.clone().settings(unfit()))
        .await
        .unwrap_err();
    assert_eq!(places(&error), UNFIT_PLACES);
    assert!(site.host.connections(None).await.unwrap().is_empty());
    assert!(site.control.requests().is_empty());

    // The name is still free.
    let settings = json!({"api_version":"60.0"});
    site.host
        .add_connection(new.settings(settings))
        .await
        .unwrap();
}

#[tokio::test]
async fn changed_settings_that_do_not_fit_are_refused_and_the_old_ones_stay() {
    let site = Site::start().await;
    let change = async |settings, reserve| {
        site.host
            .change_connection("acme", "crm", Some(settings), reserve)
            .await
    };
    let good = json!({"api_version":"60.0"});
    change(good.clone(), None).await.unwrap();
    let before = site.crm().await.record().await.unwrap();

    let reserve = Reserve {
        keep_calls: Some(7),
        ..Reserve::default()
    };
    let error = change(unfit(), Some(reserve)).await.unwrap_err();
    assert_eq!(places(&error), UNFIT_PLACES);
    let error = change(json!(["60.0"]), Some(reserve)).await.unwrap_err();
    assert!(matches!(error, Error::Input(_)), "{error:?}");

    let record = site.crm().await.record().await.unwrap();
    assert_eq!(record.settings, good);
    assert_eq!(record.reserve, before.reserve);
    change(Json::Null, None).await.unwrap();
    assert_eq!(site.crm().await.record().await.unwrap().settings, json!({}));
}

#[tokio::test]
async fn settings_of_one_call_that_do_not_fit_are_refused_and_nothing_is_sent() {
    let site = Site::start().await;
    let crm = site.crm().await.with_settings(unfit());
    let error = crm
        .query("SELECT Id FROM Account", QueryOptions::default())
        .await
        .unwrap_err();
    assert_eq!(places(&error), UNFIT_PLACES);
    assert!(site.control.requests().is_empty());
}

#[tokio::test]
async fn changed_settings_hold_from_the_next_call() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let settings = json!({"api_version":"60.0"});
    site.host
        .change_connection("acme", "crm", Some(settings), None)
        .await
        .unwrap();
    query(&crm, "SELECT Id FROM Account").await;
    assert_eq!(site.count("GET", "/services/data/v60.0/query"), 1);
}

#[tokio::test]
async fn the_wished_page_size_of_the_settings_holds_unless_a_query_has_its_own() {
    let site = Site::with(Config {
        records: 6_000,
        ..demo_org()
    })
    .await;
    let total = site.control.org(|org| org.table_of("Contact").len());
    let settings = json!({"query_batch_size": 250});
    let crm = site.crm().await.with_settings(settings);
    for (page_size, size) in [(0, 250), (400, 400)] {
        let options = QueryOptions {
            page_size,
            ..QueryOptions::default()
        };
        let pages = crm.query("SELECT Id FROM Contact", options).await.unwrap();
        assert_eq!(all_pages(pages).await.len(), total.div_ceil(size));
    }
}
