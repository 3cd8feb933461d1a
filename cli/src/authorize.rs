//! One authorization from beginning to end: the login page is opened, the
//! callback is waited for, and the tokens are fetched and sealed.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lockgate::{AuthorizationHints, Connected, Host};
use url::Url;

use crate::callback::Listener;
use crate::exit::{advised, duration};
use crate::progress::Progress;
use crate::{browser, output};

/// The longest that a person has: the host's own limit for an authorization.
const PATIENCE: Duration = lockgate::auth::AUTHORIZATION_LIFETIME;

/// How a person logs in.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct LoginArgs {
    /// Do not try to open a browser; only print the address
    #[arg(long)]
    no_browser: bool,
    /// Give up if nobody has logged in after this time; the login page itself is
    /// good for 600 seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = PATIENCE.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..=PATIENCE.as_secs()),
    )]
    timeout: u64,
}

impl From<LoginArgs> for Visitor {
    fn from(args: LoginArgs) -> Self {
        Self::Person {
            open_browser: !args.no_browser,
            patience: Duration::from_secs(args.timeout),
        }
    }
}

/// Who goes through the login page.
#[derive(Debug)]
pub(crate) enum Visitor {
    /// The person at this machine, whose browser may be opened.
    Person {
        /// Whether to try to open the browser.
        open_browser: bool,
        /// How long to wait for the login.
        patience: Duration,
    },
    /// A program that does what a browser would do.
    Program(crate::demo::browser::Browser),
}

/// Takes a connection through the authorization code flow.
pub(crate) async fn with_person(
    host: &Host,
    tenant: &str,
    name: &str,
    visitor: &Visitor,
) -> Result<Connected> {
    let record = host.connection(tenant, name).await?.record().await?;
    let redirect_uri = record.redirect_uri.with_context(|| {
        format!("the connection {tenant}/{name} has no redirect URI to be authorised with")
    })?;
    let redirect_uri: Url = redirect_uri
        .parse()
        .with_context(|| format!("the redirect URI {redirect_uri} is not an address"))?;
    // Before anybody is sent away, so that there is a page to come back to.
    let listener = Listener::bind(&redirect_uri).await?;
    let start = host
        .begin_authorization(tenant, name, &AuthorizationHints::default())
        .await?;
    let mut waiting = listener.serve(&start.state);
    let patience = match visitor {
        Visitor::Person {
            open_browser,
            patience,
        } => {
            let opened = *open_browser && browser::open(start.url.as_str());
            let hint = if opened {
                "Log in in the browser that opens, or at"
            } else {
                "Log in at"
            };
            output::tell(&format!("{hint}:\n\n  {}\n", start.url));
            *patience
        }
        Visitor::Program(program) => {
            program.visit(&start.url).await?;
            PATIENCE
        }
    };
    let callback = {
        let at_most = duration(patience);
        let _progress = Progress::spinner(format!("waiting for the login, at most {at_most}"));
        tokio::time::timeout(patience, waiting.callback()).await
    };
    let connected = match callback {
        Ok(callback) => Ok(host.finish_authorization(&callback?).await?),
        Err(_) => Err(advised(
            format!("nobody logged in within {}", duration(patience)),
            "run the command again, and log in at the address that it prints",
        )),
    };
    waiting.stop().await;
    connected
}
