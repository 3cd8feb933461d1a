//! Capabilities that a package may be given, and what was decided about them for a
//! connection. Nothing is given by default.
//!
//! There are two givers. The program gives a package, when it loads it, the most that
//! the package ever gets. The operator gives a connection what its connector may do
//! there, and can take it back while calls are under way ([`live`]).

pub(crate) mod live;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One capability: an interface of the contract that costs money or reaches out.
///
/// `log` and `clock` need no grant: they can do no harm within their limits. Nor does
/// `tables`: a table comes from `http`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// Requests to the connection's own origin, with its credential.
    Http,
    /// A key-value store of the connection's own.
    Storage,
    /// Planning with the connection's budget of API calls.
    Quota,
    /// Event streams with hosts that the manifest names.
    Stream,
}

impl Grant {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Http, Self::Storage, Self::Quota, Self::Stream];

    /// The interface of the contract that this opens.
    #[must_use]
    pub const fn interface(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Storage => "storage",
            Self::Quota => "quota",
            Self::Stream => "stream",
        }
    }

    /// What it lets a connector do, in words that follow "may" or "may not".
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Http => "send requests to the org of the connection",
            Self::Storage => "keep values",
            Self::Quota => "plan with the budget of API calls",
            Self::Stream => "open event streams",
        }
    }

    /// The grant that an interface needs, if it needs one.
    #[must_use]
    pub fn for_interface(interface: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|grant| grant.interface() == interface)
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.interface())
    }
}

/// There is no grant of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no grant `{0}`, but http, storage, quota and stream")]
pub struct UnknownGrant(String);

impl FromStr for Grant {
    type Err = UnknownGrant;

    fn from_str(name: &str) -> Result<Self, UnknownGrant> {
        Self::for_interface(name)
            .ok_or_else(|| UnknownGrant(name.escape_default().take(80).collect()))
    }
}

/// What is given: nothing, until named.
pub type Grants = BTreeSet<Grant>;

/// What a transform wants, which has no capabilities.
pub(crate) static NOTHING: Grants = Grants::new();

/// What was decided about the grants of one connection.
///
/// A grant that is in neither set was never decided on: no version of the connector that
/// asks for it gets the calls of this connection before it is. So an upgrade that asks
/// for more waits, and one that asks for what was refused does not: it does without.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConnectionGrants {
    /// What the connector may do.
    pub given: Grants,
    /// What it may not do, by decision.
    pub refused: Grants,
    /// Grows with every change, so that nobody takes an older state for the newer.
    pub version: u64,
}

/// A change of what was decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantChange {
    /// What is given from now on.
    pub give: Grants,
    /// What is refused from now on.
    pub refuse: Grants,
    /// What a connection was given that is older than grants of connections are.
    pub before: Grants,
}

impl ConnectionGrants {
    /// Of what is asked for this is given, and the rest refused.
    #[must_use]
    pub fn decided(asked: &Grants, given: &Grants) -> Self {
        Self {
            given: given.clone(),
            refused: asked.difference(given).copied().collect(),
            version: 1,
        }
    }

    /// Of what is asked for, what was never decided on.
    #[must_use]
    pub fn missing(&self, asked: &Grants) -> Grants {
        let is_open = |grant: &&Grant| !self.given.contains(grant) && !self.refused.contains(grant);
        asked.iter().filter(is_open).copied().collect()
    }

    /// The same after a change.
    #[must_use]
    pub fn changed(mut self, change: &GrantChange) -> Self {
        for grant in &change.give {
            self.refused.remove(grant);
            self.given.insert(*grant);
        }
        for grant in &change.refuse {
            self.given.remove(grant);
            self.refused.insert(*grant);
        }
        self.version += 1;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_decided_and_what_was_never_asked_is_not() {
        let asked = Grants::from([Grant::Http, Grant::Storage]);
        let grants = ConnectionGrants::decided(&asked, &Grants::from([Grant::Http]));
        assert!(grants.missing(&asked).is_empty());
        let more = Grants::from([Grant::Http, Grant::Stream]);
        assert_eq!(grants.missing(&more), Grants::from([Grant::Stream]));
        let given = grants.clone().changed(&GrantChange {
            give: Grants::from([Grant::Storage, Grant::Stream]),
            refuse: Grants::from([Grant::Http]),
            ..GrantChange::default()
        });
        assert_eq!(given.given, Grants::from([Grant::Storage, Grant::Stream]));
        assert_eq!(given.refused, Grants::from([Grant::Http]));
        assert!(given.version > grants.version);
    }

    #[test]
    fn names_of_grants_are_read_as_they_are_written() {
        for grant in Grant::ALL {
            assert_eq!(grant.to_string().parse(), Ok(grant));
        }
        let unknown = "file\n".parse::<Grant>().unwrap_err().to_string();
        assert!(
            unknown.contains("`file\\n`") && unknown.contains("stream"),
            "{unknown}"
        );
    }
}
