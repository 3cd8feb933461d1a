//! `lockgate webhook create`.

use anyhow::Result;
use clap::builder::RangedU64ValueParser;
use lockgate::{ConnectionKey, Host, SubscribeOptions};
use serde_json::json;

use super::definition::{Definition, KeptSecret, Webhook};
use super::{list, open};
use crate::args::{Common, Shape, Target};
use crate::exit::{Status, usage};
use crate::progress::Progress;
use crate::run::control;
use crate::{kept, output, session, text};

const EXAMPLES: &str = "\
Examples:
  lockgate webhook create crm Account Contact --to https://app.example.com/hooks
      Prints the secret that requests are signed with, once. `lockgate run` sends them.
  lockgate webhook create crm Order_Event__e --to http://127.0.0.1:3000/hooks --allow-local
      To an app on this machine.
  LOCKGATE_WEBHOOK_TO=https://app.example.com/hooks?key=… \\
      lockgate webhook create crm Lead --name leads --leave-own --tries 20

Each event is a POST as Standard Webhooks says (www.standardwebhooks.com), with a body
of `type`, `timestamp` and `data`; the types are record.created, record.updated,
record.deleted, record.undeleted, record.stale (it changed: read it),
message.published and events.missed (read everything once).
An app answers 2xx within 20 s once it has kept the event. It gets everything at least
once, in no certain order: `webhook-id` tells what it has done already, `timestamp`
which is newer. Anything else than 2xx is sent again after 5 s, 5 min, 30 min, 2 h and
so on, 10 times within three days, and then is a dead letter; 410 ends the webhook.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// What to tell of: API names of objects, for changes of their records, and of kinds
    /// of message that the org publishes
    #[arg(value_name = "SOURCE", required = true)]
    sources: Vec<String>,
    /// Where to send it, https://…; better in the environment if something in it is a
    /// secret, since others on this machine can see arguments
    #[arg(
        long,
        value_name = "URL",
        env = "LOCKGATE_WEBHOOK_TO",
        hide_env_values = true
    )]
    to: String,
    /// The webhook's name, unique for the tenant; by default that of the connection
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The address may be in the own network, on any port, and http:// if it is on this
    /// machine
    #[arg(long)]
    allow_local: bool,
    /// Leave out changes that came through Lockgate itself
    #[arg(long)]
    leave_own: bool,
    /// How to hear of events, by the connector's name of it; by default the connector
    /// chooses
    #[arg(long, value_name = "NAME")]
    way: Option<String>,
    /// How often an event is sent before it is a dead letter
    #[arg(long, value_name = "N", default_value_t = 10,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=100))]
    tries: u32,
    #[command(flatten)]
    shape: Shape,
}

impl Args {
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let webhook = webhook(&args)?;
    let host = session::of(common, &args.target).await?;
    kept::must_be_new(&host, &webhook).await?;
    let courier = match open::courier(&host, &webhook).await {
        Err(error) if would_do_locally(&host, &webhook).await => {
            return Err(usage(format!("{error}; with --allow-local it is taken")));
        }
        other => other?,
    };
    {
        // Whether the org tells of these is told now rather than at night.
        let _progress = Progress::spinner("asking the org whether it tells of this");
        let key = &webhook.connection;
        let connection = host.connection(key.tenant(), key.name()).await?;
        session::load_connector(&host, &connection, &args.target.owner).await?;
        let options = SubscribeOptions {
            way: args.way.clone(),
            ..SubscribeOptions::default()
        };
        connection.subscribe(&args.sources, options).await?;
    }
    // What one of the same name has left.
    courier.queue().erase().await?;
    kept::keep(&host, &webhook).await?;
    let is_at_work = control::reload(common).await?;
    tell(&webhook, args.shape)?;
    if !is_at_work {
        output::tell("have it at work with `lockgate run`");
    }
    output::tell(&format!(
        "see whether it arrives with `lockgate webhook test {}`",
        webhook.as_arguments()
    ));
    Ok(Status::Done)
}

fn webhook(args: &Args) -> Result<Webhook> {
    let owner = &args.target.owner;
    let key = |name: &str| {
        ConnectionKey::new(&owner.tenant, name).map_err(|error| usage(error.to_string()))
    };
    let name = args.name.as_ref().unwrap_or(&args.target.connection);
    // It is written where names of connections are.
    key(name)?;
    let package = owner.package.as_deref().map(std::path::absolute);
    Ok(Webhook {
        name: name.clone(),
        connection: key(&args.target.connection)?,
        definition: Definition {
            sources: args.sources.clone(),
            to: args.to.clone(),
            secrets: vec![KeptSecret::generate()?],
            package: package.transpose()?,
            way: args.way.clone(),
            tells_own: !args.leave_own,
            allows_local: args.allow_local,
            max_tries: args.tries,
            is_paused: false,
            gone_ms: None,
        },
    })
}

/// Whether an address that was refused is right but for where it leads.
async fn would_do_locally(host: &Host, webhook: &Webhook) -> bool {
    let mut local = webhook.clone();
    local.definition.allows_local = true;
    open::courier(host, &local).await.is_ok()
}

fn tell(webhook: &Webhook, shape: Shape) -> Result<()> {
    let definition = &webhook.definition;
    let secret = definition.secrets.first().map(|secret| &secret.text);
    if shape.is_json() {
        let mut told = list::json(webhook);
        if let Some(members) = told.as_object_mut() {
            members.insert("secret".to_owned(), json!(secret));
        }
        return output::json(&told);
    }
    output::line(&format!(
        "{} is set up: {} of {} to {}",
        webhook.title(),
        text::clean(&definition.sources.join(", ")),
        webhook.connection,
        text::clean(&definition.shown())
    ))?;
    tell_secret(secret.map_or("", String::as_str))
}

/// Shows a secret, the only time.
pub(super) fn tell_secret(secret: &str) -> Result<()> {
    output::tell("the app verifies with this secret, which is not shown again:");
    output::line(secret)
}
