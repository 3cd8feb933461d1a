//! `lockgate webhook receive create`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use lockgate::ConnectionKey;
use lockgate::receiver::{Address, Until};
use lockgate::webhook::Secret;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value as Json, json};
use url::Url;

use super::definition::{Definition, Into, Webhook};
use crate::args::{Common, Shape, Target};
use crate::exit::{Status, advised, usage};
use crate::plugin_argument::plugin;
use crate::run::control;
use crate::sync::definition::Plugin;
use crate::sync::open;
use crate::{input, kept, output, session};

const EXAMPLES: &str = "\
Examples:
  lockgate webhook receive create crm --name leads --product --base-url https://hooks.example.com
      For what the org sends by itself: outbound messages, of Salesforce. They stay in the
      inbox: `lockgate webhook receive inbox leads`.
  lockgate webhook receive create crm --name form --signed --into Lead --key Email \\
      --plugin lead-scorer=rules.json --setting auto_assign=true
      For anybody who has the secret that is shown. Each JSON object becomes a lead, found
      by its e-mail address, with a score and by the org's assignment rule.
  lockgate run --listen 127.0.0.1:8723
      Takes them, and has records written.

With --key a record that comes twice, or whose write was cut off, is there once. Without
it a record is created each time, and one of which nobody knows whether it was created is
given up rather than created twice: `lockgate webhook receive letters form`.
Something in front of `lockgate run` may end TLS and pass requests on; it must not log
addresses, which are secret. Otherwise see `lockgate help run` for --tls-cert.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// The webhook's name, unique for the tenant
    #[arg(long, value_name = "NAME")]
    name: String,
    #[command(flatten)]
    source: Source,
    /// A file with the secret that the other side has given, `-` for standard input; by
    /// default one is made
    #[arg(long, value_name = "FILE", requires = "signed")]
    secret_file: Option<PathBuf>,
    /// What stands before the secret part of the address, as the other side reaches it
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8723")]
    base_url: Url,
    /// Write what comes into this object, as records
    #[arg(long, value_name = "OBJECT")]
    into: Option<String>,
    /// The field whose value tells which record is meant, an external id; without it
    /// records are created
    #[arg(long, value_name = "FIELD", requires = "into")]
    key: Option<String>,
    /// A plugin that each record goes through, a package directory or the name of a
    /// built-in one, perhaps with its settings, a JSON file; repeat it for more
    #[arg(long = "plugin", value_name = "PACKAGE[=FILE]", value_parser = plugin, requires = "into")]
    plugins: Vec<Plugin>,
    /// A setting of the connection for these records; the value is JSON, or else text.
    /// as in `lockgate connection change --settings`; repeat it for more
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting, requires = "into")]
    settings: Vec<(String, Json)>,
    #[command(flatten)]
    shape: Shape,
}

/// Who sends it.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// The org sends it, in its own way, which the connector knows
    #[arg(long)]
    product: bool,
    /// Anybody sends it who has the secret, signed as Standard Webhooks says
    #[arg(long)]
    signed: bool,
}

impl Args {
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let address = Address::generate()?;
    let secret = secret(&args)?;
    let webhook = webhook(&args, &address, secret.as_ref())?;
    let (host, connection) = session::connect(common, &args.target).await?;
    kept::must_be_new(&host, &webhook).await?;
    if args.source.product {
        // A connector without webhooks refuses any request; the others refuse to take
        // this one for theirs.
        let nothing = hyper::Request::default();
        let received = connection.receive(&nothing).await;
        received.context("this connection sends nothing by itself")?;
    }
    if let Some(into) = &webhook.definition.into {
        // What is wrong is told now rather than with the first record.
        open::load_all(&host, &into.plugins).await?;
        let connection = connection.with_settings(into.settings.clone());
        let described = connection.describe(&into.object).await;
        let described = described.with_context(|| format!("cannot describe {}", into.object))?;
        if let Some(key) = &into.key_field {
            let field = described.fields.iter().find(|field| field.name == *key);
            if field.is_none_or(|field| !field.external_id) {
                return Err(advised(
                    format!(
                        "{key} is no field of {} that tells records apart",
                        into.object
                    ),
                    format!(
                        "see its external ids with `lockgate describe {} {}`",
                        args.target.as_arguments(),
                        into.object
                    ),
                ));
            }
        }
    }
    kept::keep(&host, &webhook).await?;
    let is_at_work = control::reload(common).await?;
    told(&webhook, Some(&address), secret.as_ref(), args.shape)?;
    if !is_at_work {
        output::tell("nothing takes it yet: `lockgate run --listen ADDRESS` does");
    }
    Ok(Status::Done)
}

fn secret(args: &Args) -> Result<Option<Secret>> {
    match (&args.secret_file, args.source.signed) {
        (_, false) => Ok(None),
        (None, true) => Ok(Some(Secret::generate()?)),
        (Some(file), true) => {
            let secret = input::secret(file)?;
            let secret = secret.expose_secret().parse::<Secret>();
            secret.map(Some).map_err(|error| usage(error.to_string()))
        }
    }
}

fn webhook(args: &Args, address: &Address, secret: Option<&Secret>) -> Result<Webhook> {
    let owner = &args.target.owner;
    let key = |name: &str| {
        ConnectionKey::new(&owner.tenant, name).map_err(|error| usage(error.to_string()))
    };
    // It is written where names of connections are.
    key(&args.name)?;
    let is_web = matches!(args.base_url.scheme(), "http" | "https");
    if !is_web || args.base_url.query().is_some() || args.base_url.fragment().is_some() {
        return Err(usage(format!(
            "{} is no http:// or https:// address without anything behind its path",
            args.base_url
        )));
    }
    let settings: Map<String, Json> = args.settings.iter().cloned().collect();
    let into = args.into.as_ref().map(|object| Into {
        object: object.clone(),
        key_field: args.key.clone(),
        plugins: args.plugins.clone(),
        settings: Json::Object(settings),
    });
    let package = owner.package.as_deref().map(std::path::absolute);
    Ok(Webhook {
        name: args.name.clone(),
        connection: key(&args.target.connection)?,
        definition: Definition {
            addresses: vec![Until::ever(address.digest())],
            secrets: secret.map(|secret| vec![Until::ever(secret.expose().to_string())]),
            base_url: args.base_url.as_str().trim_end_matches('/').to_owned(),
            into,
            package: package.transpose()?,
        },
    })
}

/// `NAME=VALUE`.
fn setting(text: &str) -> Result<(String, Json), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("give a name and a value: NAME=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Json::from(value));
    Ok((name.to_owned(), value))
}

/// Shows what is shown once.
pub(super) fn told(
    webhook: &Webhook,
    address: Option<&Address>,
    secret: Option<&Secret>,
    shape: Shape,
) -> Result<()> {
    let base_url = &webhook.definition.base_url;
    let url = address.map(|address| format!("{base_url}/hooks/{}", address.expose()));
    let secret = secret.map(Secret::expose);
    let secret = secret.as_ref().map(|secret| secret.as_str());
    if shape.is_json() {
        return output::json(&json!({
            "tenant": webhook.connection.tenant(),
            "name": webhook.name,
            "url": url,
            "secret": secret,
        }));
    }
    for (what, shown) in [("address", url.as_deref()), ("secret", secret)] {
        if let Some(shown) = shown {
            output::line(&format!("{what}: {shown}"))?;
        }
    }
    if url.is_some() || secret.is_some() {
        output::tell("keep this: it is not shown again");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_setting_is_json_or_else_text() {
        let read = |text: &str| setting(text).unwrap().1;
        assert_eq!(read("auto_assign=true"), json!(true));
        assert_eq!(
            read("auto_assign=01Q000000000001AAA"),
            json!("01Q000000000001AAA")
        );
        assert_eq!(read("a={\"b\": 1}"), json!({"b": 1}));
        assert!(setting("auto_assign").is_err());
    }
}
