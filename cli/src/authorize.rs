//! One authorization from beginning to end: the login page is opened, the
//! callback is waited for, and the tokens are fetched and sealed.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lockgate::{AuthorizationHints, Connected, Host};
use url::Url;

use crate::callback::Listener;
use crate::exit::advised;
use crate::progress::Progress;
use crate::{browser, output};

/// How long a person has; the host's own limit for an authorization.
const PATIENCE: Duration = lockgate::auth::AUTHORIZATION_LIFETIME;

/// Who goes through the login page.
#[derive(Debug)]
pub(crate) enum Visitor {
    /// The person at this machine, whose browser may be opened.
    Person {
        /// Whether to try to open the browser.
        open_browser: bool,
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
    match visitor {
        Visitor::Person { open_browser } => {
            let opened = *open_browser && browser::open(start.url.as_str());
            let hint = if opened {
                "Log in in the browser that opens, or at"
            } else {
                "Log in at"
            };
            output::tell(&format!("{hint}:\n\n  {}\n", start.url));
        }
        Visitor::Program(program) => program.visit(&start.url).await?,
    }
    let callback = {
        let _progress = Progress::spinner("waiting for the login, at most 10 minutes");
        tokio::select! {
            callback = tokio::time::timeout(PATIENCE, waiting.callback()) => callback,
            // So that what was begun can be undone.
            _ = tokio::signal::ctrl_c() => bail!("interrupted before anybody logged in"),
        }
    };
    let connected = match callback {
        Ok(callback) => Ok(host.finish_authorization(&callback?).await?),
        Err(_) => Err(advised(
            format!(
                "nobody logged in within {} minutes",
                PATIENCE.as_secs() / 60
            ),
            "run the command again, and log in at the address that it prints",
        )),
    };
    waiting.stop().await;
    connected
}
