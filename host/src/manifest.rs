//! What a package says of itself: the file `package.toml` beside the component.
//!
//! All that the host must know of a vendor is data here, so that a second
//! connector needs no change in the host. The rules are checked once, when the
//! package is loaded, and every problem is reported at once.

mod cookies;
mod in_body;
mod stream;
mod vendor;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::grant::Grant;
use crate::limits::AskedLimits;

pub use cookies::CookieRule;
pub use in_body::BodyCredential;
pub(crate) use stream::Places;
pub use stream::{MAX_MESSAGE_BYTES, StreamEndpoint, Template};
pub use vendor::{
    AuthManifest, HostPattern, JwtBearer, LoginHost, Meaning, QuotaManifest, ScopeSet, Signal,
    SignatureRule, VendorManifest,
};

/// The contract version that this host speaks, as `package lockgate:connector`
/// declares it.
pub const CONTRACT_VERSION: &str = "0.2.0";

/// The largest manifest that is read, in bytes. Ours are under 10 KiB.
pub const MAX_MANIFEST_BYTES: u64 = 256 * 1024;

/// A package's manifest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Who the package is.
    pub package: PackageHead,
    /// Capabilities that it asks for, each with the reason that is shown to the
    /// person who grants it.
    #[serde(default)]
    pub grants: BTreeMap<Grant, String>,
    /// Limits that it asks for, where the defaults do not fit.
    #[serde(default)]
    pub limits: AskedLimits,
    /// For connectors: the product's particulars.
    #[serde(default)]
    pub vendor: Option<VendorManifest>,
}

/// Who a package is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageHead {
    /// 1 to 64 of `a-z 0-9 -`, starting with a letter.
    pub name: String,
    /// A semantic version.
    pub version: String,
    /// What kind of component it is.
    pub world: World,
    /// The version of `lockgate:connector` that it was built against.
    pub contract: String,
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// For connectors: which form stored values have. A version with another one does
    /// not see those of this one, but for what its `migration` takes over.
    #[serde(default = "first_state")]
    pub state: u32,
    /// The component's file in the package's directory.
    #[serde(default = "default_component")]
    pub component: String,
}

/// What packages have that say nothing of it.
pub(crate) const fn first_state() -> u32 {
    1
}

fn default_component() -> String {
    "component.wasm".to_owned()
}

/// The two kinds of component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    /// Speaks to a product: world `connector`.
    Connector,
    /// Changes batches of records: world `transform`.
    Transform,
}

impl World {
    /// The world's name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connector => "connector",
            Self::Transform => "transform",
        }
    }

    /// The interface that a component of this world must export.
    #[must_use]
    pub const fn export(self) -> &'static str {
        match self {
            Self::Connector => "records",
            Self::Transform => "batches",
        }
    }
}

impl Manifest {
    /// Reads a manifest and checks its rules.
    ///
    /// # Errors
    /// Every problem that was found, each naming the key and what is allowed.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let manifest: Self =
            toml::from_str(text).map_err(|error| vec![error.to_string().trim_end().to_owned()])?;
        let problems = manifest.problems();
        if problems.is_empty() {
            Ok(manifest)
        } else {
            Err(problems)
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let head = &self.package;
        if !is_package_name(&head.name) {
            problems.push(format!(
                "package.name `{}` is not 1 to 64 of a-z, 0-9 and -, starting with a letter",
                head.name.escape_default()
            ));
        }
        if !is_version(&head.version) {
            problems.push(format!(
                "package.version `{}` is not a semantic version such as 1.2.3",
                head.version.escape_default()
            ));
        }
        if !is_version(&head.contract) {
            problems.push(format!(
                "package.contract `{}` is not a version such as {CONTRACT_VERSION}",
                head.contract.escape_default()
            ));
        }
        if head.state == 0 {
            problems.push("package.state counts from 1".to_owned());
        }
        if head.world == World::Transform && head.state != first_state() {
            problems.push("package.state: a transform stores nothing".to_owned());
        }
        if !is_file_name(&head.component) {
            problems.push(format!(
                "package.component `{}` is not a plain file name",
                head.component.escape_default()
            ));
        }
        for (grant, reason) in &self.grants {
            if reason.trim().is_empty() {
                problems.push(format!("grants.{grant} gives no reason"));
            }
            if head.world == World::Transform {
                problems.push(format!("grants.{grant}: a transform has no capabilities"));
            }
        }
        for limit in self.limits.zeros() {
            problems.push(format!("limits.{limit} is 0: leave it out for the default"));
        }
        match (head.world, &self.vendor) {
            (World::Connector, None) => problems.push("a connector needs [vendor]".to_owned()),
            (World::Transform, Some(_)) => {
                problems.push("[vendor] is for connectors; a transform has no network".to_owned());
            }
            (World::Connector, Some(vendor)) => problems.extend(vendor.problems()),
            (World::Transform, None) => {}
        }
        problems
    }
}

fn is_package_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// `1.2.3`, with an optional pre-release or build part of the usual characters.
fn is_version(version: &str) -> bool {
    let core_end = version.find(['-', '+']).unwrap_or(version.len());
    let (core, rest) = version.split_at(core_end);
    let numbers: Vec<&str> = core.split('.').collect();
    version.len() <= 64
        && numbers.len() == 3
        && numbers
            .iter()
            .all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) && n.len() <= 9)
        && rest
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.'))
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_problem_of_a_manifest_is_reported_at_once() {
        let problems = Manifest::parse(
            r#"
            [package]
            name = "Not A Name"
            version = "one"
            world = "transform"
            contract = "0.2.0"
            component = "../evil.wasm"
            [grants]
            http = "because"
            [limits]
            http_in_flight = 0
            "#,
        )
        .unwrap_err();
        assert_eq!(problems.len(), 5, "{problems:#?}");
    }

    #[test]
    fn an_unknown_key_is_refused_and_named() {
        let problems = Manifest::parse(
            "[package]\nname='a'\nversion='1.0.0'\nworld='transform'\ncontract='0.2.0'\nkind='x'\n",
        )
        .unwrap_err();
        assert!(problems[0].contains("kind"), "{problems:?}");
    }

    #[test]
    fn versions_are_three_numbers() {
        for good in ["0.1.0", "1.22.333-rc.1", "1.0.0+build"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "1", "1.0", "1.0.0.0", "1.0.x", "1..0", "1.0.0-ü"] {
            assert!(!is_version(bad), "{bad}");
        }
    }

    /// What names are made of, and what would lead elsewhere.
    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z][a-z0-9.-]{0,8}",
            "[./a1%~:-]{1,6}",
            "[0-9]\\.[0-9]\\.[0-9].{0,4}",
            ".{0,6}"
        ]
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_manifest_its_names_are_no_paths(value in name()) {
            let sound = "[package]\nname = 'p'\nversion = '1.0.0'\nworld = 'transform'\n\
                         contract = '0.2.0'\ncomponent = 'c.wasm'\n";
            let text = toml::Value::String(value.clone()).to_string();
            for place in ["'p'", "'1.0.0'", "'c.wasm'"] {
                if Manifest::parse(&sound.replace(place, &text)).is_ok() {
                    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-+_".contains(c);
                    prop_assert!(value.chars().all(is_plain), "{}", value);
                    prop_assert!(!value.is_empty() && !value.starts_with('.'), "{}", value);
                }
            }
        }
    }
}
