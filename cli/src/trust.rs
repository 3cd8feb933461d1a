//! Whom this data directory trusts to sign packages, what is revoked, and the key that
//! it signs with itself.
//!
//! `packages/trust.json` and `packages/signing.key`, both for their owner only. What
//! this data directory has signed it trusts.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockgate::{Compiler, HostBuilder, PublicKey, Revoked, SigningKey};
use serde::{Deserialize, Serialize};

use crate::args::Common;
use crate::place;

const DIRECTORY: &str = "packages";
const TRUST: &str = "trust.json";
const KEY: &str = "signing.key";

/// What this program is started with to compile a package for one of its hosts. No
/// command for people.
pub(crate) const COMPILE: &str = "compile-for-host";

/// Whom the data directory trusts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Trust {
    /// Keys, each with what people call it.
    pub(crate) keys: BTreeMap<String, String>,
    pub(crate) revoked: Vec<Revoked>,
}

impl Trust {
    pub(crate) fn of(common: &Common) -> Result<Self> {
        let file = file(common, TRUST)?;
        match std::fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text)
                .with_context(|| format!("{} is damaged", file.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    pub(crate) fn save(&self, common: &Common) -> Result<()> {
        let file = file(common, TRUST)?;
        let text = serde_json::to_vec_pretty(self)?;
        let draft = draft(&file, &text)?;
        draft
            .persist(&file)
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(())
    }

    fn public_keys(&self) -> Result<Vec<PublicKey>> {
        let parsed = self.keys.keys().map(|key| key.parse());
        parsed
            .collect::<Result<_, _>>()
            .with_context(|| format!("{TRUST} in the data directory is damaged"))
    }
}

/// A host that trusts whom the data directory trusts.
pub(crate) fn trusting(common: &Common, mut builder: HostBuilder) -> Result<HostBuilder> {
    let trust = Trust::of(common)?;
    let own = own_key(common)?.map(|key| key.public());
    for key in trust.public_keys()?.into_iter().chain(own) {
        builder = builder.trust(key);
    }
    for revoked in trust.revoked {
        builder = builder.revoke(revoked);
    }
    Ok(match common.allow_unsigned {
        true => builder.allow_unsigned().compile_apart(compiler()?),
        false => builder,
    })
}

/// This program, which compiles what nobody trusted has signed in a process of its own.
fn compiler() -> Result<Compiler> {
    let program = match cfg!(target_os = "linux") {
        // What runs, also after another version was installed in its place.
        true => PathBuf::from("/proc/self/exe"),
        false => std::env::current_exe().context("cannot tell where this program is")?,
    };
    Ok(Compiler {
        arguments: vec![COMPILE.into()],
        ..Compiler::new(program)
    })
}

/// The key that this data directory signs with, if it ever has.
pub(crate) fn own_key(common: &Common) -> Result<Option<SigningKey>> {
    key_in(&file(common, KEY)?)
}

fn key_in(file: &Path) -> Result<Option<SigningKey>> {
    let doing = || format!("cannot use the signing key in {}", file.display());
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(doing),
    };
    let pkcs8 = STANDARD.decode(text.trim()).with_context(doing)?;
    SigningKey::from_pkcs8(&pkcs8).map(Some).with_context(doing)
}

/// The same, made if there is none yet.
pub(crate) fn own_or_new_key(common: &Common) -> Result<SigningKey> {
    own_or_new_key_in(&place::data_dir(common)?.join(DIRECTORY))
}

/// The same by the directory of packages.
pub(crate) fn own_or_new_key_in(packages: &Path) -> Result<SigningKey> {
    let file = packages.join(KEY);
    if let Some(key) = key_in(&file)? {
        return Ok(key);
    }
    let key = SigningKey::generate()?;
    let draft = draft(&file, STANDARD.encode(&*key.to_pkcs8()).as_bytes())?;
    match draft.persist_noclobber(&file) {
        Ok(_) => Ok(key),
        // Another command was faster: there is one key.
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
            key_in(&file)?.context("the signing key was removed meanwhile")
        }
        Err(error) => Err(error).with_context(|| format!("cannot write {}", file.display())),
    }
}

fn file(common: &Common, name: &str) -> Result<PathBuf> {
    Ok(place::data_dir(common)?.join(DIRECTORY).join(name))
}

/// A file beside `file`, durable, for its owner only.
fn draft(file: &Path, contents: &[u8]) -> Result<tempfile::NamedTempFile> {
    let directory = file.parent().unwrap_or(Path::new("."));
    let doing = || format!("cannot write into {}", directory.display());
    std::fs::create_dir_all(directory).with_context(doing)?;
    let mut draft = tempfile::NamedTempFile::new_in(directory).with_context(doing)?;
    draft.write_all(contents).with_context(doing)?;
    draft.as_file().sync_all().with_context(doing)?;
    Ok(draft)
}
