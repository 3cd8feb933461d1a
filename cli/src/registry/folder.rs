//! A registry in a folder, as `wkg` reads one: `NAMESPACE/NAME/VERSION.wasm`, and beside
//! each component its manifest (`VERSION.toml`) and its signature (`VERSION.sig`).

use std::fmt;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use lockgate::manifest::MAX_MANIFEST_BYTES;
use lockgate::{Error, MAX_COMPONENT_BYTES, Package};
use semver::Version;
use tempfile::NamedTempFile;

use super::Title;

/// How files end.
const COMPONENT: &str = "wasm";
const MANIFEST: &str = "toml";
const SIGNATURE: &str = "sig";

/// The longest signature that is read, in bytes.
const MAX_SIGNATURE_BYTES: u64 = 4 * 1024;

pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(super) fn at(place: &str) -> Self {
        Self(PathBuf::from(place))
    }

    pub(super) fn versions(&self, title: &Title) -> Result<Vec<Version>> {
        let directory = self.directory(title);
        let doing = || format!("cannot read {}", directory.display());
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(doing),
        };
        let mut versions = Vec::new();
        for entry in entries {
            let path = entry.with_context(doing)?.path();
            let is_component = path.extension().is_some_and(|ending| ending == COMPONENT);
            let version = path.file_stem().and_then(|stem| stem.to_str());
            let version = version.and_then(|version| Version::parse(version).ok());
            versions.extend(version.filter(|_| is_component));
        }
        Ok(versions)
    }

    /// A version of a package; `None` if it is not there.
    pub(super) fn get(&self, title: &Title, version: &str) -> Result<Option<Package>> {
        let file = |ending| self.file(title, version, ending);
        let Some(component) = read(&file(COMPONENT), MAX_COMPONENT_BYTES)? else {
            return Ok(None);
        };
        let manifest = file(MANIFEST);
        let Some(text) = read(&manifest, MAX_MANIFEST_BYTES)? else {
            bail!(
                "{title}@{version} has no manifest ({}): it is no package of Lockgate",
                manifest.display()
            );
        };
        let text = String::from_utf8(text).context("its manifest is not UTF-8 text")?;
        let package = Package::from_parts(&text, component).map_err(Error::from)?;
        let Some(signature) = read(&file(SIGNATURE), MAX_SIGNATURE_BYTES)? else {
            return Ok(Some(package));
        };
        let signature = String::from_utf8_lossy(&signature);
        let signature = signature.parse().map_err(Error::from)?;
        Ok(Some(package.with_signature(signature)))
    }

    /// Puts a version there, of which nothing was there before. The component comes last:
    /// with it the version is there.
    pub(super) fn put(&self, title: &Title, version: &str, package: &Package) -> Result<()> {
        let directory = self.directory(title);
        let doing = || format!("cannot write into {}", directory.display());
        std::fs::create_dir_all(&directory).with_context(doing)?;
        let write = |ending: &str, contents: &[u8]| -> Result<()> {
            let mut draft = draft(&directory).with_context(doing)?;
            draft.write_all(contents).with_context(doing)?;
            draft.as_file().sync_all().with_context(doing)?;
            draft
                .persist(self.file(title, version, ending))
                .with_context(doing)?;
            Ok(())
        };
        write(MANIFEST, package.manifest_text().as_bytes())?;
        if let Some(signature) = package.signature() {
            write(SIGNATURE, signature.to_text().as_bytes())?;
        }
        write(COMPONENT, package.component())
    }

    fn directory(&self, title: &Title) -> PathBuf {
        self.0.join(&title.namespace).join(&title.name)
    }

    fn file(&self, title: &Title, version: &str, ending: &str) -> PathBuf {
        self.directory(title).join(format!("{version}.{ending}"))
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.display())
    }
}

/// A file that others may read, as they usually may.
fn draft(directory: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    builder.tempfile_in(directory)
}

/// A file of at most so many bytes; `None` if it is not there.
fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let doing = || format!("cannot read {}", path.display());
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(doing),
    };
    let mut contents = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut contents)
        .with_context(doing)?;
    if contents.len() as u64 > limit {
        bail!("{} holds more than {limit} bytes", path.display());
    }
    Ok(Some(contents))
}
