//! Webhooks that come in, from the command line: set up, taken by the host that stays,
//! written as records, looked after and removed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::SystemTime;

use dev_org::OutboundMessage;
use lockgate::webhook::{Secret, sign};
use lockgate_tests::org::browser;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value as Json, json};
use support::Bench;
use support::running::{PATIENCE, Running};
use support::sender::{created, submit};

fn start(bench: &Bench, more: &[&str]) -> (Running, String) {
    tokio::task::block_in_place(|| Running::listening(bench, more))
}

/// Waits until the status of a webhook is as it should be.
fn until(bench: &Bench, name: &str, what: &str, is_so: impl Fn(&Json) -> bool) -> Json {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let status = ["webhook", "receive", "status", name, "--output", "json"];
        let mut status = bench.lockgate(&status).ended(0).json();
        let status = status[0].take();
        if is_so(&status) {
            return status;
        }
        assert!(std::time::Instant::now() < end, "never {what}: {status:#}");
    }
}

fn rules(bench: &Bench) -> String {
    let rules = json!({ "score_field": "Lead_Score__c", "rules": [
        { "name": "large", "points": 25,
          "when": { "field": "NumberOfEmployees", "operator": "greater", "value": 500 } },
    ] });
    let file = bench.file("rules.json", &rules.to_string());
    format!("lead-scorer={}", file.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_makes_leads_and_what_the_org_refuses_is_a_letter_that_is_sent_again_once_mended() {
    let bench = Bench::connected().await;
    let plugin = rules(&bench);
    let (path, secret) = created(
        &bench,
        &[
            "--name",
            "form",
            "--signed",
            "--into",
            "Lead",
            "--key",
            "External_Id__c",
            "--plugin",
            &plugin,
            "--setting",
            "auto_assign=true",
        ],
    );
    let secret = secret.unwrap();
    let (_running, address) = start(&bench, &[]);
    let url = format!("http://{address}{path}");
    let good = json!({ "External_Id__c": "form-1", "LastName": "Doe", "Company": "Acme",
                       "NumberOfEmployees": 900 });
    let bad = json!({ "External_Id__c": "form-2", "LastName": "Roe" });
    for _ in 0..2 {
        assert_eq!(submit(&url, &secret, "msg_1", &good).await, 204);
    }
    assert_eq!(submit(&url, &secret, "msg_2", &bad).await, 204);
    let stranger = Secret::generate().unwrap();
    assert_eq!(submit(&url, &stranger, "msg_3", &good).await, 401);
    let elsewhere = format!("{url}x");
    assert_eq!(submit(&elsewhere, &secret, "msg_3", &good).await, 404);

    let status = tokio::task::block_in_place(|| {
        until(&bench, "form", "written", |status| {
            status["done"] == 1 && status["letters"] == 1
        })
    });
    assert_eq!(
        (&status["waiting"], &status["at_work"]),
        (&json!(0), &json!(true))
    );
    let query = |key: &str| {
        let soql = format!(
            "SELECT LastName, Lead_Score__c, Owner.Username FROM Lead WHERE External_Id__c = '{key}'"
        );
        let query = ["query", "crm", &soql, "--output", "json"];
        bench.lockgate(&query).ended(0).json()
    };
    let found = query("form-1");
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(found[0]["Lead_Score__c"], json!(25.0));
    assert_eq!(found[0]["Owner"]["Username"], "leads@example.com");

    let letters = ["webhook", "receive", "letters", "form"];
    let shown = bench
        .lockgate(&[&letters[..], &["--output", "json"]].concat())
        .ended(0)
        .json();
    assert_eq!(shown[0]["id"], "msg_2");
    assert_eq!(shown[0]["content"], bad);
    assert!(
        shown[0]["problem"].as_str().unwrap().contains("Company"),
        "{shown}"
    );
    let mended = json!({ "External_Id__c": "form-2", "LastName": "Roe", "Company": "Initech" });
    bench
        .lockgate(&["record", "create", "crm", "Lead", &mended.to_string()])
        .ended(0);
    bench
        .lockgate(&[&letters[..], &["--again", "msg_4711"]].concat())
        .ended(2);
    bench
        .lockgate(&[&letters[..], &["--again", "all"]].concat())
        .ended(0);
    tokio::task::block_in_place(|| {
        until(&bench, "form", "sent again", |status| {
            status["done"] == 2 && status["letters"] == 0
        })
    });

    // A new secret is good beside the old one, and alone once that has ended.
    let rotate = [
        "webhook", "receive", "rotate", "form", "--secret", "--output", "json",
    ];
    let told = bench.lockgate(&rotate).ended(0).json();
    assert_eq!(told["url"], Json::Null);
    let newer: Secret = told["secret"].as_str().unwrap().parse().unwrap();
    assert_eq!(submit(&url, &secret, "msg_5", &good).await, 204);
    assert_eq!(submit(&url, &newer, "msg_6", &good).await, 204);
    bench
        .lockgate(&["webhook", "receive", "rotate", "form", "--end"])
        .ended(0);
    assert_eq!(submit(&url, &secret, "msg_7", &good).await, 401);
    assert_eq!(submit(&url, &newer, "msg_8", &good).await, 204);
    tokio::task::block_in_place(|| until(&bench, "form", "all done", |status| status["done"] == 5));
    bench
        .lockgate(&["webhook", "receive", "remove", "form"])
        .ended(0);
    assert_eq!(submit(&url, &newer, "msg_9", &good).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_org_sends_survives_a_crash_of_the_host_and_waits_to_be_taken() {
    let bench = Bench::connected().await;
    let (path, secret) = created(&bench, &["--name", "leads", "--product"]);
    assert!(secret.is_none());
    let (running, address) = start(&bench, &[]);
    let send_to = |address: &str| {
        let message = OutboundMessage {
            object: "Lead".to_owned(),
            endpoint: format!("http://{address}{path}"),
            fields: vec!["LastName".to_owned()],
            send_session_id: true,
        };
        bench.control.set_outbound_messages(vec![message]).unwrap();
    };
    let create = |name: &str| {
        let lead = json!({ "LastName": name, "Company": "Acme" }).to_string();
        bench
            .lockgate(&["record", "create", "crm", "Lead", &lead])
            .ended(0);
    };
    send_to(&address);
    create("Doe");
    bench.control.outbound_settled().await;
    assert_eq!(bench.control.outbound_counts().delivered, 1);
    running.kill();
    let inbox = ["webhook", "receive", "inbox", "leads", "--output", "json"];
    let shown = bench.lockgate(&inbox).ended(0).json();
    assert_eq!(shown[0]["content"]["payload"]["LastName"], "Doe");
    let id = shown[0]["id"].as_str().unwrap();

    let (_running, address) = start(&bench, &[]);
    send_to(&address);
    create("Roe");
    bench.control.outbound_settled().await;
    let removed = bench
        .lockgate(&["webhook", "receive", "remove", "leads"])
        .ended(1);
    assert!(removed.err.contains("--with-items"), "{removed:#?}");
    bench
        .lockgate_reading(&["webhook", "receive", "inbox", "leads", "--done", "-"], id)
        .ended(0);
    let shown = bench.lockgate(&inbox).ended(0).json();
    assert_eq!(shown.as_array().unwrap().len(), 1);
    assert_eq!(shown[0]["content"]["payload"]["LastName"], "Roe");
    bench
        .lockgate(&["webhook", "receive", "remove", "leads", "--with-items"])
        .ended(0);
    let listed = bench.lockgate(&["webhook", "receive", "list", "--output", "json"]);
    assert_eq!(listed.ended(0).json(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_an_address_nor_a_secret_is_shown_again_or_lies_in_the_data_directory() {
    let bench = Bench::connected().await;
    let (path, secret) = created(&bench, &["--name", "form", "--signed"]);
    let (address, secret) = (path.rsplit('/').next().unwrap(), secret.unwrap());
    let shown = secret.expose();
    let list = bench
        .lockgate(&["webhook", "receive", "list", "--output", "json"])
        .ended(0);
    let status = bench.lockgate(&["webhook", "receive", "status"]).ended(0);
    for text in [&list.out, &list.err, &status.out, &status.err] {
        assert!(
            !text.contains(address) && !text.contains(shown.as_str()),
            "{text}"
        );
    }
    let mut files = 0;
    for entry in std::fs::read_dir(bench.data.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        for secret in [
            address.as_bytes(),
            shown.as_bytes(),
            &shown.as_bytes()["whsec_".len()..],
        ] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret));
        }
        files += usize::from(!bytes.is_empty());
    }
    assert!(files > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_become_of_a_webhook_is_told_when_it_is_set_up() {
    let bench = Bench::connected().await;
    let create = |more: &[&str]| {
        let mut create = vec!["webhook", "receive", "create", "crm", "--name", "form"];
        create.extend(more);
        bench.lockgate(&create)
    };
    create(&[]).ended(2);
    create(&["--signed", "--product"]).ended(2);
    create(&["--product", "--key", "Email"]).ended(2);
    let missing = create(&["--signed", "--into", "Nothing__c"]).ended(1);
    assert!(missing.err.contains("Nothing__c"), "{missing:#?}");
    let no_key = create(&["--signed", "--into", "Lead", "--key", "Company"]).ended(1);
    assert!(
        no_key.err.contains("lockgate describe crm Lead"),
        "{no_key:#?}"
    );
    let setting = create(&[
        "--signed",
        "--into",
        "Lead",
        "--setting",
        "auto_assign=maybe",
    ]);
    assert!(setting.ended(2).err.contains("auto_assign"));
    create(&["--signed"]).ended(0);
    create(&["--signed"]).ended(1);
    let gone = bench
        .lockgate(&["webhook", "receive", "rotate", "other", "--address"])
        .ended(1);
    assert!(gone.err.contains("webhook receive list"), "{gone:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_no_request_at_all_is_refused_by_the_port_itself() {
    let bench = Bench::connected().await;
    let (path, _) = created(&bench, &["--name", "form", "--signed"]);
    let (_running, address) = start(&bench, &["--max-body-kib", "1"]);
    let url = format!("http://{address}{path}");
    let large = browser().post(&url).body("x".repeat(1025)).send().await;
    assert_eq!(large.unwrap().status().as_u16(), 413);
    let unsigned = browser().post(&url).body("x".repeat(1024)).send().await;
    assert_eq!(unsigned.unwrap().status().as_u16(), 401);
    let said = |text: String| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        // It may close the connection while something is still unread.
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let fields = "a: b\r\n".repeat(100);
    let many = format!("POST {path} HTTP/1.1\r\n{fields}\r\n");
    let many = tokio::task::block_in_place(|| said(many));
    assert!(many.starts_with("HTTP/1.1 431"), "{many}");
    let nonsense = tokio::task::block_in_place(|| said("hello\r\n\r\n".to_owned()));
    assert!(nonsense.starts_with("HTTP/1.1 400"), "{nonsense}");
}

/// An issuer of certificates for the host and for senders.
struct Issuer(CertifiedIssuer<'static, KeyPair>);

impl Issuer {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn certificate(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    /// A client that trusts this issuer, with a certificate for a name of some issuer.
    fn client(&self, certificate: Option<(&Self, &str)>) -> reqwest::Client {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match certificate {
            None => config.with_no_client_auth(),
            Some((issuer, name)) => {
                let (certificate, key) = issuer.certificate(name);
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
                let chain = vec![certificate.der().clone()];
                config.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let client = reqwest::Client::builder().tls_backend_preconfigured(config);
        client.build().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_senders_with_the_right_certificate_get_to_an_address_if_one_is_asked_for() {
    let bench = Bench::connected().await;
    let (path, secret) = created(&bench, &["--name", "form", "--signed"]);
    let (issuer, other) = (Issuer::new(), Issuer::new());
    let (certificate, key) = issuer.certificate("localhost");
    let file = |name: &str, text: &str| bench.file(name, text).display().to_string();
    let (_running, address) = start(
        &bench,
        &[
            "--tls-cert",
            &file("host.pem", &certificate.pem()),
            "--tls-key",
            &file("host.key", &key.serialize_pem()),
            "--client-ca",
            &file("issuer.pem", &issuer.0.pem()),
            "--client-name",
            "sender.example.com",
        ],
    );
    let port = address.rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}{path}");
    let body = "{}";
    let signed = sign(
        &[secret.unwrap()],
        "msg_1",
        SystemTime::now(),
        body.as_bytes(),
    )
    .unwrap();
    for (certificate, is_let_in) in [
        (None, false),
        (Some((&other, "sender.example.com")), false),
        (Some((&issuer, "another.example.com")), false),
        (Some((&issuer, "sender.example.com")), true),
    ] {
        let mut request = issuer.client(certificate).post(&url).body(body);
        for (name, value) in signed.headers() {
            request = request.header(name, value);
        }
        let answer = request.send().await;
        assert_eq!(answer.is_ok(), is_let_in, "{answer:?}");
        if let Ok(answer) = answer {
            assert_eq!(answer.status().as_u16(), 204);
        }
    }
    let in_the_clear = browser().post(format!("http://{address}{path}")).send();
    assert!(in_the_clear.await.is_err());
}
