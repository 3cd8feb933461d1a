//! `lockgate package publish`, and where `install --from` gets packages.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use crate::args::{Common, Shape};
use crate::exit::{Status, advised, usage};
use crate::progress::Progress;
use crate::registry::{Login, NAMESPACE, Published, Registry, Title};
use crate::{input, output, packages};

const EXAMPLES: &str = "\
Examples:
  lockgate package publish ./target/package --to ./registry
      Writes lockgate/NAME/VERSION.wasm, with manifest and signature beside it, where `wkg`
      finds the component as well.
  lockgate package publish ./target/package --to oci://ghcr.io/acme --namespace tools
      As ghcr.io/acme/tools/NAME:VERSION, a Wasm artifact of the CNCF.
  lockgate package install tools:NAME@VERSION --from oci://ghcr.io/acme

Only registries on this machine are spoken to without TLS. Whoever is logged in with `docker
login` or the like needs neither --user nor --password-file.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The package's directory, with package.toml, its component and its signature
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The registry: a folder, or oci://HOST/PATH
    #[arg(long, value_name = "PLACE")]
    to: String,
    /// Whose package it is there
    #[arg(long, value_name = "NAME", default_value = NAMESPACE)]
    namespace: String,
    #[command(flatten)]
    account: Account,
    #[command(flatten)]
    shape: Shape,
}

/// Who one is at a registry.
#[derive(Debug, clap::Args)]
pub(super) struct Account {
    /// Your name at an OCI registry
    #[arg(long, value_name = "NAME", requires = "password_file")]
    user: Option<String>,
    /// A file with your password or token there; `-` for standard input
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
}

impl Account {
    /// The registry at a place, for who one is there.
    pub(super) fn at(&self, place: &str) -> Result<Registry> {
        let registry = Registry::at(place)?;
        let (Some(user), Some(file)) = (&self.user, &self.password_file) else {
            return Ok(registry);
        };
        let login = Login {
            user: user.clone(),
            password: input::secret(file)?,
        };
        registry
            .logged_in(login)
            .ok_or_else(|| usage("a folder has no accounts: leave out --user and --password-file"))
    }
}

pub(super) async fn run(common: &Common, args: Args) -> Result<Status> {
    let package = packages::open(&args.directory)?;
    let head = &package.manifest().package;
    let title = Title::new(&args.namespace, &head.name)?;
    let directory = args.directory.display();
    match package.signature() {
        Some(signature) if !signature.is_of(&package) => {
            return Err(advised(
                format!("{} was changed after it was signed", head.name),
                format!("sign it again with `lockgate package sign {directory}`"),
            ));
        }
        None if !common.allow_unsigned => {
            return Err(advised(
                format!("nobody has signed {}, so nobody would load it", head.name),
                format!("sign it with `lockgate package sign {directory}`"),
            ));
        }
        _ => {}
    }
    let registry = args.account.at(&args.to)?;
    let published = {
        let _progress = Progress::spinner(format!("publishing {title}@{}", head.version));
        registry.publish(&title, &package).await?
    };
    if args.shape.is_json() {
        output::json(&json!({
            "namespace": title.namespace,
            "name": title.name,
            "version": head.version,
            "digest": package.digest(),
            "is_new": published == Published::Now,
        }))?;
        return Ok(Status::Done);
    }
    let what = match published {
        Published::Now => "is published",
        Published::Before => "was published before",
    };
    output::line(&format!(
        "{title}@{} {what}: `lockgate package install {title}@{} --from {registry}`",
        head.version, head.version
    ))?;
    Ok(Status::Done)
}
