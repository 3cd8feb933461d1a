//! What a webhook that comes in is, as it is kept with its connection.

use std::fmt;
use std::path::PathBuf;

use anyhow::Result;
use lockgate::receiver::{AddressDigest, Hook, Shape, Source, Until};
use lockgate::webhook::Secret;
use lockgate::{Connection, Host, Inbox};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::Named;
use crate::args::Common;
use crate::kept::{self, Kept};
use crate::session;
use crate::sync::definition::Plugin;
use crate::webhook::definition::now_ms;

/// How long an address or a secret is good beside the one that replaces it, in
/// milliseconds: a day.
const OVERLAP_MS: u64 = 24 * 60 * 60 * 1_000;

/// How a webhook was asked for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    /// Where it comes, the newest last.
    pub(crate) addresses: Vec<Until<AddressDigest>>,
    /// What it is signed with, the newest last; `None` if the product sends it.
    pub(crate) secrets: Option<Vec<Until<String>>>,
    /// What stands before the secret part of its address.
    pub(crate) base_url: String,
    /// What becomes of what comes; `None` leaves it in the inbox.
    pub(crate) into: Option<Into>,
    /// The connector's package, where it is not the one that is built in.
    pub(crate) package: Option<PathBuf>,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Into {
    pub(crate) object: String,
    pub(crate) key_field: Option<String>,
    /// What they go through, in this order.
    pub(crate) plugins: Vec<Plugin>,
    /// What is merged over the connection's settings.
    pub(crate) settings: Json,
}

/// A webhook with its name and its connection.
pub(crate) type Webhook = Kept<Definition>;

impl kept::Definition for Definition {
    const WORD: &'static str = "webhook that comes in";
    const KEPT: &'static str = "webhooks-in";
    const ADVICE: &'static str = "see them with `lockgate webhook receive list`, or set one up \
         with `lockgate webhook receive create CONNECTION --name NAME`";
}

impl Definition {
    /// `product` or `signed`.
    pub(crate) const fn source(&self) -> &'static str {
        match self.secrets {
            None => "product",
            Some(_) => "signed",
        }
    }
}

impl Webhook {
    /// What the receiver serves.
    pub(crate) fn hook(&self, connection: Connection, inbox: Inbox) -> Result<Hook> {
        let definition = &self.definition;
        let source = match &definition.secrets {
            None => Source::Product,
            Some(secrets) => {
                let secrets = secrets.iter().map(|secret| {
                    Ok(Until {
                        value: secret.value.parse::<Secret>()?,
                        until_ms: secret.until_ms,
                    })
                });
                Source::Signed(secrets.collect::<Result<_>>()?)
            }
        };
        Ok(Hook {
            connection,
            inbox,
            addresses: definition.addresses.clone(),
            source,
            shape: match definition.into {
                None => Shape::Whole,
                Some(_) => Shape::Records,
            },
        })
    }

    /// The inbox, whether or not anything has come.
    pub(crate) async fn inbox(&self, host: &Host) -> Result<Inbox> {
        let key = &self.connection;
        let connection = host.connection(key.tenant(), key.name()).await?;
        Ok(connection.inbox(&self.name)?)
    }
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definition")
            .field("source", &self.source())
            .field("into", &self.into)
            .finish_non_exhaustive()
    }
}

/// Puts a new address or secret behind those before, which are good for another day.
pub(super) fn replace<T>(all: &mut Vec<Until<T>>, new: T) {
    let now_ms = now_ms();
    all.retain(|one| one.is_good(now_ms));
    for one in all.iter_mut() {
        one.until_ms
            .get_or_insert(now_ms.saturating_add(OVERLAP_MS));
    }
    all.push(Until::ever(new));
}

/// Ends all but the newest.
pub(super) fn end<T>(all: &mut Vec<Until<T>>) {
    let n_older = all.len().saturating_sub(1);
    all.drain(..n_older);
}

/// A webhook by its name, with the host.
pub(super) async fn find(common: &Common, named: &Named) -> Result<(Host, Webhook)> {
    let host = session::open(common, None).await?;
    let webhook = kept::find(&host, &named.tenant, &named.name).await?;
    Ok((host, webhook))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_replaced_is_good_for_another_day_unless_it_is_ended() {
        let mut all = vec![Until::ever("a")];
        replace(&mut all, "b");
        let [a, b] = &all[..] else { panic!("{all:?}") };
        assert!(a.is_good(now_ms()) && !a.is_good(now_ms() + OVERLAP_MS + 1));
        assert_eq!(*b, Until::ever("b"));
        // Another one does not make the first last longer.
        let end_ms = a.until_ms;
        replace(&mut all, "c");
        assert_eq!((all.len(), all[0].until_ms), (3, end_ms));
        end(&mut all);
        assert_eq!(all, [Until::ever("c")]);
    }
}
