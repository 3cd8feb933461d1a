//! What a component calls its imports and exports, and the newest names in the place of
//! old ones.
//!
//! Only the sections of the outermost component count: what is nested inside it reaches
//! nothing but what is passed on to it, and finds that by its place, not by its name. So
//! a few bytes are overwritten there and nothing else is, and wasmtime checks the types
//! of what bears the new name as of any other component.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use wasmparser::{Chunk, Encoding, Parser, Payload};

use super::{Contract, PACKAGE};
use crate::package::{Package, PackageError};

/// The names of a component's imports and exports, in the order of the binary.
#[derive(Debug, Default)]
pub(crate) struct Names<'a> {
    pub(crate) imports: Vec<&'a str>,
    pub(crate) exports: Vec<&'a str>,
}

impl<'a> Names<'a> {
    /// Reads them from a binary, without compiling it.
    ///
    /// # Errors
    /// [`PackageError`] if it is no component, or a damaged one.
    pub(crate) fn read(package: &str, bytes: &'a [u8]) -> Result<Self, PackageError> {
        if !bytes.starts_with(b"\0asm") {
            return Err(PackageError::NotWasm {
                package: package.to_owned(),
            });
        }
        let malformed = |reason: String| PackageError::Malformed {
            package: package.to_owned(),
            reason,
        };
        let mut names = Self::default();
        let mut parser = Parser::new(0);
        let mut rest = bytes;
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
                        names.imports.push(import.name.name);
                    }
                }
                Payload::ComponentExportSection(exports) if outermost => {
                    for export in exports {
                        let export = export.map_err(|error| malformed(error.to_string()))?;
                        names.exports.push(export.name.name);
                    }
                }
                Payload::End(_) => match enclosing.pop() {
                    Some(outer) => parser = outer,
                    None => break,
                },
                _ => {}
            }
        }
        Ok(names)
    }
}

/// What of a package is compiled: its component, under the newest names.
#[derive(Debug)]
pub(crate) struct Source {
    /// The package's name, for logs.
    pub(crate) package: String,
    pub(crate) bytes: Bytes,
    /// The SHA-256 of these bytes.
    pub(crate) digest: [u8; 32],
}

impl Source {
    /// Reads it from a package that was checked: it has names of one version only.
    ///
    /// # Errors
    /// As [`Names::read`].
    pub(crate) fn of(package: &Package) -> Result<Self, PackageError> {
        let (bytes, digest) = match renamed(package)? {
            Some(bytes) => {
                let digest = Sha256::digest(&bytes).into();
                (bytes.into(), digest)
            }
            None => (package.component().clone(), *package.digest_bytes()),
        };
        Ok(Self {
            package: package.name().to_owned(),
            bytes,
            digest,
        })
    }
}

/// The component under the newest names; `None` if these are its own.
fn renamed(package: &Package) -> Result<Option<Vec<u8>>, PackageError> {
    let built_against = Contract::of(&package.manifest().package.contract);
    let [newest, ..] = Contract::SERVED;
    let Some(contract) = built_against.filter(|contract| *contract != newest) else {
        return Ok(None);
    };
    let bytes = package.component();
    let names = Names::read(package.name(), bytes)?;
    let mut renamed = bytes.to_vec();
    for name in names.imports.into_iter().chain(names.exports) {
        let Some(at) = version_of(name, contract) else {
            continue;
        };
        // The name is a part of the bytes.
        let start = (name.as_ptr() as usize).saturating_sub(bytes.as_ptr() as usize) + at;
        let places = renamed.iter_mut().skip(start);
        places
            .zip(newest.track().bytes())
            .for_each(|(place, byte)| *place = byte);
    }
    Ok(Some(renamed))
}

/// Where the version begins in a name of this contract, if it is one that is renamed.
fn version_of(name: &str, contract: Contract) -> Option<usize> {
    let path = name.strip_prefix(PACKAGE)?.strip_prefix('/')?;
    let (interface, version) = path.split_once('@')?;
    let is_renamed =
        version.starts_with(contract.track()) && !contract.converted().contains(&interface);
    is_renamed.then(|| name.len() - version.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A package of 0.1 with this component.
    fn package(component: &str) -> Package {
        let manifest = "[package]\nname = 'p'\nversion = '1.0.0'\nworld = 'transform'\n\
                        contract = '0.1.0'\n";
        Package::from_parts(manifest, wat::parse_str(component).unwrap()).unwrap()
    }

    #[test]
    fn only_names_of_the_outermost_component_are_renamed_and_nothing_else_is() {
        let text = r#"(component
            (import "lockgate:connector/log@0.1.0" (instance $log))
            (component $inner
                (import "lockgate:connector/log@0.1.0" (instance $log))
                (export "lockgate:connector/clock@0.1.0" (instance $log)))
            (instance $done (instantiate $inner
                (with "lockgate:connector/log@0.1.0" (instance $log))))
            (core module (import "lockgate:connector/http@0.1.0" "send" (func)))
            (@custom "names" "lockgate:connector/log@0.1.0")
            (export "lockgate:connector/records@0.1.7" (instance $done))
            (export "lockgate:connector/batches@0.1.0" (instance $log)))"#;
        let package = package(text);
        let bytes = renamed(&package).unwrap().unwrap();
        let names = Names::read("p", &bytes).unwrap();
        assert_eq!(names.imports, ["lockgate:connector/log@0.2.0"]);
        assert_eq!(
            names.exports,
            [
                "lockgate:connector/records@0.2.7",
                "lockgate:connector/batches@0.1.0"
            ]
        );
        let before = package.component();
        let differing = before
            .iter()
            .zip(&bytes)
            .filter(|(one, other)| one != other);
        assert_eq!((differing.count(), before.len()), (2, bytes.len()));
    }

    #[test]
    fn names_that_only_look_like_it_stay() {
        for name in [
            "evil:connector/http@0.1.0",
            "lockgate:connector-x/http@0.1.0",
            "lockgate:connectors/http@0.1.0",
            "lockgate:connector/http@0.10.0",
            "lockgate:connector/http@1.0.1",
            "lockgate:connector/http@0.2.0",
            "lockgate:connector/http",
            "lockgate:connector",
            "http",
        ] {
            assert_eq!(version_of(name, Contract::V0_1), None, "{name}");
        }
        let name = "lockgate:connector/http@0.1.0";
        assert_eq!(version_of(name, Contract::V0_1), Some(24));
    }

    #[test]
    fn a_component_of_the_newest_version_is_not_touched() {
        let manifest = "[package]\nname = 'p'\nversion = '1.0.0'\nworld = 'transform'\n\
                        contract = '0.2.0'\n";
        let bytes = wat::parse_str("(component)").unwrap();
        let package = Package::from_parts(manifest, bytes).unwrap();
        assert!(renamed(&package).unwrap().is_none());
    }
}
