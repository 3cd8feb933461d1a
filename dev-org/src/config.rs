//! What a dev org is started with: where it listens, which edition it plays,
//! how many records it fills itself with, and the app that may log in.
//! Separate from the server because the CLI and tests only speak this.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::oauth::App;

/// Two hours: the session timeout of an org nobody has changed.
const SESSION_MS: u64 = 2 * 60 * 60 * 1000;

/// A request that has run this long counts against the concurrent limit.
const LONG_REQUEST_MS: u64 = 20_000;

/// The objects of everyday work, with those that hang on them.
const CHANGE_EVENTS: [&str; 12] = [
    "Account",
    "Contact",
    "Lead",
    "Opportunity",
    "OpportunityLineItem",
    "Task",
    "Note",
    "Order",
    "OrderItem",
    "Product2",
    "Pricebook2",
    "PricebookEntry",
];

/// Everything that can be chosen before the org starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address to listen on; port 0 takes any free port.
    pub listen: SocketAddr,
    /// How clients reach the org, if not by the address it listens on: behind a proxy.
    pub public_url: Option<String>,
    /// Speak HTTPS with a certificate of a CA made for this start.
    pub tls: bool,
    /// Where `ca.pem` is written; a folder below the system's temporary
    /// folder when absent. The CA's key never leaves memory.
    pub ca_dir: Option<PathBuf>,
    /// The edition whose limits apply.
    pub edition: Edition,
    /// User licences, which raise the daily limit of the paid editions.
    pub licences: u32,
    /// Events that subscribers may get in 24 hours, if the org has bought more than its
    /// edition has.
    pub daily_deliveries: Option<u64>,
    /// Plausible records to start with, spread over the objects.
    pub records: usize,
    /// Seed of those records and of faults with a rate below one.
    pub seed: u64,
    /// Custom objects and fields, as the text of a schema file.
    pub schema: Option<String>,
    /// Objects whose changes are told of as change events. Not restricted to
    /// five, as those of a real org are.
    pub change_events: Vec<String>,
    /// Added to every answer.
    pub latency_ms: u64,
    /// Client id of the app that is always registered.
    pub client_id: String,
    /// Client secret of that app.
    pub client_secret: String,
    /// More apps, for example one with a certificate for JWT bearer.
    pub apps: Vec<App>,
    /// A refresh answers with a new refresh token and kills the old one.
    pub rotate_refresh_tokens: bool,
    /// Password of every user on the login page.
    pub password: String,
    /// A session dies after this long without a request.
    pub session_ms: u64,
    /// A request counts as long-running after this long.
    pub long_request_ms: u64,
    /// Most requests that the request log keeps; older ones are forgotten.
    pub log_capacity: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            public_url: None,
            tls: false,
            ca_dir: None,
            edition: Edition::Developer,
            licences: 10,
            daily_deliveries: None,
            records: 0,
            seed: 1,
            schema: None,
            change_events: CHANGE_EVENTS.map(str::to_owned).into(),
            latency_ms: 0,
            client_id: "dev-org-client".to_owned(),
            client_secret: "dev-org-secret".to_owned(),
            apps: Vec::new(),
            rotate_refresh_tokens: false,
            password: "dev-org-password".to_owned(),
            session_ms: SESSION_MS,
            long_request_ms: LONG_REQUEST_MS,
            log_capacity: 100_000,
        }
    }
}

/// The kinds of org that differ in their API limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    /// Developer Edition: a flat 15,000 requests a day.
    Developer,
    /// Professional Edition with API access.
    Professional,
    /// Enterprise Edition.
    Enterprise,
    /// Unlimited Edition.
    Unlimited,
    /// Performance Edition.
    Performance,
    /// A full sandbox.
    Sandbox,
}

impl Edition {
    /// Requests in a rolling 24 hours.
    pub fn daily_requests(self, licences: u32) -> u64 {
        let licences = u64::from(licences);
        match self {
            Self::Developer => 15_000,
            Self::Professional | Self::Enterprise => 100_000 + licences * 1_000,
            Self::Unlimited | Self::Performance => 100_000 + licences * 5_000,
            Self::Sandbox => 5_000_000,
        }
    }

    /// Events in a rolling 24 hours, counted once for each subscriber that gets
    /// them.
    pub fn daily_deliveries(self) -> u64 {
        match self {
            Self::Developer => 10_000,
            Self::Professional | Self::Enterprise | Self::Sandbox => 25_000,
            Self::Unlimited | Self::Performance => 50_000,
        }
    }

    /// Long-running requests at the same time.
    pub fn concurrent_long_requests(self) -> usize {
        match self {
            Self::Developer => 5,
            _ => 25,
        }
    }

    /// `OrganizationType` of the org's own record.
    pub fn organization_type(self) -> &'static str {
        match self {
            Self::Developer => "Developer Edition",
            Self::Professional => "Professional Edition",
            Self::Enterprise | Self::Sandbox => "Enterprise Edition",
            Self::Unlimited => "Unlimited Edition",
            Self::Performance => "Performance Edition",
        }
    }
}

impl FromStr for Edition {
    type Err = UnknownEdition;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "developer" => Self::Developer,
            "professional" => Self::Professional,
            "enterprise" => Self::Enterprise,
            "unlimited" => Self::Unlimited,
            "performance" => Self::Performance,
            "sandbox" => Self::Sandbox,
            _ => return Err(UnknownEdition(name.to_owned())),
        })
    }
}

/// A name that is no edition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownEdition(String);

impl std::fmt::Display for UnknownEdition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?} is no edition; take developer, professional, enterprise, unlimited, performance or sandbox",
            self.0
        )
    }
}

impl std::error::Error for UnknownEdition {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paid_editions_grow_with_their_licences() {
        assert_eq!(Edition::Developer.daily_requests(50), 15_000);
        assert_eq!(Edition::Enterprise.daily_requests(50), 150_000);
        assert_eq!(Edition::Unlimited.daily_requests(50), 350_000);
        assert_eq!(Edition::Sandbox.daily_requests(50), 5_000_000);
    }

    #[test]
    fn an_edition_is_found_by_name_in_any_case() {
        assert_eq!("Enterprise".parse(), Ok(Edition::Enterprise));
        assert!("gold".parse::<Edition>().is_err());
    }
}
