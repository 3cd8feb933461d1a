//! Capabilities that a package may be given. Nothing is given by default.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

/// One capability: an interface of the contract that costs money or reaches out.
///
/// `log` and `clock` need no grant: they can do no harm within their limits. Nor does
/// `tables`: a table comes from `http`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
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

/// What an operator gives to a package: nothing, until named.
pub type Grants = BTreeSet<Grant>;
