//! The packages that the build script made, by the names in their manifests.

use std::path::{Path, PathBuf};

use lockgate::Package;

/// Packages by name and by the directory that they were built into, which is
/// called after the crate.
const CRATES: [(&str, &str); 2] = [
    ("salesforce", "salesforce-connector"),
    ("mailing-list", "mailing-list-connector"),
];

/// The directory of a package that was built from this workspace.
pub fn package_dir(name: &str) -> PathBuf {
    let directory = CRATES.iter().find(|(package, _)| *package == name);
    let directory = directory.map_or(name, |(_, directory)| directory);
    Path::new(env!("OUT_DIR")).join("packages").join(directory)
}

/// A package that was built from this workspace.
pub fn package(name: &str) -> Package {
    Package::open(package_dir(name)).unwrap()
}

/// The same package with other words in its manifest: `changed` gets the text
/// and gives the new one.
pub fn package_with(name: &str, changed: impl FnOnce(String) -> String) -> Package {
    let built = package(name);
    let manifest = std::fs::read_to_string(package_dir(name).join(lockgate::MANIFEST_FILE));
    Package::from_parts(&changed(manifest.unwrap()), built.component().clone()).unwrap()
}

/// The same package with a table `[limits]` of these lines.
pub fn package_with_limits(name: &str, limits: &str) -> Package {
    package_with(name, |manifest| {
        assert!(!manifest.contains("[limits]"), "{name} has limits already");
        format!("{manifest}\n[limits]\n{limits}\n")
    })
}
