//! Registries of packages: a folder, or an OCI registry, both laid out so that `wkg`
//! finds the components in them.
//!
//! Neither is trusted. What comes out of one is held against its digest and, when it is
//! loaded, against the keys that this data directory trusts.

mod folder;
mod oci;

use std::fmt;
use std::str::FromStr;

use anyhow::Result;
use lockgate::Package;
use semver::Version;

use crate::exit::{advised, usage};
use folder::Folder;
pub(crate) use oci::Login;
use oci::Oci;

/// How addresses of OCI registries begin.
const OCI: &str = "oci://";

/// Whose packages are meant where nothing else is said.
pub(crate) const NAMESPACE: &str = "lockgate";

/// A place that packages are published to and installed from.
pub(crate) enum Registry {
    Folder(Folder),
    Oci(Box<Oci>),
}

/// A package in a registry, without its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Title {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// A package in a registry, by its version or the newest one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) title: Title,
    pub(crate) version: Option<Version>,
}

/// What became of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    Now,
    Before,
}

impl Title {
    /// `acme` and `tidy-mail`, as `wkg` and registries take them.
    pub(crate) fn new(namespace: &str, name: &str) -> Result<Self> {
        for part in [namespace, name] {
            let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            let starts = part.starts_with(|c: char| c.is_ascii_lowercase());
            if !starts || part.len() > 64 || part.ends_with('-') || !part.bytes().all(is_plain) {
                return Err(usage(format!(
                    "`{}` is not 1 to 64 of a-z, 0-9 and -, starting with a letter",
                    part.escape_default()
                )));
            }
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace, self.name)
    }
}

impl FromStr for Reference {
    type Err = anyhow::Error;

    /// `tidy-mail`, `acme:tidy-mail`, `acme:tidy-mail@0.3.1`.
    fn from_str(text: &str) -> Result<Self> {
        let (title, version) = match text.split_once('@') {
            Some((title, version)) => (title, Some(version)),
            None => (text, None),
        };
        let (namespace, name) = title.split_once(':').unwrap_or((NAMESPACE, title));
        let version = version.map(|version| {
            Version::parse(version).map_err(|_| {
                let version = version.escape_default();
                usage(format!("`{version}` is not a version such as 1.2.3"))
            })
        });
        Ok(Self {
            title: Title::new(namespace, name)?,
            version: version.transpose()?,
        })
    }
}

impl Registry {
    /// A folder, or an OCI registry by `oci://HOST/PATH`.
    pub(crate) fn at(place: &str) -> Result<Self> {
        Ok(match place.strip_prefix(OCI) {
            Some(address) => Self::Oci(Box::new(Oci::at(address)?)),
            None if place.contains("://") => {
                return Err(usage(format!(
                    "`{place}` is neither a folder nor an address such as {OCI}HOST/PATH"
                )));
            }
            None => Self::Folder(Folder::at(place)),
        })
    }

    /// The same for who has an account there; `None` of a folder, which has none.
    pub(crate) fn logged_in(self, login: Login) -> Option<Self> {
        match self {
            Self::Folder(_) => None,
            Self::Oci(oci) => Some(Self::Oci(Box::new(oci.logged_in(login)))),
        }
    }

    /// Puts a package there. A version never changes once it is there.
    pub(crate) async fn publish(&self, title: &Title, package: &Package) -> Result<Published> {
        let version = &package.manifest().package.version;
        let there = match self {
            Self::Folder(folder) => folder.get(title, version)?,
            Self::Oci(oci) => oci.get(title, version).await?,
        };
        let is_same = |there: &Package| {
            there.digest() == package.digest()
                && there.manifest_text() == package.manifest_text()
                && there.signature() == package.signature()
        };
        match there {
            Some(there) if is_same(&there) => return Ok(Published::Before),
            Some(_) => {
                return Err(advised(
                    format!("another package is there as {title}@{version}"),
                    "a version never changes once it is published: give this one another version \
                     in its package.toml, and sign it again",
                ));
            }
            None => {}
        }
        match self {
            Self::Folder(folder) => folder.put(title, version, package)?,
            Self::Oci(oci) => oci.put(title, version, package).await?,
        }
        Ok(Published::Now)
    }

    /// A package from there, with the signature that it has. Nothing of it was checked
    /// but that it is the one that was asked for.
    pub(crate) async fn fetch(&self, reference: &Reference) -> Result<Package> {
        let title = &reference.title;
        let missing = || {
            let version = reference.version.as_ref();
            let version = version
                .map(|version| format!("@{version}"))
                .unwrap_or_default();
            advised(
                format!("there is no package {title}{version} in {self}"),
                "see whether its namespace is right: NAMESPACE:NAME@VERSION",
            )
        };
        let version = match &reference.version {
            Some(version) => version.clone(),
            None => newest(self.versions(title).await?).ok_or_else(missing)?,
        };
        let version = version.to_string();
        let found = match self {
            Self::Folder(folder) => folder.get(title, &version)?,
            Self::Oci(oci) => oci.get(title, &version).await?,
        };
        let package = found.ok_or_else(missing)?;
        let head = &package.manifest().package;
        if head.name != title.name || head.version != version {
            return Err(advised(
                format!(
                    "what is there as {title}@{version} says of itself that it is {} {}",
                    head.name, head.version
                ),
                "do not install it, and ask who has published it",
            ));
        }
        Ok(package)
    }

    async fn versions(&self, title: &Title) -> Result<Vec<Version>> {
        match self {
            Self::Folder(folder) => folder.versions(title),
            Self::Oci(oci) => oci.versions(title).await,
        }
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.fmt(f),
            Self::Oci(oci) => oci.fmt(f),
        }
    }
}

/// The newest that is no pre-release, or the newest of those if there is nothing else.
fn newest(versions: Vec<Version>) -> Option<Version> {
    versions
        .into_iter()
        .max_by_key(|version| (version.pre.is_empty(), version.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_name_with_a_namespace_and_a_version_if_they_are_given() {
        let read = |text: &str| text.parse::<Reference>().unwrap();
        let plain = read("tidy-mail");
        assert_eq!(plain.title.to_string(), "lockgate:tidy-mail");
        assert_eq!(plain.version, None);
        let whole = read("acme:tidy-mail@0.3.1-rc.1");
        assert_eq!(whole.title.to_string(), "acme:tidy-mail");
        assert_eq!(whole.version.unwrap().to_string(), "0.3.1-rc.1");
        for wrong in [
            "",
            "..",
            "a/b",
            "A",
            "a:",
            ":a",
            "a:b:c",
            "a@",
            "a@1",
            "a@../1.0.0",
            "-a",
        ] {
            assert!(wrong.parse::<Reference>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_newest_is_no_pre_release_if_there_is_another() {
        let newest = |versions: &[&str]| {
            let versions = versions.iter().map(|text| Version::parse(text).unwrap());
            newest(versions.collect()).map(|version| version.to_string())
        };
        assert_eq!(
            newest(&["0.9.0", "0.10.0", "1.0.0-rc.1"]).unwrap(),
            "0.10.0"
        );
        assert_eq!(newest(&["1.0.0-rc.1", "1.0.0-rc.2"]).unwrap(), "1.0.0-rc.2");
        assert_eq!(newest(&[]), None);
    }

    #[test]
    fn an_address_of_another_kind_is_no_folder() {
        assert!(matches!(
            Registry::at("some/folder"),
            Ok(Registry::Folder(_))
        ));
        assert!(matches!(
            Registry::at("oci://ghcr.io/acme"),
            Ok(Registry::Oci(_))
        ));
        assert!(Registry::at("https://ghcr.io/acme").is_err());
    }
}
