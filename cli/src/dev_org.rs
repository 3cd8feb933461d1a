//! `lockgate dev-org`: a Salesforce-compatible org on this machine, until it is
//! told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use dev_org::{Config, DevOrg, Edition};
use serde_json::json;

use crate::args::Shape;
use crate::exit::Status;
use crate::{exit, input, output};

const EXAMPLES: &str = "\
Examples:
  lockgate dev-org --listen 127.0.0.1:8080 --records 10000
  lockgate connection create dev --local http://127.0.0.1:8080 \\
      --client-id dev-org-client --client-secret dev-org-secret";

/// The largest schema file, in bytes.
const MAX_SCHEMA_BYTES: u64 = 4 * 1024 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Speak HTTPS, with a certificate authority made for this start
    #[arg(long)]
    tls: bool,
    /// The edition whose limits apply: developer, professional, enterprise,
    /// unlimited, performance or sandbox
    #[arg(long, value_name = "NAME", default_value = "developer")]
    edition: Edition,
    /// Plausible records to start with, spread over the objects
    #[arg(long, value_name = "N", default_value_t = 0)]
    records: usize,
    /// The same seed makes the same records
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Custom objects and fields, a TOML file; by default those of the demo:
    /// External_Id__c on most objects, and Invoice__c
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Added to every answer
    #[arg(long, value_name = "N", default_value_t = 0)]
    latency_ms: u64,
    /// Client id of the app that may log in
    #[arg(long, value_name = "ID", default_value = "dev-org-client")]
    client_id: String,
    /// Client secret of that app
    #[arg(long, value_name = "SECRET", default_value = "dev-org-secret")]
    client_secret: String,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(args: Args) -> Result<Status> {
    let schema = match &args.schema {
        Some(file) => input::read(file, MAX_SCHEMA_BYTES)?,
        None => dev_org::schema::DEMO.to_owned(),
    };
    let config = Config {
        listen: args.listen,
        tls: args.tls,
        edition: args.edition,
        records: args.records,
        seed: args.seed,
        schema: Some(schema),
        latency_ms: args.latency_ms,
        client_id: args.client_id,
        client_secret: args.client_secret,
        ..Config::default()
    };
    let (client_id, client_secret) = (config.client_id.clone(), config.client_secret.clone());
    let password = config.password.clone();
    let org = DevOrg::start(config)
        .await
        .map_err(exit::may_listen_elsewhere)?;
    let user = dev_org::org::ADMIN;
    if args.shape.is_json() {
        output::json(&json!({
            "url": org.url(),
            "client_id": client_id,
            "client_secret": client_secret,
            "user": user,
            "password": password,
            "ca": org.ca_pem_path(),
        }))?;
    } else {
        output::line(&format!("listening on {}", org.url()))?;
        output::line(&format!("client id      {client_id}"))?;
        output::line(&format!("client secret  {client_secret}"))?;
        output::line(&format!("user           {user}"))?;
        output::line(&format!("password       {password}"))?;
        if let Some(ca) = org.ca_pem_path() {
            output::line(&format!("ca             {}", ca.display()))?;
        }
    }
    tokio::signal::ctrl_c()
        .await
        .context("cannot wait for the signal to stop")?;
    org.stop().await;
    Ok(Status::Done)
}
