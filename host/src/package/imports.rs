//! Reads what a component imports and exports from its binary, without compiling
//! or running it.

use std::fmt;

use wasmparser::{Chunk, Encoding, Parser, Payload};

use super::PackageError;
use crate::manifest::{CONTRACT_VERSION, World};

/// The package that our interfaces belong to.
const CONTRACT_PACKAGE: &str = "lockgate:connector";

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
        self.package == CONTRACT_PACKAGE && self.name == name
    }

    pub(super) fn is_in_world(&self, world: World) -> bool {
        let names: &[&str] = match world {
            World::Connector => &CONNECTOR_IMPORTS,
            World::Transform => &TRANSFORM_IMPORTS,
        };
        self.package == CONTRACT_PACKAGE && names.contains(&self.name.as_str())
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
        if !bytes.starts_with(b"\0asm") {
            return Err(PackageError::NotWasm {
                package: package.to_owned(),
            });
        }
        let malformed = |reason: String| PackageError::Malformed {
            package: package.to_owned(),
            reason,
        };
        let mut inspection = Self {
            imports: Vec::new(),
            exports: Vec::new(),
            size_bytes: bytes.len(),
        };
        let mut parser = Parser::new(0);
        let mut rest = bytes;
        // Only the outermost component's sections count: what is nested inside
        // it can reach nothing but what is passed on to it.
        let mut enclosing: Vec<Parser> = Vec::new();
        loop {
            let chunk = parser
                .parse(rest, true)
                .map_err(|error| malformed(error.to_string()))?;
            let (consumed, payload) = match chunk {
                Chunk::Parsed { consumed, payload } => (consumed, payload),
                Chunk::NeedMoreData(_) => return Err(malformed("it ends too early".to_owned())),
            };
            rest = rest.get(consumed..).unwrap_or_default();
            let outermost = enclosing.is_empty();
            match payload {
                Payload::Version {
                    encoding: Encoding::Module,
                    ..
                } if outermost => {
                    return Err(PackageError::CoreModule {
                        package: package.to_owned(),
                    });
                }
                Payload::ModuleSection { parser: inner, .. }
                | Payload::ComponentSection { parser: inner, .. } => {
                    enclosing.push(std::mem::replace(&mut parser, inner));
                }
                Payload::ComponentImportSection(imports) if outermost => {
                    for import in imports {
                        let import = import.map_err(|error| malformed(error.to_string()))?;
                        inspection.imports.push(Interface::parse(import.name.name));
                    }
                }
                Payload::ComponentExportSection(exports) if outermost => {
                    for export in exports {
                        let export = export.map_err(|error| malformed(error.to_string()))?;
                        inspection.exports.push(Interface::parse(export.name.name));
                    }
                }
                Payload::End(_) => match enclosing.pop() {
                    Some(outer) => parser = outer,
                    None => break,
                },
                _ => {}
            }
        }
        Ok(inspection)
    }

    /// Refuses a component whose binary names another contract version than this
    /// host serves, or than its manifest says.
    pub(super) fn check_contract(&self, package: &str, declared: &str) -> Result<(), PackageError> {
        let ours = self.imports.iter().chain(&self.exports);
        for interface in ours.filter(|interface| interface.package == CONTRACT_PACKAGE) {
            let found = interface.version.as_deref().unwrap_or("none");
            if !contract_is_served(found) {
                return Err(PackageError::WrongContract {
                    package: package.to_owned(),
                    found: found.to_owned(),
                });
            }
            if track(found) != track(declared) {
                return Err(PackageError::Manifest(vec![format!(
                    "package.contract is {declared}, but the component was built against {found}"
                )]));
            }
        }
        Ok(())
    }
}

/// Whether a component built against `version` of the contract runs on this
/// host: before 1.0 the minor number is the breaking one, patches only add.
pub(crate) fn contract_is_served(version: &str) -> bool {
    track(version).is_some() && track(version) == track(CONTRACT_VERSION)
}

/// What must be equal for two versions to go together. Pre-releases go only with
/// themselves, so they have none.
fn track(version: &str) -> Option<(u64, u64)> {
    if version.contains(['-', '+']) {
        return None;
    }
    let mut parts = version.split('.').map(|part| part.parse::<u64>().ok());
    match (parts.next()??, parts.next()??, parts.next()?, parts.next()) {
        (0, minor, Some(_), None) => Some((0, minor)),
        (major, _, Some(_), None) => Some((major, 0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_of_the_contract_go_together_and_minors_do_not() {
        assert!(contract_is_served("0.1.0"));
        assert!(contract_is_served("0.1.9"));
        for other in ["0.2.0", "1.0.0", "0.1", "0.1.0-rc.1", "", "none"] {
            assert!(!contract_is_served(other), "{other}");
        }
    }

    #[test]
    fn names_of_interfaces_are_taken_apart() {
        let http = Interface::parse("lockgate:connector/http@0.1.0");
        assert!(http.is_contract("http") && http.is_in_world(World::Connector));
        assert!(!http.is_in_world(World::Transform));
        assert_eq!(http.to_string(), "lockgate:connector/http@0.1.0");
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
