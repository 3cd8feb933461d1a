//! Package directories: what is read of them, and what is not.

use lockgate::{MANIFEST_FILE, Package, PackageError};
use lockgate_tests::handmade::transform_manifest;
use tempfile::TempDir;

/// A directory with a manifest, if there is text for one, and a component.
fn directory(manifest: Option<&str>, component: Option<&[u8]>) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    if let Some(text) = manifest {
        std::fs::write(directory.path().join(MANIFEST_FILE), text).unwrap();
    }
    if let Some(bytes) = component {
        std::fs::write(directory.path().join("component.wasm"), bytes).unwrap();
    }
    directory
}

fn refusal(directory: &TempDir) -> PackageError {
    Package::open(directory.path()).unwrap_err()
}

#[test]
fn a_missing_file_is_named() {
    for (manifest, component, missing) in [
        (None, Some(&b"x"[..]), MANIFEST_FILE),
        (Some(transform_manifest("p")), None, "component.wasm"),
    ] {
        let refusal = refusal(&directory(manifest.as_deref(), component));
        assert!(
            matches!(&refusal, PackageError::Unreadable { file, .. } if file == missing),
            "{refusal:?}"
        );
    }
    let gone = Package::open("/nowhere/at/all").unwrap_err();
    assert!(matches!(&gone, PackageError::Unreadable { place, .. } if place == "/nowhere/at/all"));
}

#[test]
fn every_problem_of_a_manifest_is_told_at_once() {
    let text = "[package]\nname = 'Ärger'\nversion = '1'\nworld = 'transform'\ncontract = 'x'\n\
                component = '../../etc/passwd'\n[grants]\nhttp = ' '\n";
    let refusal = refusal(&directory(Some(text), Some(b"x")));
    let PackageError::Manifest(problems) = &refusal else {
        panic!("{refusal:?}");
    };
    assert_eq!(problems.len(), 6, "{problems:#?}");
    let told = refusal.to_string();
    for part in [
        "name",
        "version",
        "contract",
        "component",
        "grants.http gives no reason",
        "no capabilities",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn a_manifest_that_is_no_toml_is_refused_with_the_line() {
    for text in ["[package", "name = ", "\u{0}", "package = 7"] {
        let refusal = refusal(&directory(Some(text), Some(b"x")));
        assert!(matches!(refusal, PackageError::Manifest(_)), "{refusal:?}");
    }
    let bytes = directory(None, Some(b"x"));
    std::fs::write(bytes.path().join(MANIFEST_FILE), b"name = '\xff'").unwrap();
    assert!(refusal(&bytes).to_string().contains("UTF-8"));
}

#[test]
fn a_manifest_above_256_kib_is_not_read() {
    let long = format!("{}#{}", transform_manifest("p"), "x".repeat(256 * 1024));
    let refusal = refusal(&directory(Some(&long), Some(b"x")));
    assert!(
        matches!(&refusal, PackageError::TooLarge { file, limit: 262_144 } if file == MANIFEST_FILE),
        "{refusal:?}"
    );
}

#[test]
fn a_component_above_64_mib_is_not_read() {
    let directory = directory(Some(&transform_manifest("p")), None);
    let file = std::fs::File::create(directory.path().join("component.wasm")).unwrap();
    // A hole: it takes no room on the disk.
    file.set_len(lockgate::MAX_COMPONENT_BYTES + 1).unwrap();
    let refusal = refusal(&directory);
    assert!(
        matches!(refusal, PackageError::TooLarge { .. }),
        "{refusal:?}"
    );
}

#[cfg(unix)]
#[test]
fn a_link_leads_nowhere_outside_of_the_package() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret.wasm");
    std::fs::write(&secret, b"\0asm").unwrap();
    let up = format!(
        "../{}/secret.wasm",
        outside.path().file_name().unwrap().to_str().unwrap()
    );
    for target in [secret.to_str().unwrap(), &up] {
        let directory = directory(Some(&transform_manifest("p")), None);
        std::os::unix::fs::symlink(target, directory.path().join("component.wasm")).unwrap();
        assert!(
            directory.path().join("component.wasm").exists(),
            "the link itself works"
        );
        let refusal = refusal(&directory);
        assert!(
            matches!(refusal, PackageError::Unreadable { .. }),
            "{refusal:?}"
        );
    }
    // The manifest as well.
    let directory = directory(None, Some(b"x"));
    let manifest = outside.path().join("package.toml");
    std::fs::write(&manifest, transform_manifest("p")).unwrap();
    std::os::unix::fs::symlink(&manifest, directory.path().join(MANIFEST_FILE)).unwrap();
    assert!(matches!(
        refusal(&directory),
        PackageError::Unreadable { .. }
    ));
}
