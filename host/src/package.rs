//! A package: a component with its manifest, read from a directory and checked
//! before any of it runs.
//!
//! The imports are read from the binary before it is compiled, so that a
//! component that wants too much is refused in microseconds and by name.

mod imports;
mod room;
mod signature;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use sha2::{Digest as _, Sha256};

pub use imports::{Inspection, Interface};
pub use room::Resource;
pub use signature::{
    BadPublicKey, BadSigningKey, PublicKey, SIGNATURE_FILE, Signature, SigningKey,
};

use crate::compiler::CompileLimit;
use crate::contract::Contract;
use crate::grant::{Grant, Grants};
use crate::manifest::{CONTRACT_VERSION, MAX_MANIFEST_BYTES, Manifest, World};

/// The largest component that is read, in bytes. A Python guest with its
/// interpreter is about 20 MiB.
pub const MAX_COMPONENT_BYTES: u64 = 64 * 1024 * 1024;

/// The largest file with a signature that is read, in bytes.
const MAX_SIGNATURE_BYTES: u64 = 4 * 1024;

/// The manifest's file in a package's directory.
pub const MANIFEST_FILE: &str = "package.toml";

/// Why a package was refused. None of it has run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// A file could not be read.
    #[error("cannot read {file} of the package in {place}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// The directory, as it was given.
        place: String,
        /// Why.
        reason: String,
    },
    /// A file is larger than the host reads.
    #[error("{file} holds more than {limit} bytes")]
    TooLarge {
        /// The file.
        file: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The manifest breaks its rules.
    #[error("{MANIFEST_FILE} is not valid: {}", .0.join("; "))]
    Manifest(Vec<String>),
    /// The file beside it is no signature.
    #[error("{SIGNATURE_FILE} is not valid: {0}; sign the package again")]
    Signature(String),
    /// Nobody has signed it.
    #[error(
        "{package}: nobody has signed it; sign it with `lockgate package sign DIR`, or, while \
         you develop, allow packages that are not signed (`--allow-unsigned`)"
    )]
    Unsigned {
        /// The package.
        package: String,
    },
    /// Its signature is of something else.
    #[error(
        "{package}: its signature does not fit: its manifest or its component was changed after \
         it was signed; get it again from where it comes from, or, if the change is yours, sign it \
         again with `lockgate package sign DIR`"
    )]
    BadSignature {
        /// The package.
        package: String,
    },
    /// Somebody has signed it whom the host does not trust.
    #[error(
        "{package}: signed by {key}, whom nobody has told this host to trust; if you know whose \
         key that is: `lockgate package trust {key}`"
    )]
    UntrustedKey {
        /// The package.
        package: String,
        /// Who has signed it.
        key: PublicKey,
    },
    /// It was revoked.
    #[error(
        "{package} {version} is not loaded: {reason}; have calls go to another version: `lockgate \
         package swap {package} VERSION`"
    )]
    Revoked {
        /// The package.
        package: String,
        /// Its version.
        version: String,
        /// What was revoked.
        reason: String,
    },
    /// The file is no WebAssembly at all.
    #[error("{package}: the component is not a WebAssembly file")]
    NotWasm {
        /// The package.
        package: String,
    },
    /// A core module where a component is expected.
    #[error(
        "{package}: this is a core WebAssembly module, not a component; encode it with \
         `lockgate package build` or `wasm-tools component new`"
    )]
    CoreModule {
        /// The package.
        package: String,
    },
    /// The binary ends too early or is damaged.
    #[error("{package}: the component is damaged or cut off: {reason}")]
    Malformed {
        /// The package.
        package: String,
        /// What is wrong, and at which byte.
        reason: String,
    },
    /// One instance of it would need more than there is room for.
    #[error(
        "{package}: needs {needed} {resource}, but one instance has at most {allowed}; {advice}"
    )]
    NoRoom {
        /// The package.
        package: String,
        /// Of what.
        resource: Resource,
        /// How many it needs.
        needed: u64,
        /// How many there are.
        allowed: u64,
        /// What helps.
        advice: &'static str,
    },
    /// Compiling it took more than a package may that nobody trusted has signed.
    #[error(
        "{package}: compiling it takes more than {allowed}, the most for a package that nobody \
         trusted has signed; if you trust who made it, sign it with `lockgate package sign DIR`, \
         or raise that limit of the host's `Compiler`; if you made it, split its largest functions"
    )]
    TooCostly {
        /// The package.
        package: String,
        /// Of what it took too much.
        limit: CompileLimit,
        /// How much there is, with its unit.
        allowed: String,
    },
    /// The program that compiles such packages did not do what it is for.
    #[error("{package}: not compiled, since the host's `Compiler` failed: {reason}")]
    CompilerFailed {
        /// The package.
        package: String,
        /// What it did, and what to do about it.
        reason: String,
    },
    /// Built against a contract that this host does not serve.
    #[error(
        "{package}: built against lockgate:connector@{found}; this host serves {}, so rebuild \
         it against {CONTRACT_VERSION}, or take a host that serves it",
        Contract::served()
    )]
    WrongContract {
        /// The package.
        package: String,
        /// The version that it was built against.
        found: String,
    },
    /// It imports what its world does not have.
    #[error(
        "{package}: imports `{interface}`, which is not part of the world `{world}`; \
         remove the import"
    )]
    NotInWorld {
        /// The package.
        package: String,
        /// The interface.
        interface: String,
        /// The world that its manifest names.
        world: &'static str,
    },
    /// It imports an interface that it was not granted.
    #[error("{package}: imports `{interface}` but the grant `{grant}` was not given{}",
        ask_for(*.grant, *.asked))]
    NotGranted {
        /// The package.
        package: String,
        /// The interface.
        interface: String,
        /// The grant that would open it.
        grant: Grant,
        /// Whether the manifest asks for it.
        asked: bool,
    },
    /// It does not export what its world must.
    #[error("{package}: exports no `{interface}`, which every {world} must")]
    MissingExport {
        /// The package.
        package: String,
        /// The interface.
        interface: String,
        /// The world that its manifest names.
        world: &'static str,
    },
    /// Names fit but types do not.
    #[error("{package}: does not fit the contract: {reason}")]
    WrongType {
        /// The package.
        package: String,
        /// What does not fit, in wasmtime's words.
        reason: String,
    },
}

impl PackageError {
    pub(crate) fn wrong_contract(package: &str, found: &str) -> Self {
        Self::WrongContract {
            package: package.to_owned(),
            found: found.to_owned(),
        }
    }
}

/// A package that was read but not loaded: bytes and a valid manifest.
#[derive(Clone)]
pub struct Package {
    manifest: Arc<Manifest>,
    manifest_text: Arc<str>,
    component: Bytes,
    digest: [u8; 32],
    signature: Option<Signature>,
    is_vouched: bool,
}

impl std::fmt::Debug for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Package")
            .field("name", &self.manifest.package.name)
            .field("version", &self.manifest.package.version)
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}

/// How a manifest that does not ask for a grant comes to it.
fn ask_for(grant: Grant, is_asked: bool) -> String {
    match is_asked {
        true => String::new(),
        false => format!(
            ", and its manifest does not ask for it: remove the import, or say in `[grants]` what \
             it is for, as in `{grant} = \"reads the records\"`"
        ),
    }
}

impl Package {
    /// Reads the package in a directory. Files are opened relative to it, so
    /// that neither a manifest nor a symbolic link can lead out of it.
    ///
    /// # Errors
    /// [`PackageError`] if a file is missing, too large, or the manifest is not
    /// valid.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, PackageError> {
        let directory = directory.as_ref();
        let place = directory.display().to_string();
        let dir = Dir::open_ambient_dir(directory, ambient_authority()).map_err(|error| {
            PackageError::Unreadable {
                file: "the directory".to_owned(),
                place: place.clone(),
                reason: error.to_string(),
            }
        })?;
        let text = read(&dir, MANIFEST_FILE, MAX_MANIFEST_BYTES, &place)?;
        let (manifest, text) = parse_manifest(&text)?;
        let component = read(
            &dir,
            &manifest.package.component,
            MAX_COMPONENT_BYTES,
            &place,
        )?;
        let mut package = Self::assemble(manifest, text, component.into());
        if dir.exists(SIGNATURE_FILE) {
            let text = read(&dir, SIGNATURE_FILE, MAX_SIGNATURE_BYTES, &place)?;
            package.signature = Some(String::from_utf8_lossy(&text).parse()?);
        }
        Ok(package)
    }

    /// Takes a package from memory, for instance one that is built into a
    /// program.
    ///
    /// # Errors
    /// [`PackageError`] if the manifest is not valid.
    pub fn from_parts(manifest: &str, component: impl Into<Bytes>) -> Result<Self, PackageError> {
        let (manifest, text) = parse_manifest(manifest.as_bytes())?;
        Ok(Self::assemble(manifest, text, component.into()))
    }

    fn assemble(manifest: Manifest, text: &str, component: Bytes) -> Self {
        let digest = Sha256::digest(&component).into();
        Self {
            manifest: Arc::new(manifest),
            manifest_text: text.into(),
            component,
            digest,
            signature: None,
            is_vouched: false,
        }
    }

    /// The same package with a signature. Whether it fits is checked when it is loaded.
    #[must_use]
    pub fn with_signature(mut self, signature: Signature) -> Self {
        self.signature = Some(signature);
        self
    }

    /// Who has signed it, if anybody.
    #[must_use]
    pub const fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref()
    }

    /// The same package with this program's word for it: it needs no signature. For
    /// packages that are part of the program, and so as trusted as its own code.
    #[must_use]
    pub const fn vouched(mut self) -> Self {
        self.is_vouched = true;
        self
    }

    pub(crate) const fn is_vouched(&self) -> bool {
        self.is_vouched
    }

    /// The package's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.manifest.package.name
    }

    /// The manifest.
    #[must_use]
    pub const fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The manifest as it was written.
    #[must_use]
    pub fn manifest_text(&self) -> &str {
        &self.manifest_text
    }

    /// The component's bytes.
    #[must_use]
    pub const fn component(&self) -> &Bytes {
        &self.component
    }

    /// The SHA-256 of the component, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        self.digest
            .iter()
            .fold(String::with_capacity(64), |mut text, byte| {
                use std::fmt::Write as _;
                // Writing to a String cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
    }

    pub(crate) const fn digest_bytes(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Every grant that the manifest asks for.
    #[must_use]
    pub fn asked_grants(&self) -> Grants {
        self.manifest.grants.keys().copied().collect()
    }

    /// Reads imports and exports from the binary, without compiling it.
    ///
    /// # Errors
    /// [`PackageError`] if it is not a well-formed component.
    pub fn inspect(&self) -> Result<Inspection, PackageError> {
        Inspection::read(self.name(), &self.component)
    }

    /// Checks imports and exports against the world and what was granted.
    pub(crate) fn check(&self, granted: &Grants) -> Result<(), PackageError> {
        let head = &self.manifest.package;
        let package = || head.name.clone();
        let inspection = self.inspect()?;
        inspection.check_contract(&head.name, &head.contract)?;
        for import in &inspection.imports {
            let interface = import.to_string();
            if !import.is_in_world(head.world) {
                let world = head.world.name();
                return Err(PackageError::NotInWorld {
                    package: package(),
                    interface,
                    world,
                });
            }
            let Some(grant) = Grant::for_interface(&import.name) else {
                continue;
            };
            let asked = self.manifest.grants.contains_key(&grant);
            if !asked || !granted.contains(&grant) {
                return Err(PackageError::NotGranted {
                    package: package(),
                    interface,
                    grant,
                    asked,
                });
            }
        }
        if !inspection
            .exports
            .iter()
            .any(|export| export.is_contract(head.world.export()))
        {
            return Err(PackageError::MissingExport {
                package: package(),
                interface: format!("lockgate:connector/{}", head.world.export()),
                world: head.world.name(),
            });
        }
        Ok(())
    }

    /// The world that the manifest names.
    #[must_use]
    pub fn world(&self) -> World {
        self.manifest.package.world
    }
}

/// The manifest, and its text.
fn parse_manifest(bytes: &[u8]) -> Result<(Manifest, &str), PackageError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| PackageError::Manifest(vec![format!("not UTF-8 text: {error}")]))?;
    let manifest = Manifest::parse(text).map_err(PackageError::Manifest)?;
    let head = &manifest.package;
    if Contract::of(&head.contract).is_none() {
        return Err(PackageError::wrong_contract(&head.name, &head.contract));
    }
    Ok((manifest, text))
}

fn read(dir: &Dir, file: &str, limit: u64, place: &str) -> Result<Vec<u8>, PackageError> {
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| PackageError::Unreadable {
        file: file.to_owned(),
        place: place.to_owned(),
        reason: error.to_string(),
    };
    let opened = dir.open(file).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file at the limit from one above it.
    opened
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(PackageError::TooLarge {
            file: file.to_owned(),
            limit,
        });
    }
    Ok(bytes)
}
