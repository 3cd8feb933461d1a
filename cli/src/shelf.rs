//! The shelf: versions of packages that were installed in the data directory, and which
//! of them are used.
//!
//! `packages/NAME/VERSION/` holds a version, as `lockgate package build` writes one, and
//! `packages/NAME/course.json` says which versions calls go to. A version never changes
//! once it is there, and the course is replaced as a whole.

mod course;
mod standing;
mod wish;

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use lockgate::{Host, MANIFEST_FILE, Package, SIGNATURE_FILE, VersionChange};
use semver::Version;

pub(crate) use course::{Canary, Course, is_revoked};
pub(crate) use standing::{Standing, Standings, all_waiting};
pub(crate) use wish::{Wish, carry_out};

use crate::args::Common;
use crate::exit::{advised, usage};
use crate::{packages, place, trust};

/// The directory in the data directory.
const DIRECTORY: &str = "packages";
const COURSE: &str = "course.json";
const LOCK: &str = ".lock";

/// The packages that are installed.
#[derive(Clone, Debug)]
pub(crate) struct Shelf(PathBuf);

impl Shelf {
    pub(crate) fn of(common: &Common) -> Result<Self> {
        Ok(Self(place::data_dir(common)?.join(DIRECTORY)))
    }

    /// That of a host's data directory.
    pub(crate) fn of_host(host: &Host) -> Self {
        Self(host.data_dir().join(DIRECTORY))
    }

    /// The names of packages, in order.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        self.entries(&self.0)
    }

    /// The versions of a package, from the oldest to the newest.
    pub(crate) fn versions(&self, name: &str) -> Result<Vec<String>> {
        if !self.names()?.iter().any(|known| known == name) {
            return Ok(Vec::new());
        }
        let mut versions: Vec<Version> = self
            .entries(&self.0.join(name))?
            .iter()
            .filter_map(|version| Version::parse(version).ok())
            .collect();
        versions.sort();
        Ok(versions.iter().map(Version::to_string).collect())
    }

    /// Puts a package on the shelf; false if it is there already.
    ///
    /// # Errors
    /// If another package has its name and version.
    pub(crate) fn install(&self, package: &Package) -> Result<bool> {
        let (name, version) = (package.name(), package.manifest().package.version.as_str());
        let there = self.0.join(name).join(version);
        if there.exists() {
            let known = Package::open(&there).map_err(lockgate::Error::from)?;
            if known.digest() == package.digest()
                && known.manifest_text() == package.manifest_text()
            {
                // The same, but perhaps somebody has signed it since.
                if let Some(signature) = package.signature() {
                    std::fs::write(there.join(SIGNATURE_FILE), signature.to_text())?;
                }
                return Ok(false);
            }
            return Err(advised(
                format!("another package is installed as {name} {version}"),
                "a version never changes once it is installed: give this one another version in \
                 its package.toml",
            ));
        }
        let doing = || format!("cannot write into {}", there.display());
        std::fs::create_dir_all(self.0.join(name)).with_context(doing)?;
        // It appears whole or not at all.
        let draft = tempfile::tempdir_in(self.0.join(name)).with_context(doing)?;
        let file = &package.manifest().package.component;
        write(&draft.path().join(file), package.component()).with_context(doing)?;
        let manifest = package.manifest_text().as_bytes();
        write(&draft.path().join(MANIFEST_FILE), manifest).with_context(doing)?;
        if let Some(signature) = package.signature() {
            let text = signature.to_text();
            write(&draft.path().join(SIGNATURE_FILE), text.as_bytes()).with_context(doing)?;
        }
        std::fs::rename(draft.path(), &there).with_context(doing)?;
        sync_directory(&self.0.join(name)).with_context(doing)?;
        Ok(true)
    }

    /// Takes a version off the shelf.
    ///
    /// # Errors
    /// If it is not there, or something needs it.
    pub(crate) fn remove(&self, name: &str, version: &str) -> Result<()> {
        self.holds(name, version)?;
        let package = self.0.join(name);
        self.change(name, |course| {
            if let Some(need) = course.need_of(version) {
                return Err(advised(
                    format!("{name} {version} stays: {}", need.why),
                    need.way_out,
                ));
            }
            let doing = || format!("cannot remove {name} {version} from {}", package.display());
            // It is gone as a whole or not at all.
            let away = tempfile::tempdir_in(&package).with_context(doing)?;
            std::fs::rename(package.join(version), away.path().join(version))
                .with_context(doing)?;
            sync_directory(&package).with_context(doing)?;
            away.close().with_context(doing)
        })
    }

    /// A version of a package.
    pub(crate) fn package(&self, name: &str, version: &str) -> Result<Package> {
        self.holds(name, version)?;
        packages::open(&self.0.join(name).join(version))
    }

    /// Whether a version is there.
    ///
    /// # Errors
    /// If not, with those that are.
    fn holds(&self, name: &str, version: &str) -> Result<()> {
        let versions = self.versions(name)?;
        if !versions.iter().any(|known| known == version) {
            let there = match versions.is_empty() {
                true => "no version of it is".to_owned(),
                false => versions.join(", "),
            };
            return Err(advised(
                format!("{name} {version} is not installed, but {there}"),
                "install it with `lockgate package install DIR`",
            ));
        }
        Ok(())
    }

    /// Which versions of a package are used; `None` if none was ever installed.
    pub(crate) fn course(&self, name: &str) -> Result<Option<Course>> {
        if !self.names()?.iter().any(|known| known == name) {
            return Ok(None);
        }
        let file = self.0.join(name).join(COURSE);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        let course = serde_json::from_str(&text);
        course
            .map(Some)
            .with_context(|| format!("{} is damaged", file.display()))
    }

    /// Changes the course of a package, with nobody else doing so meanwhile.
    ///
    /// # Errors
    /// Those of `change`; then the course is as it was.
    pub(crate) fn change<T>(
        &self,
        name: &str,
        change: impl FnOnce(&mut Course) -> Result<T>,
    ) -> Result<T> {
        let _lock = self.lock()?;
        let mut course = match self.course(name)? {
            Some(course) => course,
            None => self.first_course(name)?,
        };
        let changed = change(&mut course)?;
        self.save(name, &course)?;
        Ok(changed)
    }

    /// Takes over what hosts do by themselves: nobody else would remember it.
    pub(crate) fn follower(&self) -> impl Fn(&str, &VersionChange) + Send + Sync + use<> {
        let shelf = self.clone();
        move |name: &str, change: &VersionChange| {
            if !change.what.is_automatic() {
                return;
            }
            let followed = shelf.change(name, |course| {
                course.follow(change.clone());
                Ok(())
            });
            if let Err(error) = followed {
                tracing::error!(package = name, %error, "a change of versions was not kept");
            }
        }
    }

    /// The course of a package that had none: the version that the binary carries, which
    /// is put on the shelf for a way back, or the newest that is there.
    fn first_course(&self, name: &str) -> Result<Course> {
        if let Some(package) = packages::built_in(name) {
            let package = package?;
            let version = package.manifest().package.version.clone();
            // If another one was installed under its version, that one is meant.
            if !self.versions(name)?.contains(&version) {
                // The program that comes after this one does not carry it any more.
                let signature = trust::own_or_new_key_in(&self.0)?.sign(&package);
                self.install(&package.with_signature(signature))?;
            }
            return Ok(Course::new(version));
        }
        let versions = self.versions(name)?;
        versions.last().cloned().map(Course::new).ok_or_else(|| {
            usage(format!(
                "no package `{name}` is installed: install one with `lockgate package install DIR`"
            ))
        })
    }

    fn save(&self, name: &str, course: &Course) -> Result<()> {
        let directory = self.0.join(name);
        let doing = || format!("cannot write into {}", directory.display());
        let mut draft = tempfile::NamedTempFile::new_in(&directory).with_context(doing)?;
        serde_json::to_writer_pretty(&mut draft, course)?;
        draft.as_file().sync_all().with_context(doing)?;
        draft.persist(directory.join(COURSE)).with_context(doing)?;
        sync_directory(&directory).with_context(doing)
    }

    fn lock(&self) -> Result<File> {
        let path = self.0.join(LOCK);
        let doing = || format!("cannot lock {}", path.display());
        std::fs::create_dir_all(&self.0).with_context(doing)?;
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).open(&path);
        let file = file.with_context(doing)?;
        file.lock().with_context(doing)?;
        Ok(file)
    }

    /// The names in a directory but for hidden ones and drafts.
    fn entries(&self, directory: &Path) -> Result<Vec<String>> {
        let doing = || format!("cannot read {}", directory.display());
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(doing),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.with_context(doing)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

fn write(path: &Path, contents: &[u8]) -> std::io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

/// What was renamed into a directory stays there through a power cut.
fn sync_directory(directory: &Path) -> std::io::Result<()> {
    match cfg!(unix) {
        true => File::open(directory)?.sync_all(),
        false => Ok(()),
    }
}
