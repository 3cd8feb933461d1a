//! Components of every version of the contract that was published: they load, work, and
//! are held to what others are held to. Those that this is tried with are compiled
//! against the frozen copies.

mod names;

use std::collections::BTreeMap;
use std::path::Path;

use lockgate::{
    Blame, Connection, Error, Grant, Limit, Operation, Package, PackageError, Records, Start, Step,
    SubscribeOptions, WriteOptions,
};
use lockgate_tests::events::Events;
use lockgate_tests::handmade::{component, transform_manifest, transform_of_0_1};
use lockgate_tests::loopback::Loopback;
use lockgate_tests::packages::{package, package_dir, package_with};
use lockgate_tests::sandbox::TestHost;
use serde_json::{Value as Json, json};

use crate::attack::{batch, connector, one, report, stopped_by};

const TRANSFORM: &str = "of-0-1-transform";
const CONNECTOR: &str = "of-0-1-connector";

/// The versions that were published, as names of guests have them: `0-1`.
fn published() -> Vec<String> {
    let frozen = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/frozen");
    let folders = std::fs::read_dir(frozen).unwrap().map(Result::unwrap);
    let folders = folders.filter(|entry| entry.path().is_dir());
    let tracks: BTreeMap<String, ()> = folders
        .map(|folder| {
            let version = folder.file_name().into_string().unwrap();
            let (track, _) = version.rsplit_once('.').unwrap();
            (track.replace('.', "-"), ())
        })
        .collect();
    tracks.into_keys().collect()
}

/// The package of `name` with the component of another one: what a newer version of it
/// might be.
fn successor(name: &str, of: &str) -> Package {
    package_with(of, |manifest| {
        let own = format!("name = \"{of}\"\nversion = \"0.1.0\"");
        assert!(manifest.contains(&own), "{manifest}");
        manifest.replace(&own, &format!("name = \"{name}\"\nversion = \"0.2.0\""))
    })
}

/// A component of 0.1 in the text format.
fn of_0_1(text: &str) -> Package {
    component(&transform_manifest("p").replace("0.2.0", "0.1.0"), text)
}

async fn refusal(package: &Package) -> PackageError {
    match TestHost::new().await.host.load(package, Grant::ALL).await {
        Err(Error::Package(refusal)) => refusal,
        other => panic!("not refused as a package: {other:?}"),
    }
}

#[tokio::test]
async fn a_transform_of_each_published_contract_keeps_changes_drops_and_rejects() {
    for track in published() {
        let host = TestHost::new().await;
        let name = format!("of-{track}-transform");
        host.load(&package(&name)).await;
        host.load(&package("hostile-transform")).await;
        let transform = host.transform(&name, &json!({})).await.unwrap();
        let description = transform.describe().await.unwrap();
        assert!(description.summary.starts_with("Speaks contract"));
        let input = r#"[{"b":1.50,"a":1}, {"do":"drop"},{"do":"change"},{"do":"reject"} ,{"c":2}]"#;
        let records = Records::from_json(input).unwrap();
        let done = transform.apply("Contact", &records).await.unwrap();
        assert_eq!(
            done.records.as_bytes(),
            r#"[{"b":1.50,"a":1},{"changed":true},{"c":2}]"#
        );
        assert_eq!(done.dropped, [1]);
        assert_eq!(done.rejected.len(), 1);
        let rejected = &done.rejected[0];
        assert_eq!(
            (rejected.at, &rejected.record[..]),
            (3, &br#"{"do":"reject"}"#[..])
        );
        assert_eq!(rejected.reason, "it asks for it");
        // One of the newest beside it in the same host.
        let some = json!({ "do": "some" });
        let newest = host.transform("hostile-transform", &some).await.unwrap();
        let done = newest.apply("Contact", &batch(3)).await.unwrap();
        assert_eq!(done.records.as_bytes(), r#"[{"Id":0},{"changed":true}]"#);
        assert_eq!(done.dropped, [1]);
    }
}

#[tokio::test]
async fn what_a_transform_of_0_1_refuses_and_breaks_is_told_as_of_any_other() {
    let host = TestHost::new().await;
    host.load(&package(TRANSFORM)).await;
    let refused = host.transform(TRANSFORM, &json!({ "refuse": 1 })).await;
    let Err(Error::Settings { problems, .. }) = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!(problems[0].to_string(), "/refuse: is refused");
    let transform = host.transform(TRANSFORM, &json!({})).await.unwrap();
    let unknown = transform.apply("Unknown", &batch(1)).await.unwrap_err();
    assert!(matches!(&unknown, Error::UnknownObject { object, .. } if object == "Unknown"));
    let failed = transform.apply("Failing", &batch(1)).await.unwrap_err();
    assert!(matches!(&failed, Error::Transform { what, .. } if what == "as it was told"));
    let lost = transform.apply("Lost", &batch(2)).await.unwrap_err();
    assert!(matches!(lost, Error::BrokenContract { .. }), "{lost:?}");
    assert_eq!(lost.blame(), Blame::Guest);
    let (limit, _) = stopped_by(transform.apply("Spin", &batch(1)).await);
    assert_eq!(limit, Limit::Cpu);
    transform.apply("Contact", &batch(2)).await.unwrap();
}

#[tokio::test]
async fn a_record_that_is_kept_is_the_hosts_own_whatever_its_form() {
    let host = TestHost::new().await;
    host.load(&package("hostile-transform")).await;
    let keep = json!({ "do": "keep" });
    let keeps = host.transform("hostile-transform", &keep).await.unwrap();
    let records = Records::from_json(r#"[ {"b" : 1.50} , {"a":1e400}]"#).unwrap();
    let done = keeps.apply("Contact", &records).await.unwrap();
    assert_eq!(done.records, records);
    assert!(std::ptr::eq(
        done.records.as_bytes().as_ptr(),
        records.as_bytes().as_ptr()
    ));
}

#[tokio::test]
async fn a_connector_of_each_published_contract_queries_writes_stores_and_hears() {
    for track in published() {
        let server = Loopback::start().await;
        let name = format!("of-{track}-connector");
        let old = package(&name);
        let (host, crm) = server.attacked_by(&old).await;
        // One of the newest beside it in the same host.
        let newest = connector("");
        host.load(&newest).await;
        let other = server.connect(&host, &newest, "acme", "other").await;
        assert_eq!(one(&other, "send get /ok").await["status"], 200);

        let answer = one(&crm, "/bytes/3").await;
        assert_eq!(
            (&answer["status"], &answer["body"]),
            (&json!(200), &json!("bbb"))
        );
        let records = Records::from_items(&[json!({ "a": 1 }), json!({ "b": 2 })]).unwrap();
        let written = crm.create("/echo/rows", &records, WriteOptions::default());
        let written = written.await.unwrap();
        assert!(
            written.iter().all(lockgate::RecordResult::is_ok),
            "{written:?}"
        );
        assert_eq!(server.bodies(), [r#"{"a":1}"#, r#"{"b":2}"#]);
        for times in 1..=3 {
            let told = crm.invoke("storage", &json!({})).await.unwrap();
            assert_eq!(told["times"], times);
        }
        let told = crm.invoke("clock", &json!({})).await.unwrap();
        assert!(told["now_ms"].as_u64().unwrap() > 0);
        let options = SubscribeOptions {
            start: Start::Newest,
            way: None,
        };
        let mut deliveries = crm.subscribe(&["anything"], options).await.unwrap();
        let delivery = deliveries.next_delivery().await.unwrap().unwrap();
        assert!(delivery.events.is_empty());
        let mut writer = crm
            .write("/echo/more", Operation::Create, WriteOptions::default())
            .await
            .unwrap();
        assert_eq!(writer.push(&records).await.unwrap().len(), 2);
    }
}

/// The grant for want of which a call was ended, of which package.
#[track_caller]
fn denied<T: std::fmt::Debug>(outcome: Result<T, Error>) -> (String, Grant) {
    match outcome {
        Err(Error::NotGranted {
            package, grants, ..
        }) => (package, *grants.first().unwrap()),
        other => panic!("it was not denied: {other:?}"),
    }
}

/// Has a connector of whatever version use what a grant opens.
async fn use_it(crm: &Connection, package: &str, grant: Grant) -> Result<Json, Error> {
    if package.starts_with("of-") {
        return crm.invoke(&grant.to_string(), &json!({})).await;
    }
    let command = match grant {
        Grant::Http => "send get /ok",
        Grant::Storage => "put a 1",
        Grant::Quota => "reserve 1 0",
        Grant::Stream => "exchange Echo 1 1",
    };
    report(crm, command)
        .await
        .map(|mut reports| reports.remove(0))
}

#[tokio::test]
async fn what_a_connection_was_not_granted_is_denied_to_connectors_of_every_contract() {
    let mut names: Vec<String> = published();
    names
        .iter_mut()
        .for_each(|track| *track = format!("of-{track}-connector"));
    names.push("hostile-connector".to_owned());
    let (http, events) = (Loopback::start().await, Events::start().await);
    for name in &names {
        let package = package(name);
        for grant in Grant::ALL {
            let (host, crm) = match grant {
                Grant::Stream => events.attacked_by(&package).await,
                _ => http.attacked_by(&package).await,
            };
            let told = use_it(&crm, name, grant).await.unwrap();
            assert!(told.get("error").is_none(), "{name}, {grant}: {told}");
            let requests = (http.heads().len(), events.exchanges().len());
            host.revoke("acme", "crm", [grant]).await.unwrap();
            assert_eq!(
                denied(use_it(&crm, name, grant).await),
                (name.clone(), grant)
            );
            assert_eq!((http.heads().len(), events.exchanges().len()), requests);
            for other in Grant::ALL {
                // The server of exchanges answers nothing else.
                if other != grant && other != Grant::Stream && grant != Grant::Stream {
                    use_it(&crm, name, other).await.unwrap();
                }
            }
            host.grant("acme", "crm", [grant]).await.unwrap();
            use_it(&crm, name, grant).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_connector_of_0_1_that_was_not_granted_an_import_is_refused_by_its_own_name() {
    let host = TestHost::new().await;
    let old = package(CONNECTOR);
    for missing in Grant::ALL {
        let granted = Grant::ALL.into_iter().filter(|grant| *grant != missing);
        let refused = host.host.load(&old, granted).await.unwrap_err();
        let Error::Package(PackageError::NotGranted {
            interface, grant, ..
        }) = &refused
        else {
            panic!("{refused:?}");
        };
        assert_eq!(*grant, missing);
        assert_eq!(*interface, format!("lockgate:connector/{missing}@0.1.0"));
    }
}

#[tokio::test]
async fn a_connector_is_swapped_from_0_1_to_the_newest_contract_and_back() {
    let server = Loopback::start().await;
    let (host, crm) = server.attacked_by(&package(CONNECTOR)).await;
    assert_eq!(crm.invoke("storage", &json!({})).await.unwrap()["times"], 1);
    let new = successor(CONNECTOR, "hostile-connector");
    host.stage(&new, new.asked_grants()).await.unwrap();
    host.steer(CONNECTOR, &Step::swap("0.2.0")).unwrap();
    // It finds what the older one has stored.
    assert_eq!(one(&crm, "keys times").await["outcome"]["value"], "1");
    host.steer(CONNECTOR, &Step::swap("0.1.0")).unwrap();
    assert_eq!(crm.invoke("storage", &json!({})).await.unwrap()["times"], 2);
}

#[tokio::test]
async fn a_transform_is_swapped_from_0_1_to_the_newest_contract_and_back() {
    let host = TestHost::new().await;
    host.load(&package(TRANSFORM)).await;
    let settings = json!({ "do": "keep" });
    let transform = host.transform(TRANSFORM, &settings).await.unwrap();
    let records = Records::from_json(r#"[{"do":"drop"},{"a":1}]"#).unwrap();
    let old = r#"[{"a":1}]"#;
    let done = transform.apply("Contact", &records).await.unwrap();
    assert_eq!(done.records.as_bytes(), old);
    let new = successor(TRANSFORM, "hostile-transform");
    host.stage(&new, []).await.unwrap();
    host.steer(TRANSFORM, &Step::swap("0.2.0")).unwrap();
    let done = transform.apply("Contact", &records).await.unwrap();
    assert_eq!(done.records, records);
    host.steer(TRANSFORM, &Step::swap("0.1.0")).unwrap();
    let done = transform.apply("Contact", &records).await.unwrap();
    assert_eq!(done.records.as_bytes(), old);
}

/// The hostile connector as somebody compiled it against 0.1.0, with this in its manifest
/// as well: the interfaces of connectors are the same.
fn hostile_of_0_1(name: &str, lines: &str, limits: &str) -> Package {
    let bytes = package("hostile-connector").component().clone();
    let mut bytes = bytes.to_vec();
    for interface in package("hostile-connector").inspect().unwrap().imports {
        let new = interface.to_string();
        bytes = replaced(&bytes, &new, &new.replace("0.2.0", "0.1.0"));
    }
    for interface in ["records", "events", "hooks", "migration"] {
        let [new, old] =
            ["0.2.0", "0.1.0"].map(|version| format!("lockgate:connector/{interface}@{version}"));
        bytes = replaced(&bytes, &new, &old);
    }
    let manifest = std::fs::read_to_string(package_dir("hostile-connector").join("package.toml"));
    let manifest = manifest.unwrap().replacen(
        "name = \"hostile-connector\"\nversion = \"0.1.0\"",
        &format!("name = \"{name}\"\n{lines}"),
        1,
    );
    let manifest = manifest.replace("contract = \"0.2.0\"", "contract = \"0.1.0\"");
    Package::from_parts(&format!("{manifest}\n[limits]\n{limits}\n"), bytes).unwrap()
}

#[tokio::test]
async fn attacks_come_to_the_same_through_the_names_of_every_contract() {
    let server = Loopback::start().await;
    let limits = "cpu_ms = 200\nhost_calls = 2000\nmemory_mib = 16";
    let old = hostile_of_0_1("hostile-connector", "version = \"0.0.1\"", limits);
    let mut outcomes = Vec::new();
    for package in [&old, &connector(limits)] {
        let (_host, crm) = server.attacked_by(package).await;
        let mut told = Vec::new();
        for command in [
            "forbidden-paths",
            "forbidden-headers /ok",
            "marker header /ok",
            "guess-keys globex other",
            "hold-tables",
        ] {
            told.push(json!(report(&crm, command).await.unwrap()).to_string());
        }
        for command in [
            "spin",
            "spin-async",
            "recurse",
            "allocate",
            "flood-calls",
            "panic",
        ] {
            told.push(match report(&crm, command).await.unwrap_err() {
                Error::LimitExceeded { limit, allowed, .. } => format!("{limit:?} {allowed}"),
                Error::Crashed { guest, .. } => format!("crashed in {}", guest.call),
                error => panic!("{command}: {error:?}"),
            });
        }
        outcomes.push(told);
    }
    let [old, new] = &outcomes[..] else { panic!() };
    for (at, (old, new)) in old.iter().zip(new).enumerate() {
        // The reports are long.
        assert!(
            old == new,
            "attack {at} comes to {old:.400} and to {new:.400}"
        );
    }
}

#[tokio::test]
async fn a_connector_of_0_1_takes_over_what_an_older_one_has_stored() {
    let server = Loopback::start().await;
    let (host, crm) = server.attacked_by(&package(CONNECTOR)).await;
    crm.invoke("storage", &json!({})).await.unwrap();
    let next = hostile_of_0_1(CONNECTOR, "version = \"0.2.0\"\nstate = 2", "cpu_ms = 2000");
    host.stage(&next, next.asked_grants()).await.unwrap();
    host.steer(CONNECTOR, &Step::swap("0.2.0")).unwrap();
    let taken_over = one(&crm, "keys from-1/times").await;
    assert_eq!(taken_over["outcome"]["value"], "1");
}

/// The same bytes with another text in each place of this one.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let (mut bytes, mut n_replaced) = (bytes.to_vec(), 0);
    for start in 0..=bytes.len() - from.len() {
        let place = &mut bytes[start..start + from.len()];
        if place == from.as_bytes() {
            place.copy_from_slice(to.as_bytes());
            n_replaced += 1;
        }
    }
    assert!(n_replaced > 0, "{from} is nowhere");
    bytes
}
