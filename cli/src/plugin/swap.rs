//! What `lockgate plugin dev --swap` does with a good build: it becomes a version of its
//! own in the data directory, and the host that runs there takes it over.

use anyhow::{Context as _, Result};
use lockgate::{Figures, Package, PackageStatus, Stand, VersionStatus};
use semver::{Prerelease, Version};

use crate::args::Common;
use crate::run::control;
use crate::shelf::{Shelf, Wish};
use crate::{output, packages, text, trust};

/// How long calls under way may go on in the version before, in seconds.
const DRAIN_S: u64 = 900;

/// What the versions of a plugin in the making are marked with.
const MARK: &str = "dev.";

/// The swaps of a plugin in the making.
#[derive(Debug)]
pub(super) struct Swaps<'a> {
    common: &'a Common,
    last: Option<Swapped>,
}

/// The last one.
#[derive(Debug)]
struct Swapped {
    name: String,
    version: String,
    /// The version that calls went to before.
    before: Option<String>,
    /// What was shown last of it.
    shown: Option<Figures>,
}

impl<'a> Swaps<'a> {
    pub(super) const fn new(common: &'a Common) -> Self {
        Self { common, last: None }
    }

    /// Has the host that runs send all calls to this build.
    pub(super) async fn take(&mut self, package: &Package) -> Result<()> {
        let Some(live) = control::packages(self.common).await? else {
            output::tell(
                "nothing was swapped: no host runs on this data directory. Start `lockgate run` \
                 in another terminal",
            );
            return Ok(());
        };
        let name = package.name();
        let shelf = Shelf::of(self.common)?;
        if packages::built_in(name).is_some() {
            // Puts what the binary carries on the shelf, so that there is a way back.
            shelf.change(name, |_| Ok(()))?;
        }
        let version = self.install(&shelf, package)?;
        let before = shelf.change(name, |course| Ok(course.current.clone()))?;
        let current = live.iter().any(|status| is_current(status, name, &version));
        let is_loaded = live.iter().any(|status| status.name == name);
        if current {
            output::tell(&format!(
                "nothing was swapped: calls go to this build already, {version}"
            ));
        } else if before == version && !is_loaded {
            output::line(&format!(
                "{name}: {version} is installed, and nothing uses it yet"
            ))?;
        } else {
            let wish = Wish::Swap {
                version: version.clone(),
                trial_s: None,
                drain_s: DRAIN_S,
            };
            let change = control::package(self.common, name, &wish).await?;
            let change = change.context("the host that ran has stopped; start it again")?;
            let to = change.to.as_deref().unwrap_or(&version);
            output::line(&format!("{name}: calls go to {to}"))?;
        }
        self.last = Some(Swapped {
            name: name.to_owned(),
            before: Some(before).filter(|before| *before != version),
            version,
            shown: None,
        });
        Ok(())
    }

    /// What calls of the last version have come to, beside those of the one before;
    /// `None` if that is what was told last.
    pub(super) async fn figures(&mut self) -> Result<Option<String>> {
        let Some(last) = &mut self.last else {
            return Ok(None);
        };
        let Some(live) = control::packages(self.common).await? else {
            return Ok(None);
        };
        let all = figures(&live, &last.name, &last.version);
        let Some(figures) = all.filter(|figures| figures.calls > 0) else {
            return Ok(None);
        };
        if last.shown.as_ref() == Some(figures) {
            return Ok(None);
        }
        let mut told = told(&last.version, figures);
        let before = last.before.as_deref();
        if let Some((version, figures)) =
            before.and_then(|version| Some((version, self::figures(&live, &last.name, version)?)))
        {
            told = format!("{told}; before, {}", self::told(version, figures));
        }
        last.shown = Some(*figures);
        Ok(Some(told))
    }

    /// Puts the build on the shelf, and gives its version there: that of the newest one if
    /// it is the same.
    fn install(&self, shelf: &Shelf, package: &Package) -> Result<String> {
        let name = package.name();
        let versions = shelf.versions(name)?;
        if let Some(newest) = versions.last() {
            let known = shelf.package(name, newest)?;
            let manifest = with_version(package.manifest_text(), newest)?;
            let is_same = |known: &Package| -> Result<bool> {
                Ok(known.digest() == package.digest()
                    && with_version(known.manifest_text(), newest)? == manifest)
            };
            if is_same(&known)? {
                return Ok(newest.clone());
            }
        }
        let version = next_version(&package.manifest().package.version, &versions)?;
        let manifest = with_version(package.manifest_text(), &version)?;
        let built = Package::from_parts(&manifest, package.component().clone())?;
        let signature = trust::own_or_new_key(self.common)?.sign(&built);
        shelf.install(&built.with_signature(signature))?;
        Ok(version)
    }
}

fn is_current(status: &PackageStatus, name: &str, version: &str) -> bool {
    let is_this = |status: &VersionStatus| status.version == version;
    let mut versions = status.versions.iter().filter(|status| is_this(status));
    status.name == name && versions.any(|status| status.stand == Stand::Trusted)
}

fn figures<'a>(live: &'a [PackageStatus], name: &str, version: &str) -> Option<&'a Figures> {
    let mut versions = live
        .iter()
        .filter(|status| status.name == name)
        .flat_map(|status| &status.versions);
    let found = versions.find(|status| status.version == version)?;
    Some(&found.figures)
}

fn told(version: &str, figures: &Figures) -> String {
    format!(
        "{version}: {}, {} failed, p50 {} ms, p99 {} ms, {:.1} MiB",
        text::counted(usize::try_from(figures.calls).unwrap_or(usize::MAX), "call"),
        figures.failed,
        figures.p50_us.div_ceil(1_000),
        figures.p99_us.div_ceil(1_000),
        figures.peak_memory_bytes as f64 / (1024.0 * 1024.0),
    )
}

/// A version behind all that there are: that of the manifest, or the one after the
/// newest, marked as one in the making.
fn next_version(written: &str, there: &[String]) -> Result<String> {
    let mut next = Version::parse(written).context("package.version")?;
    let newest = there
        .iter()
        .filter_map(|version| Version::parse(version).ok())
        .max();
    let mut number = 1;
    if let Some(newest) = newest {
        let core = |version: &Version| (version.major, version.minor, version.patch);
        let made = newest.pre.as_str().strip_prefix(MARK);
        let made = made.and_then(|number| number.parse::<u64>().ok());
        match made {
            Some(made) if core(&newest) >= core(&next) => {
                number = made + 1;
                next = newest;
            }
            _ if core(&newest) >= core(&next) => {
                next = newest;
                next.patch += 1;
            }
            _ => {}
        }
    }
    next.pre = Prerelease::new(&format!("{MARK}{number}"))?;
    next.build = semver::BuildMetadata::EMPTY;
    Ok(next.to_string())
}

/// A manifest with another version.
fn with_version(manifest: &str, version: &str) -> Result<String> {
    let mut manifest: toml::Table = toml::from_str(manifest)?;
    let head = manifest
        .get_mut("package")
        .and_then(toml::Value::as_table_mut);
    let head = head.context("the manifest has no [package]")?;
    head.insert("version".to_owned(), toml::Value::from(version));
    Ok(toml::to_string(&manifest)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_gets_a_version_behind_all_that_there_are() {
        for (written, there, next) in [
            ("0.1.0", &[][..], "0.1.0-dev.1"),
            ("0.1.0", &["0.1.0"], "0.1.1-dev.1"),
            ("0.1.0", &["0.1.0", "0.1.1-dev.9"], "0.1.1-dev.10"),
            ("0.1.0", &["0.1.0-dev.2"], "0.1.0-dev.3"),
            ("0.2.0", &["0.1.0", "0.1.1-dev.9"], "0.2.0-dev.1"),
            ("0.2.0", &["1.0.0-rc.1"], "1.0.1-dev.1"),
            ("0.2.0+x", &["0.1.9"], "0.2.0-dev.1"),
        ] {
            let there: Vec<String> = there.iter().map(|&version| version.to_owned()).collect();
            let version = next_version(written, &there).unwrap();
            assert_eq!(version, next);
            let is_newest =
                |old: &String| Version::parse(old).unwrap() < Version::parse(&version).unwrap();
            assert!(there.iter().all(is_newest), "{version} and {there:?}");
        }
        assert!(next_version("one", &[]).is_err());
    }

    #[test]
    fn only_the_version_of_a_manifest_changes() {
        let manifest =
            "# Ours.\n[package]\nname = \"a\"\nversion = \"0.1.0\"\n\n[limits]\ncpu_ms = 5\n";
        let other = with_version(manifest, "0.1.1-dev.1").unwrap();
        let read = |text: &str| toml::from_str::<toml::Table>(text).unwrap();
        let (mut before, after) = (read(manifest), read(&other));
        assert_eq!(after["package"]["version"].as_str(), Some("0.1.1-dev.1"));
        before["package"]["version"] = after["package"]["version"].clone();
        assert_eq!(before, after);
        assert!(with_version("[limits]", "1.0.0").is_err());
    }
}
