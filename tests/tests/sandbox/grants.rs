//! Grants of a connection: what was not given, or was taken back, is denied at the next
//! call of the host, whatever the guest makes of it, and what is given opens at once.

use std::pin::pin;

use lockgate::{Connection, Error, Flow, Grant, Grants, Host, LoginTo, NewConnection, Package};
use lockgate_tests::events::Events;
use lockgate_tests::list;
use lockgate_tests::loopback::Loopback;
use lockgate_tests::packages::package_with;
use lockgate_tests::sandbox::TestHost;

use crate::attack::{connector, is_pending, one, report};

const PACKAGE: &str = "hostile-connector";

/// The grant for want of which a call was ended.
#[track_caller]
fn denied<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Grant {
    let error = outcome.unwrap_err();
    let Error::NotGranted {
        connection,
        package,
        grants,
        ..
    } = &error
    else {
        panic!("something else ended it: {error:?}");
    };
    assert_eq!(
        (connection.as_str(), package.as_str()),
        ("acme/crm", PACKAGE)
    );
    let grant = *grants.first().unwrap();
    let (told, words) = (error.to_string(), grant.in_words());
    let command = format!("`lockgate connection grant crm {grant} --tenant acme`");
    assert!(told.contains(&command) && told.contains(words), "{told}");
    assert!(!error.is_retryable());
    grant
}

/// Takes a grant back under a command that needs it, and gives it again. `other` is a
/// command that needs another one.
async fn take_and_give(host: &Host, crm: &Connection, grant: Grant, command: &str, other: &str) {
    one(crm, command).await;
    let status = host.revoke("acme", "crm", [grant]).await.unwrap();
    assert_eq!(status.grants.refused, Grants::from([grant]));
    assert_eq!(denied(report(crm, command).await), grant);
    one(crm, other).await;
    host.grant("acme", "crm", [grant]).await.unwrap();
    one(crm, command).await;
}

#[tokio::test]
async fn requests_are_denied_to_a_connection_that_was_not_granted_http() {
    let server = Loopback::start().await;
    let (host, crm) = server.attacked_by(&connector("")).await;
    take_and_give(&host, &crm, Grant::Http, "send get /ok", "put a 1").await;
    assert_eq!(server.heads().len(), 2);
    host.revoke("acme", "crm", [Grant::Http]).await.unwrap();
    for command in ["send-many 3 /ok", "send-body 10 /ok", "stream /bytes/9"] {
        assert_eq!(denied(report(&crm, command).await), Grant::Http);
    }
    assert_eq!(server.heads().len(), 2);
}

#[tokio::test]
async fn values_are_denied_to_a_connection_that_was_not_granted_storage() {
    let server = Loopback::start().await;
    let (host, crm) = server.attacked_by(&connector("")).await;
    take_and_give(&host, &crm, Grant::Storage, "put a 1", "send get /ok").await;
    host.revoke("acme", "crm", [Grant::Storage]).await.unwrap();
    for command in ["keys a", "swap a 1 1", "delete a", "list"] {
        assert_eq!(denied(report(&crm, command).await), Grant::Storage);
    }
    host.grant("acme", "crm", [Grant::Storage]).await.unwrap();
    assert_eq!(one(&crm, "keys a").await["outcome"]["value"], "x");
}

#[tokio::test]
async fn planning_is_denied_to_a_connection_that_was_not_granted_quota() {
    let server = Loopback::start().await;
    let (host, crm) = server.attacked_by(&connector("")).await;
    take_and_give(&host, &crm, Grant::Quota, "reserve 1 0", "send get /ok").await;
}

#[tokio::test]
async fn exchanges_are_denied_to_a_connection_that_was_not_granted_stream() {
    let server = Events::start().await;
    let (host, crm) = server.attacked_by(&connector("")).await;
    take_and_give(&host, &crm, Grant::Stream, "exchange Echo 1 1", "put a 1").await;
    assert_eq!(server.exchanges().len(), 2);
}

#[tokio::test]
async fn a_grant_that_is_taken_ends_a_call_under_way_at_its_next_call_of_the_host() {
    let server = Loopback::start().await;
    let (host, crm) = server.attacked_by(&connector("")).await;
    let mut pages = crm.query("pages 1 /ok", Default::default()).await.unwrap();
    pages.next_page().await.unwrap().unwrap();
    let mut held = pin!(report(&crm, "send get /hold"));
    let mut as_table = pin!(report(&crm, "table-of /hold"));
    while server.held() < 2 {
        assert!(is_pending(held.as_mut()).await);
        assert!(is_pending(as_table.as_mut()).await);
        tokio::task::yield_now().await;
    }
    host.revoke("acme", "crm", [Grant::Http]).await.unwrap();
    let n_requests = server.heads().len();
    assert_eq!(denied(pages.next_page().await), Grant::Http);
    // The answers that were waited for come, and nothing can be done with them.
    server.release();
    assert_eq!(denied(held.await), Grant::Http);
    assert_eq!(denied(as_table.await), Grant::Http);
    assert_eq!(server.heads().len(), n_requests);
    host.grant("acme", "crm", [Grant::Http]).await.unwrap();
    assert_eq!(one(&crm, "send get /ok").await["status"], 200);
}

#[tokio::test]
async fn a_subscription_that_only_listens_ends_when_its_grant_is_taken() {
    let server = Events::start().await;
    let (host, crm) = server.attacked_by(&connector("")).await;
    let subscribe = crm.subscribe(&["exchange Hold"], Default::default());
    let mut deliveries = subscribe.await.unwrap();
    deliveries.next_delivery().await.unwrap().unwrap();
    let mut waiting = pin!(deliveries.next_delivery());
    assert!(is_pending(waiting.as_mut()).await);
    host.revoke("acme", "crm", [Grant::Stream]).await.unwrap();
    assert_eq!(denied(waiting.await), Grant::Stream);
    server.until_closed(1).await;
}

/// Another host on the data directory, as another process would be.
async fn another(host: &TestHost, package: &Package) -> Host {
    let builder = Host::builder().data_dir(host.data_dir()).allow_unsigned();
    let other = builder.build().await.unwrap();
    other.load(package, package.asked_grants()).await.unwrap();
    other
}

#[tokio::test]
async fn what_another_process_takes_is_denied_once_it_is_told_and_by_itself_with_the_next_delivery()
{
    let server = Loopback::start().await;
    let package = connector("");
    let (host, crm) = server.attacked_by(&package).await;
    let elsewhere = another(&host, &package).await;
    let mut pages = crm.query("pages 1 /ok", Default::default()).await.unwrap();
    pages.next_page().await.unwrap().unwrap();
    let subscribe = crm.subscribe(&["do send get /ok"], Default::default());
    let mut deliveries = subscribe.await.unwrap();
    deliveries.next_delivery().await.unwrap().unwrap();
    elsewhere
        .revoke("acme", "crm", [Grant::Http])
        .await
        .unwrap();
    // The first of these reads the connection's record at its end.
    let mut outcome = deliveries.next_delivery().await;
    if outcome.is_ok() {
        outcome = deliveries.next_delivery().await;
    }
    assert_eq!(denied(outcome), Grant::Http);
    host.reread_grants("acme", "crm").await.unwrap();
    assert_eq!(denied(pages.next_page().await), Grant::Http);
    elsewhere.grant("acme", "crm", [Grant::Http]).await.unwrap();
    assert_eq!(one(&crm, "send get /ok").await["status"], 200);
}

#[tokio::test]
async fn a_connection_is_made_with_what_it_is_to_have_and_keeps_it() {
    let server = Loopback::start().await;
    let package = connector("");
    let host = TestHost::new().await;
    host.load(&package).await;
    let login = LoginTo::Local {
        origin: server.origin().to_owned(),
    };
    let new = NewConnection::new("acme", "crm", PACKAGE, login, "client")
        .client_secret("client-secret-of-the-loopback")
        .flow(Flow::ClientCredentials)
        .grants([Grant::Http]);
    let crm = host.add_connection(new).await.unwrap();
    host.authorize_client("acme", "crm").await.unwrap();
    assert_eq!(one(&crm, "send get /ok").await["status"], 200);
    assert_eq!(denied(report(&crm, "put a 1").await), Grant::Storage);
    let status = host.grants("acme", "crm").await.unwrap();
    assert_eq!(status.version.as_deref(), Some("0.1.0"));
    assert_eq!(status.grants.given, Grants::from([Grant::Http]));
    assert_eq!(status.asked.len(), 4);
    assert_eq!((status.waiting, status.limits), (None, Default::default()));
    // Settings are another matter.
    let settings = serde_json::json!({});
    let changed = host.change_connection("acme", "crm", Some(settings), None);
    changed.await.unwrap();
    let elsewhere = another(&host, &package).await;
    let status = elsewhere.grants("acme", "crm").await.unwrap();
    assert_eq!(status.grants.given, Grants::from([Grant::Http]));
    // Another one of its name begins anew.
    host.remove_connection("acme", "crm").await.unwrap();
    let crm = server.connect(&host, &package, "acme", "crm").await;
    one(&crm, "put a 1").await;
}

#[tokio::test]
async fn what_one_connection_was_refused_another_one_has() {
    let server = Loopback::start().await;
    let package = connector("");
    let (host, crm) = server.attacked_by(&package).await;
    let other = server.connect(&host, &package, "globex", "crm").await;
    host.revoke("acme", "crm", Grant::ALL).await.unwrap();
    assert_eq!(denied(report(&crm, "send get /ok").await), Grant::Http);
    assert_eq!(one(&other, "send get /ok").await["status"], 200);
    one(&other, "put a 1").await;
}

/// The mailing list's connector as a version that wants to keep values as well.
fn that_wants_more(version: &str) -> Package {
    package_with("mailing-list", |manifest| {
        let manifest = manifest.replacen("0.1.0", version, 1);
        manifest.replace("\n[grants]\n", "\n[grants]\nstorage = \"Remembers.\"\n")
    })
}

/// How many calls each version has had.
fn calls(host: &Host, version: &str) -> u64 {
    let packages = host.packages();
    let mut versions = packages.iter().flat_map(|package| &package.versions);
    let version = versions.find(|status| status.version == version);
    version.map_or(0, |status| status.figures.calls)
}

async fn ask(list: &Connection) {
    let pages = list.query("Member {}", Default::default()).await.unwrap();
    pages.collect(10).await.unwrap();
}

#[tokio::test]
async fn an_upgrade_that_asks_for_more_waits_for_each_connection_until_it_is_granted() {
    let (host, service) = (TestHost::new().await, list::start().await);
    let waits = list::join(&host, &service, "acme").await;
    let new = that_wants_more("0.2.0");
    host.stage(&new, new.asked_grants()).await.unwrap();
    host.steer("mailing-list", &lockgate::Step::swap("0.2.0"))
        .unwrap();
    let before = calls(&host, "0.2.0");
    ask(&waits).await;
    assert_eq!(calls(&host, "0.2.0"), before);
    let status = host.grants("acme", list::LIST).await.unwrap();
    assert_eq!(status.version.as_deref(), Some("0.1.0"));
    let waiting = status.waiting.unwrap();
    assert_eq!(waiting.version, "0.2.0");
    assert_eq!(waiting.missing, Grants::from([Grant::Storage]));
    // One that is in place of all others is waited for as well.
    let newer = that_wants_more("0.3.0");
    host.load(&newer).await;
    ask(&waits).await;
    assert_eq!(calls(&host, "0.3.0"), 0);
    let granted = host
        .grant("acme", list::LIST, [Grant::Storage])
        .await
        .unwrap();
    assert_eq!(
        (granted.version.as_deref(), granted.waiting),
        (Some("0.3.0"), None)
    );
    ask(&waits).await;
    assert!(calls(&host, "0.3.0") > 0);
}

#[tokio::test]
async fn a_connection_from_before_there_were_grants_has_what_its_connector_asked_for_then() {
    let (host, service) = (TestHost::new().await, list::start().await);
    let list = list::join(&host, &service, "acme").await;
    let file = host.data_dir().join(lockgate::store::FILE_NAME);
    let store = rusqlite::Connection::open(file).unwrap();
    store
        .execute("UPDATE connections SET grants = NULL", [])
        .unwrap();
    // It is not called before the version comes that asks for more.
    let new = that_wants_more("0.2.0");
    host.stage(&new, new.asked_grants()).await.unwrap();
    host.steer("mailing-list", &lockgate::Step::swap("0.2.0"))
        .unwrap();
    let status = host.grants("acme", list::LIST).await.unwrap();
    assert_eq!(status.grants.given, Grants::from([Grant::Http]));
    assert_eq!(status.version.as_deref(), Some("0.1.0"));
    ask(&list).await;
    store
        .execute("UPDATE connections SET grants = NULL", [])
        .unwrap();
    ask(&list).await;
    assert!(list.record().await.unwrap().grants.is_some());
}
