//! Which packages a host loads: those that are signed by who is trusted, and that are
//! not revoked. Asked before anything of a package is compiled.

use std::collections::BTreeSet;
use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::package::{Package, PackageError, PublicKey};

/// Packages that are loaded no more, whoever has signed them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Revoked {
    /// A version of a package, and all that are older: nobody goes back to before it.
    Version {
        /// The package.
        package: String,
        /// Its newest version that is not to be loaded.
        version: String,
    },
    /// The component of this SHA-256, in hexadecimal, under any name.
    Digest(String),
    /// All that this key has signed.
    Key(PublicKey),
}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { package, version } => {
                write!(f, "{package} is revoked up to version {version}")
            }
            Self::Digest(digest) => write!(f, "the component {digest} is revoked"),
            Self::Key(key) => write!(f, "the key {key} is revoked"),
        }
    }
}

/// Whom a host trusts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust {
    pub(crate) keys: BTreeSet<PublicKey>,
    pub(crate) revoked: Vec<Revoked>,
    pub(crate) allows_unsigned: bool,
}

/// Why a package may be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Somebody who is trusted has signed it, or the program vouches for it.
    Trusted,
    /// Only because this host takes whatever comes.
    Allowed,
}

impl Trust {
    /// Whether a package may be loaded, and why.
    pub(crate) fn check(&self, package: &Package) -> Result<Standing, PackageError> {
        let name = || package.name().to_owned();
        let revoked = self.revoked.iter();
        if let Some(revocation) = revoked.into_iter().find(|revoked| revoked.is_of(package)) {
            return Err(PackageError::Revoked {
                package: name(),
                version: package.manifest().package.version.clone(),
                reason: revocation.to_string(),
            });
        }
        if package.is_vouched() {
            return Ok(Standing::Trusted);
        }
        match package.signature() {
            None if self.allows_unsigned => {
                let version = package.manifest().package.version.as_str();
                tracing::warn!(
                    package = package.name(),
                    version,
                    "loading a package that nobody has signed, as this host allows"
                );
                Ok(Standing::Allowed)
            }
            None => Err(PackageError::Unsigned { package: name() }),
            // Even where none is needed, a wrong one tells of a change.
            Some(signature) if !signature.is_of(package) => {
                Err(PackageError::BadSignature { package: name() })
            }
            Some(signature) if self.keys.contains(signature.key()) => Ok(Standing::Trusted),
            Some(_) if self.allows_unsigned => Ok(Standing::Allowed),
            Some(signature) => Err(PackageError::UntrustedKey {
                package: name(),
                key: *signature.key(),
            }),
        }
    }
}

impl Revoked {
    fn is_of(&self, package: &Package) -> bool {
        match self {
            Self::Version {
                package: name,
                version,
            } => {
                let found = Version::parse(&package.manifest().package.version);
                // Versions were checked as they came in; what cannot be compared is refused.
                let is_old = match (found, Version::parse(version)) {
                    (Ok(found), Ok(revoked)) => found <= revoked,
                    _ => true,
                };
                name == package.name() && is_old
            }
            Self::Digest(digest) => package.digest().eq_ignore_ascii_case(digest),
            Self::Key(key) => package
                .signature()
                .is_some_and(|signature| signature.key() == key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::SigningKey;

    fn package(version: &str, component: &'static [u8]) -> Package {
        let manifest = format!(
            "[package]\nname = 'scorer'\nversion = '{version}'\nworld = 'transform'\n\
             contract = '0.2.0'\n"
        );
        Package::from_parts(&manifest, component).unwrap()
    }

    fn signed(key: &SigningKey, package: Package) -> Package {
        let signature = key.sign(&package);
        package.with_signature(signature)
    }

    #[test]
    fn only_what_a_trusted_key_has_signed_is_loaded() {
        let (key, other) = (
            SigningKey::generate().unwrap(),
            SigningKey::generate().unwrap(),
        );
        let trust = Trust {
            keys: BTreeSet::from([key.public()]),
            ..Trust::default()
        };
        let unsigned = package("1.0.0", b"a");
        assert!(matches!(
            trust.check(&unsigned),
            Err(PackageError::Unsigned { .. })
        ));
        trust.check(&unsigned.clone().vouched()).unwrap();
        trust.check(&signed(&key, unsigned.clone())).unwrap();
        let stranger = trust.check(&signed(&other, unsigned.clone())).unwrap_err();
        assert!(
            stranger.to_string().contains(&other.public().to_string()),
            "{stranger}"
        );
        // A signature is of one manifest and one component.
        let signature = key.sign(&unsigned);
        for changed in [package("1.0.1", b"a"), package("1.0.0", b"b")] {
            let changed = trust.check(&changed.with_signature(signature.clone()));
            assert!(
                matches!(changed, Err(PackageError::BadSignature { .. })),
                "{changed:?}"
            );
        }
    }

    #[test]
    fn where_no_signature_is_needed_a_wrong_one_is_refused_all_the_same() {
        let key = SigningKey::generate().unwrap();
        let trust = Trust {
            allows_unsigned: true,
            ..Trust::default()
        };
        trust.check(&package("1.0.0", b"a")).unwrap();
        trust.check(&signed(&key, package("1.0.0", b"a"))).unwrap();
        let wrong = package("1.0.0", b"b").with_signature(key.sign(&package("1.0.0", b"a")));
        assert!(trust.check(&wrong).is_err());
    }

    #[test]
    fn nobody_goes_back_to_a_revoked_version_or_to_before_it() {
        let key = SigningKey::generate().unwrap();
        let revoked = |revocation| Trust {
            keys: BTreeSet::from([key.public()]),
            revoked: vec![revocation],
            allows_unsigned: true,
        };
        let versions = revoked(Revoked::Version {
            package: "scorer".to_owned(),
            version: "1.2.0".to_owned(),
        });
        for (version, is_loaded) in [
            ("1.1.9", false),
            ("1.2.0", false),
            ("1.2.1", true),
            ("1.10.0", true),
        ] {
            let checked = versions.check(&signed(&key, package(version, b"a")));
            assert_eq!(checked.is_ok(), is_loaded, "{version}");
            let vouched = versions.check(&package(version, b"a").vouched());
            assert_eq!(vouched.is_ok(), is_loaded, "{version}");
        }
        let digest = package("2.0.0", b"a").digest();
        let digests = revoked(Revoked::Digest(digest));
        assert!(digests.check(&package("2.0.0", b"a")).is_err());
        digests.check(&package("2.0.0", b"b")).unwrap();
        let keys = revoked(Revoked::Key(key.public()));
        assert!(keys.check(&signed(&key, package("2.0.0", b"a"))).is_err());
    }

    #[test]
    fn keys_and_signatures_survive_text() {
        let key = SigningKey::generate().unwrap();
        let kept = SigningKey::from_pkcs8(&key.to_pkcs8()).unwrap();
        assert_eq!(kept.public(), key.public());
        assert_eq!(key.public().to_string().parse(), Ok(key.public()));
        assert!("ed25519:AAAA".parse::<PublicKey>().is_err());
        assert!(!format!("{key:?}").contains("pkcs8"));
    }
}
