//! What components call their imports and exports: names that lie, that mix versions, and
//! what is nested where names reach nothing.

use super::*;

#[tokio::test]
async fn a_component_that_mixes_versions_is_refused_whichever_it_names() {
    for (import, export) in [("0.1.0", "0.2.0"), ("0.2.0", "0.1.0"), ("0.1.7", "0.2.1")] {
        let text = format!(
            r#"(component
                (import "lockgate:connector/log@{import}" (instance))
                (instance $i)
                (export "lockgate:connector/batches@{export}" (instance $i)))"#
        );
        for declared in ["0.1.0", "0.2.0"] {
            let manifest = transform_manifest("p").replace("0.2.0", declared);
            let refusal = refusal(&component(&manifest, &text)).await;
            let PackageError::Manifest(problems) = &refusal else {
                panic!("{import}, {export}, {declared}: {refusal:?}");
            };
            let told = format!("package.contract is {declared}, but the component was built");
            assert!(problems[0].starts_with(&told), "{problems:?}");
        }
    }
}

#[tokio::test]
async fn no_import_of_anybody_else_comes_in_with_a_contract_of_0_1() {
    for import in [
        // What a transform has not, in any version.
        "lockgate:connector/http@0.1.0",
        "lockgate:connector/clock@0.1.0",
        "lockgate:connector/batches@0.1.0",
        // What only looks like it.
        "evil:connector/log@0.1.0",
        "lockgate:connectors/log@0.1.0",
        "lockgate:connector-x/log@0.1.0",
        "wasi:cli/environment@0.1.0",
        "log",
    ] {
        let text = format!("(component (import \"{import}\" (instance)))");
        let refusal = refusal(&of_0_1(&text)).await;
        assert!(
            matches!(&refusal, PackageError::NotInWorld { interface, .. } if interface == import),
            "{import}: {refusal:?}"
        );
    }
    for version in ["0.10.0", "0.11.0", "1.0.0", "0.1.0-rc.1", "0.3.0"] {
        let import = format!("lockgate:connector/log@{version}");
        let text = format!("(component (import \"{import}\" (instance)))");
        let refusal = refusal(&of_0_1(&text)).await;
        assert!(
            matches!(&refusal, PackageError::WrongContract { found, .. } if found == version),
            "{version}: {refusal:?}"
        );
    }
}

#[tokio::test]
async fn what_is_nested_in_a_component_of_0_1_reaches_only_what_is_passed_on_to_it() {
    // The inner one asks for the network under the old name, and nobody passes it on.
    let text = r#"(component
        (component $inner
            (import "lockgate:connector/http@0.1.0" (instance))
            (export "lockgate:connector/batches@0.1.0" (instance 0)))
        (instance $empty)
        (instance $i (instantiate $inner
            (with "lockgate:connector/http@0.1.0" (instance $empty))))
        (export "lockgate:connector/batches@0.1.0" (instance $i)))"#;
    let empty = refusal(&of_0_1(text)).await;
    assert!(matches!(empty, PackageError::WrongType { .. }), "{empty:?}");
    // Passed on, it is an import of the outermost one.
    let text = text.replacen(
        "(instance $empty)",
        "(import \"lockgate:connector/http@0.1.0\" (instance $empty))",
        1,
    );
    let asked = refusal(&of_0_1(&text)).await;
    assert!(
        matches!(asked, PackageError::NotInWorld { .. }),
        "{asked:?}"
    );
}

#[tokio::test]
async fn types_of_one_version_under_the_names_of_another_never_run() {
    for (name, from, to) in [
        (TRANSFORM, "0.1.0", "0.2.0"),
        ("hostile-transform", "0.2.0", "0.1.0"),
    ] {
        let mut bytes = package(name).component().to_vec();
        for interface in ["batches", "log"] {
            let [from, to] =
                [from, to].map(|version| format!("lockgate:connector/{interface}@{version}"));
            bytes = replaced(&bytes, &from, &to);
        }
        let manifest = transform_manifest("p").replace("0.2.0", to);
        let lied = Package::from_parts(&manifest, bytes).unwrap();
        let host = TestHost::new().await;
        // Names fit; that types do not is seen when it is to be started.
        host.host.stage(&lied, []).await.unwrap_err();
        host.load(&lied).await;
        let refused = host.transform("p", &json!({})).await.unwrap_err();
        let told = refused.to_string();
        assert!(told.contains("expected variant of"), "{told}");
        assert_eq!(refused.blame(), Blame::Guest);
    }
}

#[tokio::test]
async fn a_component_of_0_1_that_is_damaged_or_cut_off_anywhere_never_panics_the_host() {
    let host = TestHost::new().await;
    let sound = transform_of_0_1("p");
    host.load(&sound).await;
    let whole = sound.component();
    let (mut refused, manifest) = (0, transform_manifest("p").replace("0.2.0", "0.1.0"));
    for at in 0..whole.len() {
        let mut flipped = whole.to_vec();
        flipped[at] ^= 1 << (at % 8);
        for bytes in [flipped, whole[..at].to_vec()] {
            let damaged = Package::from_parts(&manifest, bytes).unwrap();
            match host.host.load(&damaged, []).await {
                Ok(()) => {}
                Err(Error::Package(_)) => refused += 1,
                Err(error) => panic!("byte {at}: {error:?}"),
            }
        }
    }
    assert!(refused > whole.len(), "only {refused} were refused");
}

#[tokio::test]
async fn a_package_of_0_1_is_known_by_its_own_bytes_and_names() {
    let old = package(CONNECTOR);
    let imports = old.inspect().unwrap().imports;
    assert!(
        imports
            .iter()
            .all(|import| import.version.as_deref() == Some("0.1.0"))
    );
    let file = std::fs::read(package_dir(CONNECTOR).join("component.wasm")).unwrap();
    assert_eq!(old.component(), &file);
    // A host that finds its compiled code finds that of the same bytes.
    for _ in 0..2 {
        TestHost::new().await.load(&old).await;
    }
}
