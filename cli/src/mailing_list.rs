//! `lockgate mailing-list`: a small mailing-list service on this machine, until it is
//! told to stop. It plays the other system in syncs.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use mailing_list::{Config, MailingList};
use serde_json::json;

use crate::args::Shape;
use crate::exit::{self, Status};
use crate::output;

const EXAMPLES: &str = "\
Examples:
  lockgate mailing-list --listen 127.0.0.1:8090
  lockgate connection create list --connector mailing-list --local http://127.0.0.1:8090 \\
      --flow client-credentials --client-id mailing-list-client \\
      --client-secret mailing-list-secret
  lockgate query list 'Member {\"status\": \"subscribed\"}'";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Client id of the app that may ask for tokens
    #[arg(long, value_name = "ID", default_value = "mailing-list-client")]
    client_id: String,
    /// Client secret of that app
    #[arg(long, value_name = "SECRET", default_value = "mailing-list-secret")]
    client_secret: String,
    /// Calls that are answered within an hour
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    calls_an_hour: u64,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(args: Args) -> Result<Status> {
    let (client_id, client_secret) = (args.client_id.clone(), args.client_secret.clone());
    let list = MailingList::start(Config {
        listen: args.listen,
        client_id: args.client_id,
        client_secret: args.client_secret,
        calls_an_hour: args.calls_an_hour,
        ..Config::default()
    })
    .await
    .map_err(exit::may_listen_elsewhere)?;
    if args.shape.is_json() {
        output::json(&json!({
            "url": list.url(),
            "client_id": client_id,
            "client_secret": client_secret,
        }))?;
    } else {
        output::line(&format!("listening on {}", list.url()))?;
        output::line(&format!("client id      {client_id}"))?;
        output::line(&format!("client secret  {client_secret}"))?;
    }
    tokio::signal::ctrl_c()
        .await
        .context("cannot wait for the signal to stop")?;
    list.stop().await;
    Ok(Status::Done)
}
