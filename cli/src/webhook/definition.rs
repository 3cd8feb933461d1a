//! What a webhook is, as it is kept with its connection.

use std::fmt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use lockgate::outbound::{Endpoint, Retries, SigningSecret};
use lockgate::webhook::Secret;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::kept::{self, Kept};

/// How a webhook was asked for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    /// API names of objects and of kinds of message.
    pub(crate) sources: Vec<String>,
    /// Where it goes, perhaps with something secret in it.
    pub(crate) to: String,
    /// What it is signed with, the newest first.
    pub(crate) secrets: Vec<KeptSecret>,
    /// The connector's package, where it is not the one that is built in.
    pub(crate) package: Option<PathBuf>,
    /// The connector's way to hear of events; `None` leaves it to the connector.
    pub(crate) way: Option<String>,
    /// Changes that came through Lockgate are told as well.
    pub(crate) tells_own: bool,
    /// It may go into the own network.
    pub(crate) allows_local: bool,
    /// Tries until a request is given up.
    pub(crate) max_tries: u32,
    /// It rests.
    pub(crate) is_paused: bool,
    /// When the app answered 410 and with that paused it, in milliseconds since 1970.
    pub(crate) gone_ms: Option<u64>,
}

/// A secret of a webhook.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptSecret {
    /// `whsec_…`
    pub(crate) text: String,
    /// Until when it signs, in milliseconds since 1970; `None` for no end.
    pub(crate) until_ms: Option<u64>,
}

/// A webhook with its name and its connection.
pub(crate) type Webhook = Kept<Definition>;

impl kept::Definition for Definition {
    const WORD: &'static str = "webhook";
    const KEPT: &'static str = "webhooks";
    const ADVICE: &'static str = "see them with `lockgate webhook list`, or set one up with \
         `lockgate webhook create CONNECTION SOURCE --to https://…`";
}

impl Definition {
    /// Where it goes, without the part of the address that most often is a secret.
    pub(crate) fn shown(&self) -> String {
        let Ok(mut url) = Url::parse(&self.to) else {
            return String::new();
        };
        if url.query().is_some() {
            url.set_query(Some("…"));
        }
        url.to_string()
    }
}

impl Webhook {
    /// The webhook as the library has it.
    pub(crate) fn endpoint(&self) -> Result<Endpoint> {
        let definition = &self.definition;
        let secret = |kept: &KeptSecret| -> Result<SigningSecret> {
            Ok(SigningSecret {
                secret: kept.text.parse::<Secret>()?,
                until_ms: kept.until_ms,
            })
        };
        let secrets = definition.secrets.iter().map(secret);
        let secrets: Vec<SigningSecret> = secrets.collect::<Result<_>>()?;
        let newest = secrets.first().context("it has no secret: rotate it")?;
        let (name, newest) = (&self.name, newest.secret.clone());
        Ok(Endpoint {
            secrets,
            way: definition.way.clone(),
            tell_own: definition.tells_own,
            allow_local: definition.allows_local,
            retries: Retries {
                max_tries: definition.max_tries,
                ..Retries::default()
            },
            ..Endpoint::new(name, &definition.to, newest, &definition.sources)
        })
    }
}

impl KeptSecret {
    /// A new one without an end.
    pub(crate) fn generate() -> Result<Self> {
        Ok(Self {
            text: Secret::generate()?.expose().to_string(),
            until_ms: None,
        })
    }
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definition")
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_most_often_is_a_secret_in_an_address_is_not_shown() {
        let definition = Definition {
            sources: vec!["Contact".to_owned()],
            to: "https://app.example.com/hooks?key=k3y".to_owned(),
            secrets: vec![KeptSecret::generate().unwrap()],
            package: None,
            way: None,
            tells_own: true,
            allows_local: false,
            max_tries: 10,
            is_paused: false,
            gone_ms: None,
        };
        let shown = definition.shown();
        assert!(
            shown.starts_with("https://app.example.com/hooks?"),
            "{shown}"
        );
        assert!(!shown.contains("k3y"), "{shown}");
        let debug = format!("{definition:?}");
        assert!(
            !debug.contains("k3y") && !debug.contains("whsec_"),
            "{debug}"
        );
    }
}
