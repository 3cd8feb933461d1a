//! Compiled code, kept from one start to the next: compiling a connector takes
//! seconds, and reading its code again milliseconds.
//!
//! What lies on disk is authenticated before it is loaded, for whoever could change
//! it would run in the host: each file begins with a code over its name and its
//! content, under a key that is derived from the master key. The name stands for the
//! bytes that were compiled (those of the package, or of one that was built against an
//! older contract the same under newer names), for the version of wasmtime and for all its settings. A file that
//! does not fit is compiled anew and replaced, and a cache that cannot be written
//! makes nothing fail.

use std::hash::{Hash as _, Hasher};
use std::io::Read as _;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;
use zeroize::Zeroizing;

use crate::contract;
use crate::package::Package;
use crate::private_file;
use crate::seal::{KeyId, MasterKey};

/// The directory in the data directory.
pub(crate) const DIRECTORY: &str = "code";

/// How file names end.
const SUFFIX: &str = ".cwasm";

const MAC_BYTES: usize = 32;

/// The largest file that is read. The largest component makes less.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// Files that are kept; the oldest go first.
const MAX_FILES: usize = 64;

/// The compiled code of packages.
pub(crate) struct CodeCache {
    /// `None` where it cannot be used.
    dir: Option<Dir>,
    key: Zeroizing<[u8; 32]>,
    /// Part of each name, so that a new key begins anew.
    key_id: KeyId,
}

impl CodeCache {
    /// Opens a directory, and makes it if it is not there.
    pub(crate) fn open(directory: &Path, key: &MasterKey) -> Self {
        let opened = std::fs::create_dir_all(directory)
            .and_then(|()| Dir::open_ambient_dir(directory, ambient_authority()));
        let dir = opened.inspect_err(|error| {
            let directory = directory.display();
            tracing::warn!(%directory, %error, "compiled code is not kept: starts take longer");
        });
        Self {
            dir: dir.ok(),
            key: key.derive("code"),
            key_id: key.id(),
        }
    }

    /// A package's component: its code as it was kept, or compiled and kept.
    pub(crate) fn component(
        &self,
        engine: &Engine,
        package: &Package,
    ) -> wasmtime::Result<Component> {
        let renamed = contract::renamed(package)?;
        let (bytes, digest) = match &renamed {
            Some(bytes) => (bytes.as_slice(), Sha256::digest(bytes).into()),
            None => (package.component().as_ref(), *package.digest_bytes()),
        };
        let name = self.name(engine, &digest);
        if let Some(component) = self.kept(engine, &name) {
            return Ok(component);
        }
        let component = Component::from_binary(engine, bytes)?;
        if let Err(error) = self.keep(&name, &component) {
            tracing::warn!(package = package.name(), %error, "its compiled code is not kept");
        }
        Ok(component)
    }

    fn kept(&self, engine: &Engine, name: &str) -> Option<Component> {
        let dir = self.dir.as_ref()?;
        let file = dir.open(name).ok()?;
        let mut content = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut content).ok()?;
        let (mac, code) = content.split_at_checked(MAC_BYTES)?;
        if self.mac(name, code)?.verify_slice(mac).is_err() {
            // Somebody else's hand, another master key, or a damaged disk.
            tracing::warn!(
                name,
                "kept code is not as it was written: it is compiled anew"
            );
            return None;
        }
        load(engine, code)
            .inspect_err(|error| tracing::warn!(name, %error, "kept code is compiled anew"))
            .ok()
    }

    fn keep(&self, name: &str, component: &Component) -> std::io::Result<()> {
        let Some(dir) = &self.dir else {
            return Ok(());
        };
        let code = component.serialize().map_err(std::io::Error::other)?;
        let Some(mac) = self.mac(name, &code) else {
            return Ok(());
        };
        let mut content = Vec::with_capacity(MAC_BYTES + code.len());
        content.extend_from_slice(&mac.finalize().into_bytes());
        content.extend_from_slice(&code);
        private_file::replace(dir, name, &content)?;
        self.prune(dir)
    }

    fn prune(&self, dir: &Dir) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in dir.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_string_lossy().ends_with(SUFFIX) {
                files.push((entry.metadata()?.modified()?, name));
            }
        }
        files.sort_unstable();
        let too_many = files.len().saturating_sub(MAX_FILES);
        for (_, name) in files.into_iter().take(too_many) {
            dir.remove_file(name)?;
        }
        Ok(())
    }

    /// The file of the code for an engine, by the SHA-256 of what is compiled.
    fn name(&self, engine: &Engine, digest: &[u8; 32]) -> String {
        let mut hasher = Sha256Hasher(Sha256::new());
        hasher.write(digest);
        self.key_id.hash(&mut hasher);
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let digest = hasher.0.finalize();
        let mut name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        name.push_str(SUFFIX);
        name
    }

    /// The code over a name and a content, still to be finished. The name has one
    /// length, so the two cannot be cut differently.
    fn mac(&self, name: &str, content: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.key).ok()?;
        mac.update(name.as_bytes());
        mac.update(content);
        Some(mac)
    }
}

/// Loads code that was authenticated.
#[expect(
    unsafe_code,
    reason = "wasmtime cannot check machine code; ours is authenticated before"
)]
fn load(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `code` is what `Component::serialize` gave, byte by byte: its MAC under a
    // key that only this host has was verified, and it was copied from the file before,
    // which may change later. That it is for this version and these settings is checked
    // by wasmtime, and is part of the authenticated name.
    unsafe { Component::deserialize(engine, code) }
}

/// Takes what is hashed whole, rather than 64 bits of it.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty component.
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    struct Bench {
        directory: tempfile::TempDir,
        engine: Engine,
        package: Package,
    }

    impl Bench {
        fn new() -> Self {
            let manifest = "[package]\nname = \"x\"\nversion = \"0.1.0\"\nworld = \"transform\"\n\
                            contract = \"0.2.0\"\n";
            Self {
                directory: tempfile::tempdir().unwrap(),
                engine: Engine::default(),
                package: Package::from_parts(manifest, COMPONENT).unwrap(),
            }
        }

        fn cache(&self, key: u8) -> CodeCache {
            let text = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, [key; 32]);
            let key = MasterKey::from_variable("KEY", &text).unwrap();
            CodeCache::open(self.directory.path(), &key)
        }

        fn files(&self) -> Vec<std::path::PathBuf> {
            let files = std::fs::read_dir(self.directory.path()).unwrap();
            files.map(|file| file.unwrap().path()).collect()
        }
    }

    #[test]
    fn code_that_was_kept_is_read_again_and_what_was_touched_is_not() {
        let bench = Bench::new();
        let (cache, other) = (bench.cache(1), bench.cache(2));
        let name = cache.name(&bench.engine, bench.package.digest_bytes());
        assert!(cache.kept(&bench.engine, &name).is_none());
        cache.component(&bench.engine, &bench.package).unwrap();
        assert!(cache.kept(&bench.engine, &name).is_some());
        assert!(other.kept(&bench.engine, &name).is_none(), "another key");

        let file = bench.files().remove(0);
        let whole = std::fs::read(&file).unwrap();
        let middle = whole.len() / 2;
        for wrong in [&whole[..middle], &[], &[0; 10], &{
            let mut touched = whole.clone();
            touched[middle] ^= 1;
            touched
        }] {
            std::fs::write(&file, wrong).unwrap();
            assert!(cache.kept(&bench.engine, &name).is_none());
            cache.component(&bench.engine, &bench.package).unwrap();
            assert_eq!(std::fs::read(&file).unwrap(), whole, "it is replaced");
        }
        // The right content under another name is not what it says.
        let elsewhere = "0".repeat(64) + SUFFIX;
        std::fs::write(bench.directory.path().join(&elsewhere), &whole).unwrap();
        assert!(cache.kept(&bench.engine, &elsewhere).is_none());
    }

    #[test]
    fn of_an_older_contract_what_is_compiled_is_kept_and_not_what_was_signed() {
        let bench = Bench::new();
        let manifest = "[package]\nname = 'x'\nversion = '0.1.0'\nworld = 'transform'\n\
                        contract = '0.1.0'\n";
        let text = "(component (import \"lockgate:connector/log@0.1.0\" (instance)))";
        let package = Package::from_parts(manifest, wat::parse_str(text).unwrap()).unwrap();
        let cache = bench.cache(1);
        // Compiled, and then as it was kept.
        for _ in 0..2 {
            let component = cache.component(&bench.engine, &package).unwrap();
            let ty = component.component_type();
            let (name, _) = ty.imports(&bench.engine).next().unwrap();
            assert_eq!(name, "lockgate:connector/log@0.2.0");
            assert_eq!(bench.files().len(), 1);
        }
        let signed = cache.name(&bench.engine, package.digest_bytes());
        assert!(cache.kept(&bench.engine, &signed).is_none());
    }

    #[test]
    fn other_settings_of_the_engine_have_code_of_their_own() {
        let bench = Bench::new();
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        let other = Engine::new(&config).unwrap();
        let cache = bench.cache(1);
        let ours = cache.name(&bench.engine, bench.package.digest_bytes());
        assert_ne!(ours, cache.name(&other, bench.package.digest_bytes()));
        assert_ne!(
            ours,
            bench
                .cache(2)
                .name(&bench.engine, bench.package.digest_bytes())
        );
    }

    #[test]
    fn only_so_many_files_are_kept_and_no_others_are_touched() {
        let bench = Bench::new();
        let cache = bench.cache(1);
        for n in 0..MAX_FILES + 3 {
            let file = bench.directory.path().join(format!("{n}{SUFFIX}"));
            std::fs::write(file, "").unwrap();
        }
        std::fs::write(bench.directory.path().join("other"), "").unwrap();
        cache.component(&bench.engine, &bench.package).unwrap();
        assert_eq!(bench.files().len(), MAX_FILES + 1);
        let name = cache.name(&bench.engine, bench.package.digest_bytes());
        assert!(cache.kept(&bench.engine, &name).is_some());
    }

    #[test]
    fn without_a_directory_everything_is_compiled() {
        let bench = Bench::new();
        let file = bench.directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let text = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, [1; 32]);
        let key = MasterKey::from_variable("KEY", &text).unwrap();
        let cache = CodeCache::open(&file, &key);
        assert!(cache.component(&bench.engine, &bench.package).is_ok());
    }
}
