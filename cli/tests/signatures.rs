//! Who has signed a package, and whether that is trusted.

#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::path::{Path, PathBuf};

use lockgate_tests::packages::package_dir;
use support::{Run, command, run};
use tempfile::TempDir;

/// A data directory, and a copy of a plugin's package that nobody has signed.
struct Desk {
    data: TempDir,
    package: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let package = data.path().join("normalizer");
        std::fs::create_dir(&package).unwrap();
        for file in ["package.toml", "component.wasm"] {
            std::fs::copy(
                package_dir("contact-normalizer").join(file),
                package.join(file),
            )
            .unwrap();
        }
        Self { data, package }
    }

    /// The command as it is without leave for packages that nobody has signed.
    fn lockgate(&self, arguments: &[&str]) -> Run {
        let mut command = command(self.data.path());
        command
            .env_remove("LOCKGATE_ALLOW_UNSIGNED")
            .args(arguments);
        run(command, r#"[{"LastName": " MEIER"}]"#)
    }

    fn path(&self) -> &str {
        self.package.to_str().unwrap()
    }

    fn transform(&self, package: &Path, more: &[&str]) -> Run {
        let package = package.to_str().unwrap();
        self.lockgate(&[&["transform", package, "--object", "Contact"], more].concat())
    }

    fn key(&self) -> String {
        self.lockgate(&["package", "key"])
            .ended(0)
            .out
            .trim()
            .to_owned()
    }
}

#[test]
fn a_package_that_nobody_has_signed_is_loaded_only_where_that_is_allowed() {
    let desk = Desk::new();
    let refused = desk.transform(&desk.package, &[]).ended(1);
    assert!(refused.err.contains("nobody has signed it"), "{refused:#?}");
    assert!(
        refused.err.contains("lockgate package sign"),
        "{refused:#?}"
    );
    let allowed = desk
        .transform(&desk.package, &["--allow-unsigned"])
        .ended(0);
    assert!(allowed.err.contains("nobody has signed"), "{allowed:#?}");
    let install = desk.lockgate(&["package", "install", desk.path()]).ended(1);
    assert!(install.err.contains("nobody has signed it"), "{install:#?}");
    let inspected = desk.lockgate(&["package", "inspect", desk.path()]).ended(1);
    assert!(
        inspected.out.contains("nobody has signed it"),
        "{inspected:#?}"
    );
}

#[test]
fn what_a_data_directory_has_signed_it_trusts_until_it_is_changed() {
    let desk = Desk::new();
    let signed = desk.lockgate(&["package", "sign", desk.path()]).ended(0);
    assert!(signed.out.contains(&desk.key()), "{signed:#?}");
    let done = desk.transform(&desk.package, &[]).ended(0);
    assert!(
        done.err.is_empty() || !done.err.contains("signed"),
        "{done:#?}"
    );
    desk.lockgate(&["package", "install", desk.path()]).ended(0);
    let manifest = desk.package.join("package.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text + "\n[limits]\nmemory_mib = 200\n").unwrap();
    let changed = desk.transform(&desk.package, &[]).ended(1);
    assert!(
        changed.err.contains("was changed after it was signed"),
        "{changed:#?}"
    );
    // Not even then.
    desk.transform(&desk.package, &["--allow-unsigned"])
        .ended(1);
}

#[test]
fn what_nobody_trusted_has_signed_is_compiled_by_a_process_of_its_own() {
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/contact-normalizer");
    let plugin = plugin.to_str().unwrap();
    for command in [
        vec!["package", "install"],
        vec!["transform", "--object", "Contact"],
        vec!["plugin", "test", plugin, "--case", "lead", "--package"],
    ] {
        let (stranger, own) = (Desk::new(), Desk::new());
        own.lockgate(&["package", "sign", own.path()]).ended(0);
        let verbose = |desk: &Desk| {
            let more = [desk.path(), "--allow-unsigned", "-v"];
            let run = desk.lockgate(&[&command[..], &more].concat()).ended(0);
            run.err.contains("compiled apart")
        };
        assert!(verbose(&stranger), "{command:?}");
        assert!(!verbose(&own), "{command:?}");
    }
}

#[test]
fn a_stranger_is_trusted_by_name_and_distrusted_and_revoked() {
    let (author, desk) = (Desk::new(), Desk::new());
    author
        .lockgate(&["package", "sign", author.path()])
        .ended(0);
    let key = author.key();
    let stranger = desk.transform(&author.package, &[]).ended(1);
    let advice = format!("lockgate package trust {key}");
    assert!(stranger.err.contains(&advice), "{stranger:#?}");
    desk.lockgate(&["package", "trust", &key, "--name", "the author"])
        .ended(0);
    desk.transform(&author.package, &[]).ended(0);
    let listed = desk.lockgate(&["package", "trust"]).ended(0);
    assert!(listed.out.contains("the author"), "{listed:#?}");

    let revoke = ["package", "revoke", "contact-normalizer", "0.1.0"];
    desk.lockgate(&revoke).ended(0);
    let revoked = desk.transform(&author.package, &[]).ended(1);
    assert!(
        revoked.err.contains("revoked up to version 0.1.0"),
        "{revoked:#?}"
    );
    // Nor what the program carries.
    let carried = desk
        .transform(Path::new("contact-normalizer"), &[])
        .ended(1);
    assert!(carried.err.contains("revoked"), "{carried:#?}");

    let other = Desk::new();
    other.lockgate(&["package", "trust", &key]).ended(0);
    other.lockgate(&["package", "distrust", &key]).ended(0);
    other.transform(&author.package, &[]).ended(1);
    other.lockgate(&["package", "distrust", &key]).ended(2);
    let listed = other.lockgate(&["package", "trust", "--output", "json"]);
    assert_eq!(listed.ended(0).json()["keys"], serde_json::json!({}));
}

#[cfg(unix)]
#[test]
fn the_signing_key_is_for_its_owner_only_and_shows_nowhere() {
    use std::os::unix::fs::PermissionsExt as _;

    let desk = Desk::new();
    let signed = desk.lockgate(&["package", "sign", desk.path()]).ended(0);
    let file = desk.data.path().join("packages/signing.key");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let secret = std::fs::read_to_string(&file).unwrap();
    let shown = [
        signed,
        desk.lockgate(&["package", "key", "--output", "json"]),
    ];
    assert!(!format!("{shown:?}").contains(secret.trim()));
}
