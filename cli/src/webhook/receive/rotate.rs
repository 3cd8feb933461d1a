//! `lockgate webhook receive rotate`.

use std::path::PathBuf;

use anyhow::Result;
use lockgate::receiver::Address;
use lockgate::webhook::Secret;
use secrecy::ExposeSecret as _;

use super::definition::{self, end, replace};
use super::{Named, create};
use crate::args::{Common, Shape};
use crate::exit::{Status, usage};
use crate::run::control;
use crate::{input, kept, output};

const EXAMPLES: &str = "\
Examples:
  lockgate webhook receive rotate form --secret
      A new secret. The one before is good for another day: give the other side the new one
      meanwhile.
  lockgate webhook receive rotate leads --address
  lockgate webhook receive rotate leads --end
      The other side has the new ones: those before end now.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    webhook: Named,
    /// Make a new address
    #[arg(long, required_unless_present_any = ["secret", "end"])]
    address: bool,
    /// Make a new secret
    #[arg(long)]
    secret: bool,
    /// A file with the new secret that the other side has given, `-` for standard input
    #[arg(long, value_name = "FILE", requires = "secret")]
    secret_file: Option<PathBuf>,
    /// End all addresses and secrets but the newest now, and make no new one
    #[arg(long, conflicts_with_all = ["address", "secret"])]
    end: bool,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (host, mut webhook) = definition::find(common, &args.webhook).await?;
    let definition = &mut webhook.definition;
    let address = match args.address {
        true => Some(Address::generate()?),
        false => None,
    };
    if let Some(address) = &address {
        replace(&mut definition.addresses, address.digest());
    }
    if args.end {
        end(&mut definition.addresses);
        definition.secrets.iter_mut().for_each(end);
    }
    let secret = match (args.secret, &mut definition.secrets) {
        (false, _) => None,
        (true, None) => {
            return Err(usage(
                "what the product sends is not signed with a secret of ours: give it a new \
                 --address",
            ));
        }
        (true, Some(secrets)) => {
            let secret = match &args.secret_file {
                Some(file) => {
                    let secret = input::secret(file)?.expose_secret().parse::<Secret>();
                    secret.map_err(|error| usage(error.to_string()))?
                }
                None => Secret::generate()?,
            };
            replace(secrets, secret.expose().to_string());
            Some(secret)
        }
    };
    kept::keep(&host, &webhook).await?;
    control::reload(common).await?;
    create::told(&webhook, address.as_ref(), secret.as_ref(), args.shape)?;
    output::tell(match args.end {
        true => "only the newest is good now",
        false => "what it replaces is good for another day, or until --end",
    });
    Ok(Status::Done)
}
