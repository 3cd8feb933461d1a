//! Packages in registries: a folder, a real registry of OCI, and ones that lie.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use lockgate_tests::packages::package_dir;
use lockgate_tests::registry::{PASSWORD, Registry, USER};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use support::{Run, command, run};
use tempfile::TempDir;

const NAME: &str = "contact-normalizer";

/// A data directory.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The command as it is without leave for packages that nobody has signed.
    fn lockgate(&self, arguments: &[&str]) -> Run {
        self.reading(arguments, "")
    }

    fn reading(&self, arguments: &[&str], input: &str) -> Run {
        let mut command = command(self.0.path());
        command
            .env_remove("LOCKGATE_ALLOW_UNSIGNED")
            // Whoever runs the tests may be logged in somewhere.
            .env("DOCKER_CONFIG", self.0.path())
            .args(arguments);
        run(command, input)
    }

    /// A copy of a plugin's package as another version, signed by this data directory.
    fn package(&self, version: &str) -> PathBuf {
        let directory = self.0.path().join(format!("built-{version}"));
        std::fs::create_dir_all(&directory).unwrap();
        let built = package_dir(NAME);
        let component = "component.wasm";
        std::fs::copy(built.join(component), directory.join(component)).unwrap();
        let manifest = std::fs::read_to_string(built.join("package.toml")).unwrap();
        let manifest = manifest.replacen("0.1.0", version, 1);
        std::fs::write(directory.join("package.toml"), manifest).unwrap();
        let path = directory.to_str().unwrap();
        self.lockgate(&["package", "sign", path]).ended(0);
        directory
    }

    fn publish(&self, package: &Path, to: &str, more: &[&str]) -> Run {
        let package = package.to_str().unwrap();
        let publish = ["package", "publish", package, "--to", to];
        self.lockgate(&[&publish[..], &["--output", "json"], more].concat())
    }

    fn install(&self, name: &str, from: &str) -> Run {
        let install = ["package", "install", name, "--from", from];
        self.lockgate(&[&install[..], &["--output", "json"]].concat())
    }

    fn trust(&self, author: &Self) {
        let key = author.lockgate(&["package", "key"]).ended(0).out;
        self.lockgate(&["package", "trust", key.trim()]).ended(0);
    }
}

/// What every registry has to do, at an address.
fn packages_come_back_as_they_were_published(to: &str) {
    let (author, user) = (Desk::new(), Desk::new());
    let first = author.package("0.1.0");
    let published = author.publish(&first, to, &["--namespace", "acme"]);
    assert_eq!(published.ended(0).json()["is_new"], true);
    let again = author.publish(&first, to, &["--namespace", "acme"]);
    assert_eq!(again.ended(0).json()["is_new"], false);
    // A version never changes.
    let manifest = first.join("package.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text + "\n[limits]\nmemory_mib = 200\n").unwrap();
    let unsigned = author
        .publish(&first, to, &["--namespace", "acme"])
        .ended(1);
    assert!(
        unsigned.err.contains("was changed after it was signed"),
        "{unsigned:#?}"
    );
    author
        .lockgate(&["package", "sign", first.to_str().unwrap()])
        .ended(0);
    let other = author
        .publish(&first, to, &["--namespace", "acme"])
        .ended(1);
    assert!(
        other.err.contains("another package is there as acme:"),
        "{other:#?}"
    );

    for version in ["0.10.0", "0.9.0", "1.0.0-rc.1"] {
        let package = author.package(version);
        author
            .publish(&package, to, &["--namespace", "acme"])
            .ended(0);
    }
    // It comes from there, and is trusted by who knows whose it is.
    let name = format!("acme:{NAME}");
    let stranger = user.install(&name, to).ended(1);
    assert!(
        stranger.err.contains("lockgate package trust"),
        "{stranger:#?}"
    );
    user.trust(&author);
    let newest = user.install(&name, to).ended(0).json();
    assert_eq!(
        (&newest["name"], &newest["version"]),
        (&json!(NAME), &json!("0.10.0"))
    );
    let one = user.install(&format!("{name}@0.1.0"), to).ended(0).json();
    assert_eq!(one["version"], "0.1.0");
    let component = std::fs::read(package_dir(NAME).join("component.wasm")).unwrap();
    assert_eq!(one["digest"], hex(&component));
    for missing in [NAME, &format!("{name}@3.0.0")] {
        let missing = user.install(missing, to).ended(1);
        assert!(missing.err.contains("there is no package"), "{missing:#?}");
    }
}

fn hex(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn packages_go_through_a_folder_in_which_others_find_the_component() {
    let folder = tempfile::tempdir().unwrap();
    packages_come_back_as_they_were_published(folder.path().to_str().unwrap());
    // As `wkg` looks for it.
    let there = folder.path().join("acme").join(NAME).join("0.10.0.wasm");
    let component = std::fs::read(package_dir(NAME).join("component.wasm")).unwrap();
    assert_eq!(std::fs::read(there).unwrap(), component);
}

#[test]
fn what_lies_in_a_folder_is_held_against_its_name_and_its_signature() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().to_str().unwrap();
    let (author, user) = (Desk::new(), Desk::new());
    user.trust(&author);
    author.publish(&author.package("0.1.0"), to, &[]).ended(0);
    let files = folder.path().join("lockgate").join(NAME);
    let file = |version: &str, ending: &str| files.join(format!("{version}.{ending}"));
    // An older one under a newer name.
    for ending in ["wasm", "toml", "sig"] {
        std::fs::copy(file("0.1.0", ending), file("0.2.0", ending)).unwrap();
    }
    let renamed = user.install(&format!("{NAME}@0.2.0"), to).ended(1);
    assert!(
        renamed.err.contains("says of itself that it is"),
        "{renamed:#?}"
    );
    let mut component = std::fs::read(file("0.1.0", "wasm")).unwrap();
    component.extend_from_slice(b"\0\x02\x01x");
    std::fs::write(file("0.1.0", "wasm"), component).unwrap();
    let changed = user.install(&format!("{NAME}@0.1.0"), to).ended(1);
    assert!(
        changed.err.contains("its signature does not fit"),
        "{changed:#?}"
    );
    std::fs::remove_file(file("0.1.0", "sig")).unwrap();
    let unsigned = user.install(&format!("{NAME}@0.1.0"), to).ended(1);
    assert!(
        unsigned.err.contains("nobody has signed it"),
        "{unsigned:#?}"
    );
    let nothing = user.install("../x", to).ended(2);
    assert!(nothing.err.contains("is not 1 to 64 of"), "{nothing:#?}");
}

#[test]
fn packages_go_through_a_registry_of_oci_as_artifacts_of_the_cncf() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let host = registry.host();
    packages_come_back_as_they_were_published(&format!("oci://{host}/some/path"));
    let manifest = curl(&host, &format!("some/path/acme/{NAME}/manifests/0.10.0"));
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.wasm.config.v0+json"
    );
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 1, "`wkg` takes one layer");
    assert_eq!(layers[0]["mediaType"], "application/wasm");
    let config = manifest["config"]["digest"].as_str().unwrap();
    let config = curl(&host, &format!("some/path/acme/{NAME}/blobs/{config}"));
    assert_eq!(
        (&config["architecture"], &config["os"]),
        (&json!("wasm"), &json!("wasip2"))
    );
    assert_eq!(config["layerDigests"][0], layers[0]["digest"]);
    let exports = config["component"]["exports"].to_string();
    assert!(exports.contains("lockgate:connector/batches@"), "{config}");
}

/// What the registry gives, as JSON.
fn curl(host: &str, what: &str) -> Json {
    use std::io::{Read as _, Write as _};

    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let accept = "application/vnd.oci.image.manifest.v1+json, */*";
    let head = format!("GET /v2/{what} HTTP/1.0\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[test]
fn a_registry_with_accounts_takes_packages_from_who_has_one() {
    let Some(registry) = Registry::with_accounts() else {
        return;
    };
    let to = format!("oci://{}", registry.host());
    let author = Desk::new();
    let package = author.package("0.1.0");
    let stranger = author.publish(&package, &to, &[]).ended(1);
    assert!(stranger.err.contains("--password-file"), "{stranger:#?}");
    let password = author.0.path().join("password");
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let account = [
        "--user",
        USER,
        "--password-file",
        password.to_str().unwrap(),
    ];
    author.publish(&package, &to, &account).ended(0);
    // Whoever has logged in with another program needs not say it again.
    std::fs::remove_file(password).unwrap();
    use base64::Engine as _;
    let both = base64::prelude::BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let config = json!({ "auths": { registry.host(): { "auth": both } } });
    std::fs::write(author.0.path().join("config.json"), config.to_string()).unwrap();
    author.install(NAME, &to).ended(0);
    let shown = author.lockgate(&["-vvv", "package", "install", NAME, "--from", &to]);
    assert!(!format!("{shown:?}").contains(&both), "{shown:#?}");
}

/// A registry in this process that answers as a test says; and the authorization that
/// came with each request.
struct Fake {
    host: String,
    seen: Seen,
}

/// Paths, with the authorization that came along.
type Seen = Arc<Mutex<Vec<(String, Option<String>)>>>;

impl Fake {
    async fn start(
        answer: impl Fn(&str, &str, Option<&str>) -> Response<Body> + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let seen = Seen::default();
        let fake = Self {
            host: host.clone(),
            seen: Arc::clone(&seen),
        };
        let router = Router::new().fallback(move |request: Request| {
            let who = request.headers().get("authorization");
            let who = who.map(|who| who.to_str().unwrap().to_owned());
            let path = request.uri().to_string();
            let answered = answer(&host, &path, who.as_deref());
            seen.lock().unwrap().push((path, who));
            std::future::ready(answered)
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    fn install(&self) -> Run {
        let from = format!("oci://{}", self.host);
        let name = format!("{NAME}@0.1.0");
        tokio::task::block_in_place(|| Desk::new().install(&name, &from))
    }
}

fn answer(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    Response::builder()
        .status(status)
        .body(body.into())
        .unwrap()
}

/// An artifact with a layer of this digest and size.
fn manifest(digest: &str, size: u64) -> String {
    let package = std::fs::read_to_string(package_dir(NAME).join("package.toml")).unwrap();
    let config = format!("sha256:{}", hex(b"{}"));
    json!({
        "schemaVersion": 2,
        "config": {
            "mediaType": "application/vnd.wasm.config.v0+json", "digest": config, "size": 2
        },
        "layers": [{ "mediaType": "application/wasm", "digest": digest, "size": size }],
        "annotations": { "lockgate.package": package },
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_registry_gives_is_held_against_its_digest_and_its_size() {
    let right = format!("sha256:{}", hex(b"right"));
    for (digest, size, body, told) in [
        (right.as_str(), 5, "wrong", "is not what its digest says"),
        (&right, 5, "right and more", "holds more than 5 bytes"),
        (&right, 1 << 40, "right", "a component has at most"),
        ("sha256:../../tags", 5, "right", "is no digest by SHA-256"),
        ("md5:0", 5, "right", "is no digest by SHA-256"),
    ] {
        let manifest = manifest(digest, size);
        let fake = Fake::start(move |_, path, _| match path.contains("/blobs/") {
            true => answer(StatusCode::OK, body),
            false => answer(StatusCode::OK, manifest.clone()),
        });
        let refused = fake.await.install().ended(1);
        assert!(refused.err.contains(told), "{told}: {refused:#?}");
    }
    let endless = Fake::start(|_, _, _| {
        let part = || Ok::<_, std::io::Error>(vec![b' '; 64 * 1024]);
        let parts = futures_util::stream::repeat_with(part);
        answer(StatusCode::OK, Body::from_stream(parts))
    });
    let refused = endless.await.install().ended(1);
    assert!(
        refused.err.contains("holds more than 4194304 bytes"),
        "{refused:#?}"
    );
    let foreign = json!({ "schemaVersion": 2, "config": { "mediaType": "application/x",
        "digest": right, "size": 5 }, "layers": [{ "mediaType": "application/x",
        "digest": right, "size": 5 }] });
    let foreign = Fake::start(move |_, _, _| answer(StatusCode::OK, foreign.to_string()));
    let refused = foreign.await.install().ended(1);
    assert!(
        refused.err.contains("is no package of Lockgate"),
        "{refused:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_got_where_the_registry_says_and_goes_to_the_registry_alone() {
    let component = std::fs::read(package_dir(NAME).join("component.wasm")).unwrap();
    let digest = format!("sha256:{}", hex(&component));
    let elsewhere_component = component.clone();
    let elsewhere = Fake::start(move |_, _, _| answer(StatusCode::OK, elsewhere_component.clone()));
    let elsewhere = elsewhere.await;
    let manifest = manifest(&digest, component.len() as u64);
    let blobs = format!("http://{}/somewhere", elsewhere.host);
    let fake = Fake::start(move |host, path, who| {
        if path.starts_with("/token?service=tests&scope=repository") {
            return answer(
                StatusCode::OK,
                r#"{ "access_token": "a-token-of-the-tests" }"#,
            );
        }
        if who != Some("Bearer a-token-of-the-tests") {
            let challenge = format!(
                "Bearer realm=\"http://{host}/token\",service=\"tests\",scope=\"repository:x:pull\""
            );
            let mut refused = answer(StatusCode::UNAUTHORIZED, "");
            let value = challenge.parse().unwrap();
            refused.headers_mut().insert("www-authenticate", value);
            return refused;
        }
        if path.contains("/blobs/") {
            let mut moved = answer(StatusCode::TEMPORARY_REDIRECT, "");
            moved
                .headers_mut()
                .insert("location", blobs.parse().unwrap());
            return moved;
        }
        answer(StatusCode::OK, manifest.clone())
    });
    let fake = fake.await;
    let got = fake.install().ended(1);
    // All of it came, and nobody has signed it.
    assert!(got.err.contains("nobody has signed it"), "{got:#?}");
    assert_eq!(
        elsewhere.seen.lock().unwrap().as_slice(),
        [("/somewhere".to_owned(), None)]
    );
    assert_eq!(fake.seen.lock().unwrap().len(), 4);
}
