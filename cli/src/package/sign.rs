//! `lockgate package sign`, `key`, `trust`, `distrust` and `revoke`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use lockgate::{Package, PublicKey, Revoked, SIGNATURE_FILE};
use serde_json::json;

use crate::args::{Common, Shape};
use crate::exit::{Status, usage};
use crate::trust::{self, Trust};
use crate::{output, packages, table};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  lockgate package sign ./target/package")]
pub(super) struct SignArgs {
    /// The package's directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  lockgate package key\n      What others give to `lockgate package trust`."
)]
pub(super) struct KeyArgs {
    #[command(flatten)]
    shape: Shape,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate package trust\n      Whom this data directory trusts, and what is revoked.\n  lockgate package trust ed25519:… --name \"Acme plugins\""
)]
pub(super) struct TrustArgs {
    /// Who signs, as `lockgate package key` says it there; without it, all are listed
    #[arg(value_name = "KEY")]
    key: Option<PublicKey>,
    /// What to call it
    #[arg(long, value_name = "TEXT", default_value = "")]
    name: String,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  lockgate package distrust ed25519:…")]
pub(super) struct DistrustArgs {
    /// Who signs
    #[arg(value_name = "KEY")]
    key: PublicKey,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate package revoke my-connector 0.2.0\n      Neither that version nor an older one is loaded any more.\n  lockgate package revoke --digest 5f3a…\n  lockgate package revoke --key ed25519:…"
)]
pub(super) struct RevokeArgs {
    /// The package
    #[arg(value_name = "NAME", requires = "version", required_unless_present_any = ["digest", "key"])]
    name: Option<String>,
    /// Its newest version that is not to be loaded
    version: Option<semver::Version>,
    /// A component by its SHA-256, in hexadecimal
    #[arg(long, value_name = "HEX", conflicts_with_all = ["name", "key"])]
    digest: Option<String>,
    /// All that this key has signed
    #[arg(long, value_name = "KEY", conflicts_with = "name")]
    key: Option<PublicKey>,
}

/// Signs the package in a directory with this data directory's key, in the place of
/// whoever has signed it before.
pub(crate) fn sign_in(common: &Common, directory: &Path) -> Result<Package> {
    let old = directory.join(SIGNATURE_FILE);
    if old.exists() {
        std::fs::remove_file(&old).with_context(|| format!("cannot replace {}", old.display()))?;
    }
    let package = packages::open(directory)?;
    let signature = trust::own_or_new_key(common)?.sign(&package);
    let file = directory.join(SIGNATURE_FILE);
    std::fs::write(&file, signature.to_text())
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(package.with_signature(signature))
}

pub(super) fn sign(common: &Common, args: &SignArgs) -> Result<Status> {
    let package = sign_in(common, &args.directory)?;
    let version = &package.manifest().package.version;
    let key = trust::own_or_new_key(common)?.public();
    output::line(&format!("{} {version} is signed by {key}", package.name()))?;
    Ok(Status::Done)
}

pub(super) fn key(common: &Common, args: &KeyArgs) -> Result<Status> {
    let key = trust::own_or_new_key(common)?.public();
    match args.shape.is_json() {
        true => output::json(&json!({ "key": key }))?,
        false => output::line(&key.to_string())?,
    }
    Ok(Status::Done)
}

pub(super) fn trust(common: &Common, args: TrustArgs) -> Result<Status> {
    let mut trust = Trust::of(common)?;
    if let Some(key) = args.key {
        trust.keys.insert(key.to_string(), args.name);
        trust.save(common)?;
        output::tell(&format!(
            "packages that {key} has signed are loaded from now on"
        ));
        return Ok(Status::Done);
    }
    let own = trust::own_key(common)?.map(|key| key.public().to_string());
    if args.shape.is_json() {
        output::json(&json!({
            "own_key": own,
            "keys": trust.keys,
            "revoked": trust.revoked,
        }))?;
        return Ok(Status::Done);
    }
    let own = own.map(|key| {
        [
            "trusted".to_owned(),
            key,
            "this data directory's own".to_owned(),
        ]
    });
    let keys = trust.keys.into_iter();
    let keys = keys.map(|(key, name)| ["trusted".to_owned(), key, name]);
    let revoked = trust.revoked.iter();
    let revoked = revoked.map(|what| ["revoked".to_owned(), what.to_string(), String::new()]);
    let rows: Vec<_> = own.into_iter().chain(keys).chain(revoked).collect();
    if rows.is_empty() {
        output::tell("nobody is trusted but what the program carries");
        return Ok(Status::Done);
    }
    table::print(["", "what", "name"], rows)?;
    Ok(Status::Done)
}

pub(super) fn distrust(common: &Common, args: &DistrustArgs) -> Result<Status> {
    let mut trust = Trust::of(common)?;
    if trust.keys.remove(&args.key.to_string()).is_none() {
        return Err(usage(format!(
            "{} is not trusted; see `lockgate package trust`",
            args.key
        )));
    }
    trust.save(common)?;
    Ok(Status::Done)
}

pub(super) fn revoke(common: &Common, args: RevokeArgs) -> Result<Status> {
    let revoked = match (args.name, args.version, args.digest, args.key) {
        (Some(package), Some(version), ..) => Revoked::Version {
            package,
            version: version.to_string(),
        },
        (_, _, Some(digest), _) => Revoked::Digest(digest),
        (_, _, _, Some(key)) => Revoked::Key(key),
        _ => return Err(usage("say what to revoke: NAME VERSION, --digest or --key")),
    };
    let mut trust = Trust::of(common)?;
    if !trust.revoked.contains(&revoked) {
        trust.revoked.push(revoked.clone());
        trust.save(common)?;
    }
    output::tell(&format!(
        "{revoked}: no command loads it any more; start `lockgate run` again if it is at work"
    ));
    Ok(Status::Done)
}
