//! Components that are refused before any of them runs, each with its own error.

use lockgate::{Error, Grant, Package, PackageError};
use lockgate_tests::handmade::{component, transform, transform_manifest};
use lockgate_tests::packages::{package, package_with};
use lockgate_tests::sandbox::TestHost;

/// Loads with all that is asked for, and gives the refusal.
async fn refusal(package: &Package) -> PackageError {
    refusal_with(package, package.asked_grants()).await
}

async fn refusal_with(package: &Package, grants: impl IntoIterator<Item = Grant>) -> PackageError {
    match TestHost::new().await.host.load(package, grants).await {
        Err(Error::Package(refusal)) => refusal,
        other => panic!("not refused as a package: {other:?}"),
    }
}

fn of_bytes(bytes: Vec<u8>) -> Package {
    Package::from_parts(&transform_manifest("p"), bytes).unwrap()
}

#[tokio::test]
async fn a_file_that_is_no_wasm_is_refused_as_such() {
    for bytes in [&b""[..], b"PK\x03\x04", b"<html>", b"\0as", b"\x7fELF"] {
        let refusal = refusal(&of_bytes(bytes.to_vec())).await;
        assert!(
            matches!(refusal, PackageError::NotWasm { .. }),
            "{refusal:?}"
        );
    }
}

#[tokio::test]
async fn a_core_module_is_refused_with_the_way_to_make_a_component() {
    let module = wat::parse_str("(module (func (export \"apply\")))").unwrap();
    let refusal = refusal(&of_bytes(module)).await;
    assert!(
        matches!(refusal, PackageError::CoreModule { .. }),
        "{refusal:?}"
    );
    assert!(
        refusal.to_string().contains("wasm-tools component new"),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_component_that_was_cut_off_is_refused_at_every_length() {
    let host = TestHost::new().await;
    let whole = package("hostile-transform").component().to_vec();
    let step = whole.len() / 500;
    let lengths = (0..64)
        .chain((64..whole.len()).step_by(step))
        .chain([whole.len() - 1]);
    let mut between_sections = 0;
    for length in lengths {
        let package = of_bytes(whole[..length].to_vec());
        let outcome = host.host.load(&package, []).await;
        match outcome {
            Err(Error::Package(PackageError::Malformed { .. } | PackageError::NotWasm { .. })) => {}
            // A cut between two sections leaves a component, of which too much
            // is missing.
            Err(Error::Package(PackageError::MissingExport { .. })) => between_sections += 1,
            outcome => panic!("{length} of {} bytes: {outcome:?}", whole.len()),
        }
    }
    assert!(between_sections < 10, "{between_sections}");
}

/// Numbers that are the same in each run.
fn numbers() -> impl FnMut() -> usize {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap()
    }
}

/// Loads a component with one bit flipped. Many flips change nothing that is
/// checked: what loads must run, or fail, like any other guest.
async fn flip_bits(host: &TestHost, whole: &[u8], flips: usize) -> usize {
    let mut number = numbers();
    let mut refused = 0;
    for _ in 0..flips {
        let mut bytes = whole.to_vec();
        let (at, bit) = (number() % bytes.len(), number() % 8);
        bytes[at] ^= 1 << bit;
        match host.host.load(&of_bytes(bytes), []).await {
            Ok(()) => match host.host.transform("p", &serde_json::json!({})).await {
                Ok(_)
                | Err(
                    Error::LimitExceeded { .. } | Error::Crashed { .. } | Error::Settings { .. },
                ) => {}
                Err(error) => panic!("bit {bit} of byte {at}: {error:?}"),
            },
            Err(Error::Package(_)) => refused += 1,
            Err(error) => panic!("bit {bit} of byte {at}: {error:?}"),
        }
    }
    refused
}

#[tokio::test]
async fn a_damaged_component_never_panics_the_host() {
    let host = TestHost::new().await;
    let small = transform("p", "", "");
    let refused = flip_bits(&host, small.component(), 1_500).await;
    assert!(refused > 100, "only {refused} were refused");
    flip_bits(&host, package("hostile-transform").component(), 25).await;
}

#[tokio::test]
async fn another_contract_version_is_named_with_the_one_that_is_served() {
    let directory = lockgate_tests::packages::package_dir("wrong-world");
    let declared = Package::open(directory).unwrap_err();
    // The manifest may lie: the binary tells the same.
    let lied = package_parts("wrong-world", |text| text.replace("\"0.9.0\"", "\"0.2.0\""));
    for refusal in [declared, refusal(&lied).await] {
        assert!(
            matches!(&refusal, PackageError::WrongContract { found, .. } if found == "0.9.0"),
            "{refusal:?}"
        );
        assert!(
            refusal
                .to_string()
                .contains("this host serves 0.2.0 and 0.1.0"),
            "{refusal}"
        );
    }
}

/// A package whose own manifest is refused, with another.
fn package_parts(name: &str, changed: impl FnOnce(String) -> String) -> Package {
    let directory = lockgate_tests::packages::package_dir(name);
    let manifest = std::fs::read_to_string(directory.join("package.toml")).unwrap();
    let component = std::fs::read(directory.join("component.wasm")).unwrap();
    Package::from_parts(&changed(manifest), component).unwrap()
}

#[tokio::test]
async fn a_manifest_that_names_another_contract_than_the_binary_is_refused() {
    let text = r#"(component
        (instance $i)
        (export "lockgate:connector/batches@0.2.0" (instance $i)))"#;
    let manifest = transform_manifest("p").replace("0.2.0'\n", "0.2.7'\n");
    // A patch only adds: same track, refused for its types and not its version.
    let refusal = refusal(&component(&manifest, text)).await;
    assert!(
        matches!(refusal, PackageError::WrongType { .. }),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn a_transform_that_asks_for_the_network_is_refused_by_the_interface() {
    let refusal = refusal_with(&package("nosy-transform"), Grant::ALL).await;
    match &refusal {
        PackageError::NotInWorld {
            package,
            interface,
            world,
        } => {
            assert_eq!(package, "nosy-transform");
            assert_eq!(interface, "lockgate:connector/http@0.2.0");
            assert_eq!(*world, "transform");
        }
        other => panic!("{other:?}"),
    }
    assert!(
        refusal
            .to_string()
            .contains("lockgate:connector/http@0.2.0"),
        "{refusal}"
    );
}

#[tokio::test]
async fn an_import_of_anybody_else_is_refused_by_name() {
    for import in [
        "wasi:cli/environment@0.2.0",
        "wasi:sockets/tcp@0.2.0",
        "evil:connector/log@0.1.0",
    ] {
        let text = format!("(component (import \"{import}\" (instance)))");
        let refusal = refusal(&component(&transform_manifest("p"), &text)).await;
        assert!(
            matches!(&refusal, PackageError::NotInWorld { interface, .. } if interface == import),
            "{refusal:?}"
        );
    }
}

#[tokio::test]
async fn a_connector_gets_only_what_it_was_granted_and_has_asked_for() {
    let hostile = package("hostile-connector");
    let all = Grant::ALL;
    for missing in all {
        let granted = all.into_iter().filter(|grant| *grant != missing);
        let refusal = refusal_with(&hostile, granted).await;
        match &refusal {
            PackageError::NotGranted {
                interface,
                grant,
                asked: true,
                ..
            } => {
                assert_eq!(*grant, missing);
                assert_eq!(*interface, format!("lockgate:connector/{missing}@0.2.0"));
            }
            other => panic!("{other:?}"),
        }
        assert!(
            !refusal.to_string().contains("manifest does not ask"),
            "{refusal}"
        );

        let silent = package_with("hostile-connector", |text| {
            text.replace(&format!("{missing} = \"to attack it\"\n"), "")
        });
        let refusal = refusal_with(&silent, all).await;
        assert!(
            matches!(&refusal, PackageError::NotGranted { grant, asked: false, .. } if *grant == missing),
            "{refusal:?}"
        );
        assert!(
            refusal
                .to_string()
                .contains("its manifest does not ask for it"),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn a_component_that_exports_nothing_of_its_world_is_refused_by_the_export() {
    let refusal = refusal(&component(&transform_manifest("p"), "(component)")).await;
    assert!(
        matches!(&refusal, PackageError::MissingExport { interface, world: "transform", .. }
            if interface == "lockgate:connector/batches"),
        "{refusal:?}"
    );
    // A transform under a connector's manifest is no connector.
    let manifest = std::fs::read_to_string(
        lockgate_tests::packages::package_dir("hostile-connector").join("package.toml"),
    );
    let bytes = package("hostile-transform").component().clone();
    let disguised = Package::from_parts(&manifest.unwrap(), bytes).unwrap();
    let refusal = refusal_with(&disguised, Grant::ALL).await;
    assert!(
        matches!(
            &refusal,
            PackageError::MissingExport {
                world: "connector",
                ..
            }
        ),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn exports_and_imports_of_other_types_are_refused() {
    let export = r#"(component
        (instance $i)
        (export "lockgate:connector/batches@0.2.0" (instance $i)))"#;
    let import = r#"(component
        (import "lockgate:connector/log@0.2.0" (instance (export "write" (func))))
        (instance $i)
        (export "lockgate:connector/batches@0.2.0" (instance $i)))"#;
    for text in [export, import] {
        let refusal = refusal(&component(&transform_manifest("p"), text)).await;
        assert!(
            matches!(refusal, PackageError::WrongType { .. }),
            "{refusal:?}"
        );
    }
}

#[tokio::test]
async fn a_refused_package_leaves_the_one_that_is_loaded() {
    let host = TestHost::new().await;
    host.load(&transform("p", "", "")).await;
    let broken = component(&transform_manifest("p"), "(component)");
    host.host.load(&broken, []).await.unwrap_err();
    host.host
        .transform("p", &serde_json::json!({}))
        .await
        .unwrap();
}
