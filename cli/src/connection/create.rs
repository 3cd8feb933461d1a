//! `lockgate connection create`.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use lockgate::auth::AuthError;
use lockgate::store::StoreError;
use lockgate::{ConnectionState, Error, Flow, Host, LoginTo, NewConnection, Reserve};
use secrecy::SecretString;
use serde_json::Value as Json;

use super::consent::{self, Given};
use super::reserve::ReserveArgs;
use super::view;
use crate::args::{Common, Owner, Shape};
use crate::authorize::{self, LoginArgs, Visitor};
use crate::exit::{Status, advised, tenant_argument, usage};
use crate::interrupt::Interrupt;
use crate::{input, output, packages, roots, session};

const EXAMPLES: &str = "\
Examples:
  lockgate connection create crm --login production --client-id ID
      A person logs in; your app needs the redirect URI http://127.0.0.1:8722/callback.
  lockgate connection create crm --login my-domain --subdomain acme--dev.sandbox --client-id ID
  LOCKGATE_CLIENT_SECRET=… lockgate connection create nightly --login my-domain \\
      --subdomain acme --client-id ID --flow client-credentials
  lockgate connection create erp --login production --client-id ID --flow jwt-bearer \\
      --private-key-file key.pem --username robot@example.com
  lockgate connection create dev --local http://127.0.0.1:8080 \\
      --client-id dev-org-client --client-secret dev-org-secret
  lockgate connection create crm --login production --client-id ID --grant http,storage,quota
      No event streams; `lockgate connection grants crm` shows what it may do.";

/// Where the product sends the person back to, unless told otherwise.
const REDIRECT_URI: &str = "http://127.0.0.1:8722/callback";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The connection's name, unique for the tenant
    name: String,
    #[command(flatten)]
    owner: Owner,
    /// The connector to run
    #[arg(long, value_name = "NAME", default_value = "salesforce")]
    connector: String,
    /// Where people log in: one of the connector's login hosts, such as
    /// production, sandbox or my-domain
    #[arg(long, value_name = "HOST", required_unless_present = "local")]
    login: Option<String>,
    /// Your own subdomain, for a login host that needs one
    #[arg(long, value_name = "NAME", requires = "login")]
    subdomain: Option<String>,
    /// An org on this machine or in the own network, for development: exactly
    /// this origin can be reached
    #[arg(long, value_name = "ORIGIN", conflicts_with_all = ["login", "subdomain"])]
    local: Option<String>,
    /// The certificate authority that a local org's certificate is from (PEM)
    #[arg(long, value_name = "FILE", requires = "local")]
    ca: Option<PathBuf>,
    /// The client id (consumer key) of your app at the product
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// The app's client secret; better in a file or in the environment, since
    /// others on this machine can see arguments
    #[arg(
        long,
        value_name = "SECRET",
        env = "LOCKGATE_CLIENT_SECRET",
        hide_env_values = true
    )]
    client_secret: Option<SecretString>,
    /// A file with the client secret; `-` for standard input
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// How to authorise
    #[arg(long, value_enum, default_value_t, value_name = "FLOW")]
    flow: FlowName,
    /// Where the product sends the person back to; exactly as your app has it
    #[arg(long, value_name = "URI", default_value = REDIRECT_URI)]
    redirect_uri: String,
    /// The RSA key that signs, for jwt-bearer (PEM)
    #[arg(long, value_name = "FILE", required_if_eq("flow", "jwt-bearer"))]
    private_key_file: Option<PathBuf>,
    /// The user to act for, for jwt-bearer
    #[arg(long, value_name = "NAME", required_if_eq("flow", "jwt-bearer"))]
    username: Option<String>,
    /// A scope to ask for, in place of the connector's defaults; repeat it for more
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// The connector's settings, a JSON file
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// What the connector may do: http, storage, quota, stream, all or none, of what it
    /// asks for. Without it a person is asked, and a script gives all
    #[arg(long = "grant", value_name = "GRANT", value_delimiter = ',')]
    grants: Vec<Given>,
    #[command(flatten)]
    reserve: ReserveArgs,
    #[command(flatten)]
    person: LoginArgs,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum FlowName {
    /// A person logs in with a browser
    #[default]
    AuthorizationCode,
    /// The app authorises itself with its secret
    ClientCredentials,
    /// The app signs for a user
    JwtBearer,
}

impl From<FlowName> for Flow {
    fn from(name: FlowName) -> Self {
        match name {
            FlowName::AuthorizationCode => Self::AuthorizationCode,
            FlowName::ClientCredentials => Self::ClientCredentials,
            FlowName::JwtBearer => Self::JwtBearer,
        }
    }
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let root = args.ca.as_deref().map(roots::read).transpose()?;
    let mut new = new_connection(&args)?;
    let (tenant, name) = (new.tenant.clone(), new.name.clone());
    let flow = new.flow;

    let host = session::open(common, root.clone()).await?;
    let directory = args.owner.package.as_deref();
    packages::load_connector(&host, &args.connector, directory).await?;
    let package = match directory {
        Some(directory) => Some(packages::open(directory)?),
        None => packages::current(common, &args.connector)?,
    };
    let mut granted = None;
    if let Some(package) = package {
        let consent = consent::of(&name, &package, &args.grants)?;
        (new.grants, granted) = (Some(consent.grants), consent.told);
    }
    let mut interrupt = Interrupt::listen()?;
    let connection = match host.add_connection(new).await {
        Err(Error::Store(StoreError::Exists(_))) => {
            return Err(is_there(&host, &tenant, &name).await?);
        }
        other => other.map_err(completed)?,
    };
    let visitor = Visitor::from(args.person);
    let made = async {
        if let Some(root) = &root {
            roots::keep(&connection, root).await?;
        }
        authorise(&host, &tenant, &name, flow, &visitor).await
    };
    if let Err(error) = interrupt.or("no connection was kept", made).await {
        // Half a connection would only be in the way of the next try.
        host.remove_connection(&tenant, &name).await?;
        return Err(error);
    }
    if let Some(granted) = granted {
        output::tell(&granted);
    }
    view::told(&connection.record().await?, args.shape, "is connected")?;
    Ok(Status::Done)
}

/// Why there cannot be another connection of a name, with what to do about the one that
/// is there.
async fn is_there(host: &Host, tenant: &str, name: &str) -> Result<anyhow::Error> {
    let record = host.connection(tenant, name).await?.record().await?;
    let arguments = format!("{name}{}", tenant_argument(tenant));
    Ok(match record.state {
        ConnectionState::Pending => advised(
            format!(
                "there is a connection {} already, whose login was never finished",
                record.key
            ),
            format!(
                "finish it with `lockgate connection reconnect {arguments}`, or remove it with \
                 `lockgate connection remove {arguments}` and create it anew"
            ),
        ),
        _ => advised(
            format!("the connection {} exists already", record.key),
            format!(
                "take another name, or remove it first with `lockgate connection remove {arguments}`"
            ),
        ),
    })
}

/// Names the option where the host says what is missing.
fn completed(error: Error) -> anyhow::Error {
    match error {
        Error::Auth(AuthError::NeedsSubdomain(_)) => {
            usage(format!("{error}: give it with --subdomain"))
        }
        error => error.into(),
    }
}

/// Authorises a connection as its flow wants it.
pub(super) async fn authorise(
    host: &Host,
    tenant: &str,
    name: &str,
    flow: Flow,
    visitor: &Visitor,
) -> Result<()> {
    match flow {
        Flow::AuthorizationCode => {
            let connected = authorize::with_person(host, tenant, name, visitor).await?;
            let previous = connected.previous_identity.filter(|previous| {
                connected
                    .identity
                    .as_ref()
                    .is_some_and(|now| now != previous)
            });
            if let Some(previous) = previous {
                output::warn(&format!(
                    "somebody else has authorised than before ({previous}): what was \
                     read so far may be of another org"
                ));
            }
            Ok(())
        }
        Flow::ClientCredentials | Flow::JwtBearer => {
            Ok(host.authorize_client(tenant, name).await?)
        }
    }
}

fn new_connection(args: &Args) -> Result<NewConnection> {
    let login = match (&args.local, &args.login, &args.subdomain) {
        (Some(origin), _, _) => LoginTo::Local {
            origin: origin.trim_end_matches('/').to_owned(),
        },
        (None, Some(host), None) => LoginTo::Host(host.clone()),
        (None, Some(host), Some(subdomain)) => LoginTo::Subdomain {
            host: host.clone(),
            subdomain: subdomain.clone(),
        },
        (None, None, _) => return Err(usage("give --login HOST or --local ORIGIN")),
    };
    let flow = Flow::from(args.flow);
    let mut new = NewConnection::new(
        args.owner.tenant.as_str(),
        args.name.as_str(),
        args.connector.as_str(),
        login,
        args.client_id.as_str(),
    )
    .flow(flow);
    new.client_secret = match &args.client_secret_file {
        Some(file) => Some(input::secret(file)?),
        None => args.client_secret.clone(),
    };
    if flow == Flow::ClientCredentials && new.client_secret.is_none() {
        return Err(usage(
            "client credentials need a client secret: give it in LOCKGATE_CLIENT_SECRET, with \
             --client-secret-file, or with --client-secret",
        ));
    }
    new.private_key = args
        .private_key_file
        .as_deref()
        .map(input::secret)
        .transpose()?;
    new.username.clone_from(&args.username);
    new.scopes.clone_from(&args.scopes);
    new.redirect_uri = (flow == Flow::AuthorizationCode).then(|| args.redirect_uri.clone());
    new.settings = args
        .settings
        .as_deref()
        .map(input::settings)
        .transpose()?
        .unwrap_or(Json::Null);
    new.reserve = args.reserve.over(Reserve::default());
    Ok(new)
}
