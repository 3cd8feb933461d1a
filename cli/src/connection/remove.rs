//! `lockgate connection remove`.

use anyhow::Result;
use lockgate::Revocation;
use serde_json::json;

use crate::args::{Common, Shape, Target};
use crate::exit::Status;
use crate::{output, session};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  lockgate connection remove crm")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (tenant, name) = (&args.target.owner.tenant, &args.target.connection);
    let host = session::of(common, &args.target).await?;
    let connection = host.connection(tenant, name).await?;
    if let Err(error) = session::load_connector(&host, &connection, &args.target.owner).await {
        // A connection whose connector is lost can still be forgotten.
        output::warn(&format!(
            "without the connector nothing can be revoked: {error:#}"
        ));
    }
    let key = connection.key().clone();
    let revocation = host.remove_connection(tenant, name).await?;
    let (word, problem) = match &revocation {
        Revocation::Revoked => ("revoked", None),
        Revocation::NothingToRevoke => ("nothing-to-revoke", None),
        Revocation::NotOffered => ("not-offered", None),
        Revocation::Failed(error) => ("failed", Some(error.to_string())),
    };
    if args.shape.is_json() {
        output::json(&json!({
            "connection": key.to_string(),
            "removed": true,
            "revocation": word,
            "problem": problem,
        }))?;
    } else {
        let tokens = match revocation {
            Revocation::Revoked => "its tokens are revoked",
            Revocation::NothingToRevoke => "it had no tokens",
            Revocation::NotOffered => "its tokens end when they expire",
            Revocation::Failed(_) => "its tokens could not be revoked",
        };
        output::line(&format!("{key} is removed; {tokens}"))?;
    }
    if let Some(problem) = problem {
        output::warn(&format!(
            "{problem}; revoke them in the settings of the product"
        ));
    }
    Ok(Status::Done)
}
