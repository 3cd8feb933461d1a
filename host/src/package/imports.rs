//! What a component imports and exports, held against its world and its contract.

use std::fmt;

use super::PackageError;
use crate::contract::{self, Contract, Names};
use crate::manifest::World;

/// Imports of the two worlds.
const CONNECTOR_IMPORTS: [&str; 8] = [
    "http", "tables", "outgoing", "storage", "quota", "stream", "log", "clock",
];
const TRANSFORM_IMPORTS: [&str; 1] = ["log"];

/// An imported or exported name of a component: `namespace:package/interface@version`,
/// or a plain name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// `namespace:package`, empty for a plain name.
    pub package: String,
    /// The interface.
    pub name: String,
    /// The version, if there is one.
    pub version: Option<String>,
}

impl Interface {
    fn parse(text: &str) -> Self {
        let (path, version) = match text.rsplit_once('@') {
            Some((path, version)) => (path, Some(version.to_owned())),
            None => (text, None),
        };
        let (package, name) = path.split_once('/').unwrap_or(("", path));
        Self {
            package: package.to_owned(),
            name: name.to_owned(),
            version,
        }
    }

    /// Whether this is the interface `name` of our contract, of any version.
    #[must_use]
    pub fn is_contract(&self, name: &str) -> bool {
        self.package == contract::PACKAGE && self.name == name
    }

    pub(super) fn is_in_world(&self, world: World) -> bool {
        let names: &[&str] = match world {
            World::Connector => &CONNECTOR_IMPORTS,
            World::Transform => &TRANSFORM_IMPORTS,
        };
        self.package == contract::PACKAGE && names.contains(&self.name.as_str())
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.package.is_empty() {
            write!(f, "{}/", self.package)?;
        }
        f.write_str(&self.name)?;
        if let Some(version) = &self.version {
            write!(f, "@{version}")?;
        }
        Ok(())
    }
}

/// What a component imports and exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Imports in the order of the binary.
    pub imports: Vec<Interface>,
    /// Exports in the order of the binary.
    pub exports: Vec<Interface>,
    /// The size of the binary in bytes.
    pub size_bytes: usize,
}

impl Inspection {
    pub(super) fn read(package: &str, bytes: &[u8]) -> Result<Self, PackageError> {
        let names = Names::read(package, bytes)?;
        let interfaces = |names: Vec<&str>| names.into_iter().map(Interface::parse).collect();
        Ok(Self {
            imports: interfaces(names.imports),
            exports: interfaces(names.exports),
            size_bytes: bytes.len(),
        })
    }

    /// Refuses a component whose binary names another contract version than this
    /// host serves, or than its manifest says.
    pub(super) fn check_contract(&self, package: &str, declared: &str) -> Result<(), PackageError> {
        let ours = self.imports.iter().chain(&self.exports);
        for interface in ours.filter(|interface| interface.package == contract::PACKAGE) {
            let found = interface.version.as_deref().unwrap_or("none");
            let Some(contract) = Contract::of(found) else {
                return Err(PackageError::wrong_contract(package, found));
            };
            if Contract::of(declared) != Some(contract) {
                return Err(PackageError::Manifest(vec![format!(
                    "package.contract is {declared}, but the component was built against {found}"
                )]));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_interfaces_are_taken_apart() {
        let http = Interface::parse("lockgate:connector/http@0.2.0");
        assert!(http.is_contract("http") && http.is_in_world(World::Connector));
        assert!(!http.is_in_world(World::Transform));
        assert_eq!(http.to_string(), "lockgate:connector/http@0.2.0");
        assert!(!Interface::parse("evil:connector/http@0.1.0").is_in_world(World::Connector));
        assert!(!Interface::parse("http").is_in_world(World::Connector));
    }

    #[test]
    fn what_is_no_component_is_told_apart() {
        let refused = |bytes: &[u8]| Inspection::read("p", bytes).unwrap_err();
        assert!(matches!(
            refused(b"PK\x03\x04"),
            PackageError::NotWasm { .. }
        ));
        assert!(matches!(refused(b""), PackageError::NotWasm { .. }));
        let core = b"\0asm\x01\0\0\0";
        assert!(matches!(refused(core), PackageError::CoreModule { .. }));
        assert!(matches!(
            refused(b"\0asm\x0d\0"),
            PackageError::Malformed { .. }
        ));
    }
}
