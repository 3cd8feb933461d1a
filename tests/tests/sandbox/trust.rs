//! What runs is what was signed, read once and checked: packages and compiled code that
//! somebody has changed meanwhile.

use std::path::{Path, PathBuf};

use lockgate::{Error, Package, PackageError, Revoked, SigningKey};
use lockgate_tests::handmade::{transform, transform_manifest};
use lockgate_tests::packages::package_dir;
use lockgate_tests::sandbox::TestHost;
use serde_json::json;

use crate::attack::{apply, batch, still_serves, transform_host};

/// The transform `p` in this version, of these bytes.
fn version(version: &str, component: &[u8]) -> Package {
    let manifest =
        transform_manifest("p").replace("'0.1.0'\nworld", &format!("'{version}'\nworld"));
    Package::from_parts(&manifest, component.to_vec()).unwrap()
}

fn signed(key: &SigningKey, package: Package) -> Package {
    let signature = key.sign(&package);
    package.with_signature(signature)
}

#[tokio::test]
async fn a_package_that_is_not_trusted_leaves_the_one_at_work_and_its_calls() {
    let (key, stranger) = (
        SigningKey::generate().unwrap(),
        SigningKey::generate().unwrap(),
    );
    let revoked = Revoked::Version {
        package: "p".to_owned(),
        version: "0.2.0".to_owned(),
    };
    let host = TestHost::strict(|builder| builder.trust(key.public()).revoke(revoked)).await;
    let sound = transform("p", "", "").component().clone();
    host.load(&signed(&key, version("0.3.0", &sound))).await;
    let next = version("0.4.0", &sound);
    let signature = key.sign(&next);
    for (package, wrong) in [
        (next.clone(), "nobody has signed it"),
        (
            signed(&stranger, next),
            "nobody has told this host to trust",
        ),
        // Neither is looked at before the signature is.
        (
            version("0.4.0", b"no component").with_signature(signature.clone()),
            "its signature does not fit",
        ),
        (
            version("0.4.1", &sound).with_signature(signature),
            "its signature does not fit",
        ),
        (
            signed(&key, version("0.2.0", &sound)),
            "revoked up to version 0.2.0",
        ),
        (
            signed(&key, version("0.1.9", &sound)),
            "revoked up to version 0.2.0",
        ),
        (
            version("0.2.0", &sound).vouched(),
            "revoked up to version 0.2.0",
        ),
    ] {
        for outcome in [
            host.stage(&package, []).await,
            host.host.load(&package, []).await,
        ] {
            let refused = outcome.unwrap_err();
            assert!(matches!(refused, Error::Package(_)), "{refused:?}");
            assert!(refused.to_string().contains(wrong), "{refused}");
        }
        host.transform("p", &json!({})).await.unwrap();
    }
    let versions = host.packages().remove(0).versions;
    assert_eq!(versions.len(), 1, "{versions:#?}");
    assert_eq!(versions[0].version, "0.3.0");
}

/// The files of compiled code in a directory.
fn compiled(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn compiled_code_that_was_changed_on_disk_is_compiled_anew_and_calls_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let start = async || {
        let host = TestHost::with(|builder| builder.code_dir(directory.path())).await;
        for name in ["one", "other"] {
            host.load(&transform(
                name,
                "",
                if name == "one" { "" } else { "unreachable" },
            ))
            .await;
        }
        host.transform("one", &json!({})).await.unwrap();
        let other = host.transform("other", &json!({})).await.unwrap_err();
        assert!(matches!(other, Error::Crashed { .. }), "{other:?}");
    };
    start().await;
    let files = compiled(directory.path());
    assert_eq!(files.len(), 2);
    let whole: Vec<_> = files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    let touched = |at: usize| {
        let mut touched = whole[0].clone();
        touched[at] ^= 1;
        touched
    };
    let half = whole[0].len() / 2;
    // One that is sound under the name of another, and flaws of all kinds.
    for wrong in [
        whole[1].clone(),
        touched(0),
        touched(half),
        whole[0][..half].to_vec(),
    ] {
        std::fs::write(&files[0], wrong).unwrap();
        start().await;
        assert_eq!(compiled(directory.path()), files);
        assert_eq!(
            std::fs::read(&files[0]).unwrap(),
            whole[0],
            "it is replaced"
        );
    }
}

#[tokio::test]
async fn a_package_that_is_changed_on_disk_after_it_was_read_runs_as_it_was_checked() {
    let directory = tempfile::tempdir().unwrap();
    for file in ["package.toml", "component.wasm"] {
        let from = package_dir("hostile-transform").join(file);
        std::fs::copy(from, directory.path().join(file)).unwrap();
    }
    let host = transform_host("").await;
    let read = Package::open(directory.path()).unwrap();
    let digest = read.digest();
    let nosy = package_dir("nosy-transform").join("component.wasm");
    std::fs::remove_file(directory.path().join("component.wasm")).unwrap();
    std::os::unix::fs::symlink(nosy, directory.path().join("component.wasm")).unwrap();
    host.load(&read).await;
    assert_eq!(read.digest(), digest);
    let echo = apply(&host, json!({ "do": "echo" })).await.unwrap();
    assert_eq!(echo.records, batch(3));
    // What lies there now is not read through the link.
    let swapped = Package::open(directory.path()).unwrap_err();
    assert!(
        matches!(swapped, PackageError::Unreadable { .. }),
        "{swapped:?}"
    );
    still_serves(&host).await;
}
