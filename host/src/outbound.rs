//! Webhooks out: an org's events, sent to an app of the user's as signed requests,
//! again and again until they are taken or given up.
//!
//! An [`Endpoint`] says where to, of what and signed with which secrets; a [`Courier`]
//! is what is at work on it. It subscribes to the connection's events and keeps each as
//! a request in a queue of the store, in one transaction with the checkpoint, and sends
//! what the queue holds. So nothing is lost and everything comes at least once,
//! whenever the process is killed: each event under an id that stays the same.
//!
//! Requests are those of Standard Webhooks (see [`crate::webhook`]): a `POST` with the
//! three headers and a JSON object of `type`, `timestamp` (when it happened) and `data`.
//! `data` has the `tenant` and the `connection`, and
//!
//! | type | further members of `data` |
//! |---|---|
//! | `record.created`, `record.updated`, `record.deleted`, `record.undeleted` | `object`, `record_ids`, `fields` (those that changed, with their values), `own`; `transaction` and `user` if the product tells |
//! | `record.stale` | `object`, `record_ids`: they changed, and how is not known; read them, and all of the object if there are no ids |
//! | `message.published` | `name`, `payload` |
//! | `events.missed` | `sources`: what happened there for a while is not known; read everything once |
//! | `webhook.test` | none |
//!
//! They come in no certain order: `timestamp` tells which is newer.

mod answer;
mod body;
mod courier;
mod retries;

use std::fmt;

use url::{Host as UrlHost, Url};

use crate::error::Error;
use crate::transport::AddressPolicy;
use crate::webhook::Secret;

pub use answer::Tested;
pub use courier::{Courier, CourierStatus, Ended};
pub use retries::Retries;

/// Requests that are under way to one endpoint at a time, unless it says otherwise.
const DEFAULT_IN_FLIGHT: usize = 8;

/// The most that an endpoint can say.
const MAX_IN_FLIGHT: usize = 64;

/// Secrets that a request is signed with at a time.
const MAX_SECRETS: usize = 8;

/// What may wait for an endpoint, in bytes, unless it says otherwise.
const DEFAULT_QUEUE_BYTES: u64 = 1024 * 1024 * 1024;

/// The longest address, in bytes.
const MAX_URL_BYTES: usize = 4 * 1024;

/// Where webhooks go, of what, and how they are signed.
#[derive(Clone)]
pub struct Endpoint {
    /// Its name, unique for the connection, 1 to 64 bytes. What waits to be sent hangs
    /// on it.
    pub name: String,
    /// Where they go: https on port 443, unless `allow_local` is set. Redirects are not
    /// followed.
    pub url: String,
    /// What they are signed with, the newest first; 1 to 8.
    pub secrets: Vec<SigningSecret>,
    /// What to tell of, as [`Connection::subscribe`] takes it. Its place among the events
    /// goes with them: erase the queue before an endpoint of the same name tells of
    /// others.
    ///
    /// [`Connection::subscribe`]: crate::Connection::subscribe
    pub sources: Vec<String>,
    /// The connector's way to hear of events; `None` leaves it to the connector.
    pub way: Option<String>,
    /// Whether to tell of changes that came through this connector, which may be the
    /// app's own. If so they are marked, `"own": true`.
    pub tell_own: bool,
    /// The address may be in the own network, on any port, and http if it is on this
    /// machine. Otherwise it is reached only if all its addresses are public.
    pub allow_local: bool,
    /// When it is sent again, and how often.
    pub retries: Retries,
    /// Requests that may be under way at a time, 1 to 64.
    pub in_flight: usize,
    /// From how much on, in bytes of what waits and of dead letters, no more events are
    /// heard until some are sent or thrown away; the product keeps them meanwhile, for as
    /// long as it does.
    pub max_queue_bytes: u64,
}

/// A secret, and until when it is signed with.
#[derive(Clone, Debug)]
pub struct SigningSecret {
    /// The secret.
    pub secret: Secret,
    /// Until when, in milliseconds since 1970: the one before the newest signs as well,
    /// until the other side has the newest. `None` for no end.
    pub until_ms: Option<u64>,
}

impl Endpoint {
    /// An endpoint with what each needs; the rest has defaults: public addresses only,
    /// own changes told, the pauses of the specification.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        url: impl Into<String>,
        secret: Secret,
        sources: &[impl AsRef<str>],
    ) -> Self {
        let sources = sources.iter().map(|source| source.as_ref().to_owned());
        Self {
            name: name.into(),
            url: url.into(),
            secrets: vec![SigningSecret {
                secret,
                until_ms: None,
            }],
            sources: sources.collect(),
            way: None,
            tell_own: true,
            allow_local: false,
            retries: Retries::default(),
            in_flight: DEFAULT_IN_FLIGHT,
            max_queue_bytes: DEFAULT_QUEUE_BYTES,
        }
    }

    /// Checks all that can be known before anything is sent, and gives the address with
    /// the rule of where it may lead.
    fn checked(&self) -> Result<(Url, AddressPolicy), Error> {
        let wrong = |what: &str| Err(Error::Input(format!("the webhook's {what}")));
        if self.url.len() > MAX_URL_BYTES {
            return wrong("address is longer than 4 KiB");
        }
        let Ok(url) = Url::parse(&self.url) else {
            return wrong("address cannot be read: give all of it, https://…");
        };
        if url.scheme() == "http" && !(self.allow_local && is_this_machine(&url)) {
            return wrong(
                "address must be https; http goes to this machine only, and only if local \
                 addresses are allowed",
            );
        }
        let policy = match self.allow_local {
            true => AddressPolicy::Local {
                origins: vec![url.clone()],
            },
            false => AddressPolicy::Public,
        };
        if let Err(reason) = policy.check(&url) {
            return wrong(&format!("address is refused: {reason}"));
        }
        if !(1..=MAX_SECRETS).contains(&self.secrets.len()) {
            return wrong("secrets must be 1 to 8: let older ones end");
        }
        if !(1..=MAX_IN_FLIGHT).contains(&self.in_flight) {
            return wrong("requests at a time must be 1 to 64");
        }
        crate::events::sources(&self.sources)?;
        self.retries.check()?;
        Ok((url, policy))
    }

    /// The secrets that are signed with at a time.
    fn secrets_at(&self, now_ms: u64) -> Vec<Secret> {
        let good = |secret: &&SigningSecret| secret.until_ms.is_none_or(|until| now_ms < until);
        let secrets = self.secrets.iter().filter(good);
        secrets.map(|signing| signing.secret.clone()).collect()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address can be a secret in itself, so only where it leads is shown.
        let url = Url::parse(&self.url).ok();
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .field("origin", &url.map(|url| url.origin().ascii_serialization()))
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(UrlHost::Domain(name)) => name == "localhost",
        Some(UrlHost::Ipv4(address)) => address.is_loopback(),
        Some(UrlHost::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str, allow_local: bool) -> Endpoint {
        let secret = Secret::generate().unwrap();
        Endpoint {
            allow_local,
            ..Endpoint::new("app", url, secret, &["Contact"])
        }
    }

    fn refused(endpoint: &Endpoint) -> String {
        endpoint.checked().unwrap_err().to_string()
    }

    #[test]
    fn an_address_is_public_and_https_unless_local_ones_are_allowed() {
        for url in ["https://app.example.com/hooks?k=v", "https://8.8.8.8/"] {
            assert!(endpoint(url, false).checked().is_ok(), "{url}");
        }
        for url in [
            "http://app.example.com/",
            "http://127.0.0.1:3000/",
            "https://127.0.0.1/",
            "https://10.1.2.3/",
            "https://[::1]/",
            "https://localhost/",
            "https://app.example.com:8443/",
            "https://user:word@app.example.com/",
            "ftp://app.example.com/",
            "app.example.com/hooks",
            "",
        ] {
            assert!(!refused(&endpoint(url, false)).is_empty(), "{url}");
        }
        for url in [
            "http://127.0.0.1:3000/hooks",
            "http://localhost:3000/hooks",
            "http://[::1]:3000/",
            "https://10.1.2.3:8443/",
            "https://app.internal/hooks",
        ] {
            assert!(endpoint(url, true).checked().is_ok(), "{url}");
        }
        for url in [
            "http://10.1.2.3:8443/",
            "http://app.example.com/",
            "https://169.254.169.254/latest",
            "https://user:word@app.internal/",
        ] {
            assert!(!refused(&endpoint(url, true)).is_empty(), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_the_reason() {
        let good = endpoint("https://app.example.com/", false);
        let secret = good.secrets[0].clone();
        let with = |change: fn(&mut Endpoint)| {
            let mut endpoint = good.clone();
            change(&mut endpoint);
            refused(&endpoint)
        };
        assert!(with(|e| e.secrets.clear()).contains("1 to 8"));
        assert!(with(|e| e.sources.clear()).contains("sources"));
        assert!(with(|e| e.in_flight = 0).contains("1 to 64"));
        assert!(with(|e| e.retries.max_tries = 0).contains("tries"));
        let mut many = good.clone();
        many.secrets = vec![secret; 9];
        assert!(refused(&many).contains("1 to 8"));
    }

    #[test]
    fn an_old_secret_signs_until_its_end() {
        let mut endpoint = endpoint("https://app.example.com/", false);
        endpoint.secrets.push(SigningSecret {
            secret: Secret::generate().unwrap(),
            until_ms: Some(1_000),
        });
        assert_eq!(endpoint.secrets_at(999).len(), 2);
        assert_eq!(endpoint.secrets_at(1_000).len(), 1);
    }

    #[test]
    fn debug_output_shows_neither_the_secret_nor_the_path_of_the_address() {
        let endpoint = endpoint("https://app.example.com/hooks/s3cr3t?key=k3y", false);
        let shown = format!("{endpoint:?}");
        assert!(shown.contains("https://app.example.com"), "{shown}");
        for secret in ["s3cr3t", "k3y", &endpoint.secrets[0].secret.expose()[6..]] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
