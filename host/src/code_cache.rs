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

use std::io::Read as _;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;
use zeroize::Zeroizing;

use crate::contract::Source;
use crate::engine::fingerprint;
use crate::private_file;
use crate::seal::{KeyId, MasterKey};

/// The directory in the data directory.
pub(crate) const DIRECTORY: &str = "code";

/// How file names end.
const SUFFIX: &str = ".cwasm";

const MAC_BYTES: usize = 32;

/// The largest file that is read, and the most code that one package may come to. The
/// largest component makes less.
pub(crate) const MAX_BYTES: u64 = 512 * 1024 * 1024;

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

    /// The code of what is to be compiled, if it was kept.
    pub(crate) fn kept(&self, engine: &Engine, source: &Source) -> Option<Component> {
        self.read(engine, &self.name(engine, source))
    }

    fn read(&self, engine: &Engine, name: &str) -> Option<Component> {
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

    /// Compiles within this process, and keeps the code.
    pub(crate) fn compile(&self, engine: &Engine, source: &Source) -> wasmtime::Result<Component> {
        let component = Component::from_binary(engine, &source.bytes)?;
        let name = self.name(engine, source);
        let code = component.serialize().map_err(std::io::Error::other);
        tell(source, code.and_then(|code| self.write(&name, &code)));
        Ok(component)
    }

    /// Takes the code that a compiler of its own has made, and keeps it. It is as trusted
    /// as the compiler within.
    pub(crate) fn adopt(
        &self,
        engine: &Engine,
        source: &Source,
        code: &[u8],
    ) -> wasmtime::Result<Component> {
        let component = load(engine, code)?;
        tell(source, self.write(&self.name(engine, source), code));
        Ok(component)
    }

    fn write(&self, name: &str, code: &[u8]) -> std::io::Result<()> {
        let Some(dir) = &self.dir else {
            return Ok(());
        };
        let Some(mac) = self.mac(name, code) else {
            return Ok(());
        };
        let mut content = Vec::with_capacity(MAC_BYTES + code.len());
        content.extend_from_slice(&mac.finalize().into_bytes());
        content.extend_from_slice(code);
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

    /// The file of the code for an engine.
    fn name(&self, engine: &Engine, source: &Source) -> String {
        let mut hasher = Sha256::new();
        hasher.update(source.digest);
        hasher.update(self.key_id.to_string());
        hasher.update(fingerprint(engine));
        let digest = hasher.finalize();
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

/// That code was not kept makes nothing fail.
fn tell(source: &Source, written: std::io::Result<()>) {
    if let Err(error) = written {
        tracing::warn!(package = source.package, %error, "its compiled code is not kept");
    }
}

/// Loads code that this host or its compiler has made.
#[expect(
    unsafe_code,
    reason = "wasmtime cannot check machine code; ours is authenticated, or comes from the compiler"
)]
fn load(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `code` is what the compiler gave, byte by byte. Either a process that this
    // host has started gave it whole through a pipe, of a program that the embedder named
    // and that is trusted as the compiler within is. Or it was kept: its MAC under a key
    // that only this host has was verified, and it was copied from the file before, which
    // may change later. That it is for this version and these settings is checked by
    // wasmtime, and is part of the authenticated name.
    unsafe { Component::deserialize(engine, code) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Package;

    /// An empty component.
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    struct Bench {
        directory: tempfile::TempDir,
        engine: Engine,
        source: Source,
    }

    /// What is compiled of a package of this contract.
    fn source(contract: &str, component: impl Into<bytes::Bytes>) -> Source {
        let manifest = format!(
            "[package]\nname = 'x'\nversion = '0.1.0'\nworld = 'transform'\n\
             contract = '{contract}'\n"
        );
        Source::of(&Package::from_parts(&manifest, component).unwrap()).unwrap()
    }

    impl Bench {
        fn new() -> Self {
            Self {
                directory: tempfile::tempdir().unwrap(),
                engine: Engine::default(),
                source: source("0.2.0", COMPONENT),
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
        let name = cache.name(&bench.engine, &bench.source);
        assert!(cache.read(&bench.engine, &name).is_none());
        cache.compile(&bench.engine, &bench.source).unwrap();
        assert!(cache.read(&bench.engine, &name).is_some());
        assert!(other.read(&bench.engine, &name).is_none(), "another key");

        let file = bench.files().remove(0);
        let whole = std::fs::read(&file).unwrap();
        let middle = whole.len() / 2;
        for wrong in [&whole[..middle], &[], &[0; 10], &{
            let mut touched = whole.clone();
            touched[middle] ^= 1;
            touched
        }] {
            std::fs::write(&file, wrong).unwrap();
            assert!(cache.read(&bench.engine, &name).is_none());
            cache.compile(&bench.engine, &bench.source).unwrap();
            assert_eq!(std::fs::read(&file).unwrap(), whole, "it is replaced");
        }
        // The right content under another name is not what it says.
        let elsewhere = "0".repeat(64) + SUFFIX;
        std::fs::write(bench.directory.path().join(&elsewhere), &whole).unwrap();
        assert!(cache.read(&bench.engine, &elsewhere).is_none());
    }

    #[test]
    fn of_an_older_contract_what_is_compiled_is_kept_and_not_what_was_signed() {
        let bench = Bench::new();
        let text = "(component (import \"lockgate:connector/log@0.1.0\" (instance)))";
        let signed = wat::parse_str(text).unwrap();
        let source = source("0.1.0", signed.clone());
        let cache = bench.cache(1);
        cache.compile(&bench.engine, &source).unwrap();
        let component = cache.kept(&bench.engine, &source).unwrap();
        let ty = component.component_type();
        let (name, _) = ty.imports(&bench.engine).next().unwrap();
        assert_eq!(name, "lockgate:connector/log@0.2.0");
        assert_eq!(bench.files().len(), 1);
        // The same bytes as those of a package of the newest contract are others.
        let as_signed = self::source("0.2.0", signed);
        assert!(cache.kept(&bench.engine, &as_signed).is_none());
    }

    #[test]
    fn other_settings_of_the_engine_have_code_of_their_own() {
        let bench = Bench::new();
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        let other = Engine::new(&config).unwrap();
        let cache = bench.cache(1);
        let ours = cache.name(&bench.engine, &bench.source);
        assert_ne!(ours, cache.name(&other, &bench.source));
        assert_ne!(ours, bench.cache(2).name(&bench.engine, &bench.source));
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
        cache.compile(&bench.engine, &bench.source).unwrap();
        assert_eq!(bench.files().len(), MAX_FILES + 1);
        let name = cache.name(&bench.engine, &bench.source);
        assert!(cache.read(&bench.engine, &name).is_some());
    }

    #[test]
    fn without_a_directory_everything_is_compiled() {
        let bench = Bench::new();
        let file = bench.directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let text = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, [1; 32]);
        let key = MasterKey::from_variable("KEY", &text).unwrap();
        let cache = CodeCache::open(&file, &key);
        assert!(cache.compile(&bench.engine, &bench.source).is_ok());
    }
}
