//! What the sandbox costs, as ratios of two figures of one run: `cargo bench`.
//!
//! Measured in the mode that ships: epochs on, async calls, pooled instances.
//! After criterion's own report the ratios are printed with their targets.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench: what fails ends it, and its figures go to the terminal"
)]

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use dev_org::{Config, DevOrg};
use lockgate::{Connection, Flow, LoginTo, NewConnection, QueryOptions, Records};
use lockgate_tests::packages::package;
use lockgate_tests::sandbox::TestHost;
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

/// The size of a batch that is measured: a page of a product's collections API.
const BATCH: usize = 200;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5))
        .configure_from_args();
    let runtime = Runtime::new().expect("a runtime");
    transforms(&mut criterion, &runtime);
    requests(&mut criterion, &runtime);
    criterion.final_summary();
    report();
}

/// Leads as a query gives them, about 350 bytes each.
fn leads() -> Vec<u8> {
    let lead = |n: usize| {
        json!({
            "attributes": {"type": "Lead", "url": format!("/services/data/v60.0/sobjects/Lead/00Q{n:015}")},
            "Id": format!("00Q{n:015}"),
            "FirstName": "Ada", "LastName": format!("Lovelace {n}"),
            "Company": format!("Analytical Engines {n} Ltd"),
            "Email": format!("ada.{n}@engines{n}.example.com"),
            "Phone": format!("(415) 555-{:04}", n % 10_000),
            "Country": "Germany", "Industry": "Engineering",
            "NumberOfEmployees": n * 7 % 900, "AnnualRevenue": 125_000.5 * (n % 40) as f64,
            "CreatedDate": "2026-05-01T07:25:37.000+0000"
        })
    };
    serde_json::to_vec(&(0..BATCH).map(lead).collect::<Vec<_>>()).expect("JSON")
}

fn rules() -> Json {
    json!({
        "score_field": "Lead_Score__c",
        "rules": [
            {"name": "large", "when": {"field": "NumberOfEmployees", "operator": "greater", "value": 500}, "points": 25},
            {"name": "rich", "when": {"field": "AnnualRevenue", "operator": "greater", "value": 1_000_000}, "points": 20},
            {"name": "industry", "when": {"field": "Industry", "operator": "one-of", "value": ["Engineering", "Banking"]}, "points": 15},
            {"name": "free mail", "when": {"field": "Email", "operator": "matches-domain", "value": ["gmail.com", "gmx.de"]}, "points": -15}
        ],
        "rating": {"field": "Rating", "steps": [{"at_least": 40, "value": "Hot"}], "otherwise": "Cold"}
    })
}

fn transforms(criterion: &mut Criterion, runtime: &Runtime) {
    let batch = leads();
    let settings = rules();
    let (host, transform) = runtime.block_on(async {
        let host = TestHost::new().await;
        host.load(&package("lead-scorer")).await;
        let transform = host.transform("lead-scorer", &settings).await;
        (host, transform.expect("takes its settings"))
    });
    let records = Records::from_json(batch.clone()).expect("records");
    let native = lead_scorer::Settings::parse(&settings.to_string()).expect("settings");

    let mut group = criterion.benchmark_group("transform");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("native", |bencher| {
        bencher.iter(|| lead_scorer::transform(&native, black_box(&batch)).expect("transforms"));
    });
    let mut warm = runtime.block_on(transform.warm()).expect("an instance");
    group.bench_function("warm", |bencher| {
        bencher.iter(|| {
            runtime
                .block_on(warm.apply("Lead", black_box(&records)))
                .expect("transforms")
        });
    });
    group.bench_function("fresh", |bencher| {
        bencher.iter(|| {
            runtime
                .block_on(transform.apply("Lead", black_box(&records)))
                .expect("transforms")
        });
    });
    group.finish();
    drop(warm);

    // Store, instance, and the drop of both; then with the call that gives settings to
    // the guest: once with nothing to read in them, once with rules.
    let plain = runtime.block_on(async {
        host.load(&package("contact-normalizer")).await;
        let transform = host.transform("contact-normalizer", &json!({})).await;
        transform.expect("takes no settings")
    });
    let mut group = criterion.benchmark_group("instance");
    group.bench_function("start", |bencher| {
        bencher.iter(|| runtime.block_on(plain.start()).expect("starts"));
    });
    group.bench_function("start-with-settings", |bencher| {
        bencher.iter(|| runtime.block_on(plain.warm()).expect("starts"));
    });
    group.bench_function("start-with-rules", |bencher| {
        bencher.iter(|| runtime.block_on(transform.warm()).expect("starts"));
    });
    group.finish();
    drop(host);
}

/// Requests in one call of the guest, which sends until its limit refuses more.
const REQUESTS: u64 = 100;

/// The path that is asked for: small, and not counted by the product.
const PATH: &str = "/services/data";

fn requests(criterion: &mut Criterion, runtime: &Runtime) {
    let (org, host, connection) = runtime.block_on(connected());
    let client = bare_client();
    let url = format!("{}{PATH}", org.url());

    let mut group = criterion.benchmark_group("http");
    group.sample_size(30);
    group.throughput(Throughput::Elements(REQUESTS));
    group.bench_function("reqwest", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                for _ in 0..REQUESTS {
                    let answer = client.get(&url).send().await.expect("an answer");
                    black_box(answer.bytes().await.expect("a body"));
                }
            });
        });
    });
    let query = format!("read-loop {REQUESTS} {PATH}");
    group.bench_function("capability", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let pages = connection.query(&query, QueryOptions::default()).await;
                let records = pages.expect("pages").collect(1).await.expect("a page");
                let told = String::from_utf8_lossy(records.as_bytes());
                assert!(told.contains("\"sent\":100"), "{told}");
            });
        });
    });
    group.finish();
    drop(host);
    runtime.block_on(org.stop());
}

/// A client as the host's own: rustls on ring, no proxy.
fn bare_client() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocols")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let builder = reqwest::Client::builder();
    builder
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .build()
        .expect("a client")
}

/// An org, and a connection to it through the guest that sends what it is told.
async fn connected() -> (DevOrg, TestHost, Connection) {
    let org = DevOrg::start(Config::default()).await.expect("an org");
    let host = TestHost::new().await;
    host.load(&package("hostile-connector")).await;
    let login = LoginTo::Local { origin: org.url() };
    let new = NewConnection::new("acme", "crm", "hostile-connector", login, "dev-org-client")
        .client_secret("dev-org-secret")
        .flow(Flow::ClientCredentials);
    let connection = host.add_connection(new).await.expect("a connection");
    host.authorize_client("acme", "crm")
        .await
        .expect("authorised");
    (org, host, connection)
}

/// A ratio or difference with its target, from the medians of this run.
fn report() {
    let median = |id: &str| -> Option<f64> {
        let file = target_directory()
            .join("criterion")
            .join(id)
            .join("new/estimates.json");
        let estimates: Json = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
        estimates.pointer("/median/point_estimate")?.as_f64()
    };
    let figures = (
        median("transform/native"),
        median("transform/warm"),
        median("transform/fresh"),
        median("instance/start"),
        median("instance/start-with-settings"),
        median("instance/start-with-rules"),
        median("http/reqwest"),
        median("http/capability"),
    );
    let (
        Some(native),
        Some(warm),
        Some(fresh),
        Some(start),
        Some(start_with_settings),
        Some(start_with_rules),
        Some(bare),
        Some(capability),
    ) = figures
    else {
        println!("no ratios: not all benches were run");
        return;
    };
    let per_request = |nanoseconds: f64| nanoseconds / REQUESTS as f64 / 1_000.0;
    println!("\n| what | figure | target |\n|---|---:|---:|");
    println!(
        "| transform, 200 records: sandboxed / native throughput | {:.2} | at least 0.65 |",
        native / warm
    );
    println!(
        "| transform, 200 records: fresh instance / warm | {:.2} | at most 1.15 |",
        fresh / warm
    );
    println!(
        "| start an instance and drop it, p50 | {:.1} µs | under 10 µs |",
        start / 1_000.0
    );
    println!(
        "| the same with a call that gives it no settings, p50 | {:.1} µs | none |",
        start_with_settings / 1_000.0
    );
    println!(
        "| the same with a call that gives it the rules of the lead scorer, p50 | {:.1} µs | none |",
        start_with_rules / 1_000.0
    );
    println!(
        "| HTTP capability over bare reqwest, added p50 a request | {:.1} µs | under 50 µs |",
        per_request(capability - bare)
    );
}

fn target_directory() -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    std::env::var_os("CARGO_TARGET_DIR").map_or(root, Into::into)
}
