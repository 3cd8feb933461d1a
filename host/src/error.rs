//! What can go wrong, as an embedder sees it: which package and call, who is to
//! blame, whether trying again can help, and what to do next.

use std::fmt;
use std::time::Duration;

use crate::auth::AuthError;
use crate::grant::Grants;
use crate::ledger::Budget;
use crate::meter::Limit;
use crate::package::PackageError;
use crate::records::{Advice, Problem, SettingProblem};
use crate::seal::SealError;
use crate::store::StoreError;

/// Any failure of a host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A package was refused when it was loaded. None of it has run.
    #[error(transparent)]
    Package(#[from] PackageError),

    /// The engine could not be started on this machine.
    #[error("cannot start the WebAssembly engine: {0}")]
    Engine(String),

    /// A tenant has as many instances as it may have, or others have all that there are,
    /// and none came free for this call. Nothing of it has run.
    #[error(
        "the host is busy{}: {limit}; try again later, or drop answers that are not read to \
         their end",
        on_behalf_of(.tenant)
    )]
    Busy {
        /// Whose call it is; empty for one that belongs to no connection.
        tenant: String,
        /// What it has too much of, with the limit.
        limit: String,
    },

    /// The host was built with options that do not fit.
    #[error("the host cannot be built: {}", .0.join("; "))]
    Options(Vec<String>),

    /// No package of this name is loaded.
    #[error("no {world} package named `{name}` is loaded")]
    NotLoaded {
        /// `connector` or `transform`.
        world: &'static str,
        /// The name that was asked for.
        name: String,
    },

    /// A version of a package is asked for that is not loaded.
    #[error(
        "{package} {version} is not loaded, but {}: install it first",
        .loaded.join(", ")
    )]
    NoVersion {
        /// The package.
        package: String,
        /// The version that was asked for.
        version: String,
        /// Those that are loaded.
        loaded: Vec<String>,
    },

    /// A version of a connector did not take over what an older one has stored.
    #[error(
        "{guest} did not take over what {connection} has stored: {what}; go back to the version \
         before, which finds its values as they were"
    )]
    NotMigrated {
        /// The package, and the call.
        guest: GuestCall,
        /// `tenant/name`.
        connection: String,
        /// Why, in the package's words.
        what: String,
    },

    /// A call went on for longer than its version had left after it was replaced.
    #[error(
        "{0} was stopped: this version was replaced, and the time to finish is over; \
         make the call again"
    )]
    Drained(GuestCall),

    /// There is no such connection.
    #[error("there is no connection `{connection}`")]
    NoConnection {
        /// `tenant/name`.
        connection: String,
    },

    /// A connector may not do what it tried for this connection, or what it asks for was
    /// never decided on. Nothing is wrong with the connection: give it the grants, and
    /// the next call works.
    #[error(
        "{package} {version} may not {} for {connection}: that is not granted; grant it with \
         `{}`",
        in_words(.grants), command(.connection, .grants)
    )]
    NotGranted {
        /// `tenant/name`.
        connection: String,
        /// The connector.
        package: String,
        /// Its version.
        version: String,
        /// What it was not given.
        grants: Grants,
    },

    /// A guest went over a limit and was stopped. The next call is not affected.
    #[error("{guest} was stopped: over the limit of {limit} ({allowed}{})", asked_with(*limit))]
    LimitExceeded {
        /// Which package and which call.
        guest: GuestCall,
        /// The limit.
        limit: Limit,
        /// Its value with its unit.
        allowed: String,
    },

    /// A guest failed by its own fault: a panic, an impossible memory access.
    /// The next call is not affected.
    #[error("{guest} crashed: {reason}")]
    Crashed {
        /// Which package and which call.
        guest: GuestCall,
        /// The trap in wasmtime's words, and what it means where they say little.
        reason: String,
    },

    /// A guest gave an answer that breaks the contract.
    #[error("{guest} broke the contract: {what}")]
    BrokenContract {
        /// Which package and which call.
        guest: GuestCall,
        /// The rule that was broken.
        what: String,
    },

    /// The host itself failed during a call.
    #[error("the host failed during {guest}: {reason}")]
    HostFailed {
        /// Which package and which call.
        guest: GuestCall,
        /// What happened.
        reason: String,
    },

    /// Settings that the package cannot use.
    #[error("the settings do not fit {package}: {}", join(.problems))]
    Settings {
        /// The package.
        package: String,
        /// Each problem with the place where it is.
        problems: Vec<SettingProblem>,
    },

    /// What the caller gave is not what the call takes.
    #[error("{0}")]
    Input(String),

    /// The product refused the request as it is.
    #[error("{call} was refused: {}", of_call(.problem))]
    Refused {
        /// Which package and which call.
        call: GuestCall,
        /// What the product said and what to do about it.
        problem: Box<Problem>,
    },

    /// The connection is no longer authorised.
    #[error("connection `{connection}` needs to be reconnected: {reason}")]
    NeedsReconnect {
        /// `tenant/name`.
        connection: String,
        /// Why, as far as it is known.
        reason: String,
    },

    /// A budget of calls is used up, or the product asked for a pause.
    #[error("{call}: {}; try again in {} s", shortage(.budget), .retry_after.as_secs().max(1))]
    OverQuota {
        /// Which package and which call.
        call: GuestCall,
        /// Where the budget of calls stood: the limit, what is used of it, and
        /// what is kept from this priority.
        budget: Box<Budget>,
        /// When to try again.
        retry_after: Duration,
    },

    /// A passing fault; nothing was changed.
    #[error("{call}: the product cannot be reached now; try again in {} ms", .retry_after.as_millis())]
    Unavailable {
        /// Which package and which call.
        call: GuestCall,
        /// When to try again.
        retry_after: Duration,
    },

    /// The answer to a write was lost.
    #[error(
        "{call}: the answer was lost, so the write may have happened; look before writing again"
    )]
    UnknownOutcome {
        /// Which package and which call.
        call: GuestCall,
    },

    /// The product gave an answer that the connector cannot read.
    #[error("{call}: the product's answer was not understood: {what}")]
    Unexpected {
        /// Which package and which call.
        call: GuestCall,
        /// What was expected.
        what: String,
    },

    /// A transform could not work on a batch as a whole.
    #[error("{call} could not transform the batch: {what}")]
    Transform {
        /// Which package and which call.
        call: GuestCall,
        /// What the transform said.
        what: String,
    },

    /// A transform has no use for records of this object: send it others, or name the
    /// object in its settings.
    #[error("{call} does not know the object {object}")]
    UnknownObject {
        /// Which package and which call.
        call: GuestCall,
        /// The object.
        object: String,
    },

    /// Authorisation failed.
    #[error(transparent)]
    Auth(#[from] AuthError),

    /// The data directory could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// The master key cannot be used, or is not the one that the data directory
    /// was sealed with.
    #[error(transparent)]
    Key(#[from] SealError),

    /// The data directory itself could not be opened.
    #[error("cannot use the data directory {path}: {source}")]
    DataDir {
        /// The path that was given.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

fn on_behalf_of(tenant: &str) -> String {
    match tenant {
        "" => String::new(),
        tenant => format!(" on behalf of `{tenant}`"),
    }
}

/// What is missing, in words. Calls may be left: then the product said that it has
/// enough for now, or so many as are needed at once are not there.
fn shortage(budget: &Budget) -> String {
    match (budget.limit, budget.available) {
        (Some(limit), Some(available)) => {
            let (used, kept) = (budget.used, budget.kept.unwrap_or_default());
            let left = match available {
                0 => "the budget of API calls is used up".to_owned(),
                left => {
                    format!("{left} API calls are left, and they are not enough or have to wait")
                }
            };
            format!("{left} ({used} of {limit} are used, {kept} are kept back)")
        }
        _ => "the product gives no more API calls for now".to_owned(),
    }
}

/// `send requests to the org of the connection, keep values`.
fn in_words(grants: &Grants) -> String {
    let words: Vec<&str> = grants.iter().map(|grant| grant.in_words()).collect();
    words.join(" or ")
}

/// The command that gives grants to a connection, `tenant/name`.
fn command(connection: &str, grants: &Grants) -> String {
    let (tenant, name) = connection
        .split_once('/')
        .unwrap_or(("default", connection));
    let names: Vec<&str> = grants.iter().map(|grant| grant.interface()).collect();
    let tenant = match tenant {
        "default" => String::new(),
        tenant => format!(" --tenant {tenant}"),
    };
    format!(
        "lockgate connection grant {name} {}{tenant}",
        names.join(" ")
    )
}

/// A problem of a whole call, where what has to be changed may be a query or an option
/// as well as a record.
fn of_call(problem: &Problem) -> String {
    let text = problem.to_string();
    match problem.advice {
        Advice::FixRecord => text.strip_suffix(Advice::FixRecord.text()).map_or_else(
            || text.clone(),
            |said| format!("{said}change what was given"),
        ),
        _ => text,
    }
}

fn join(problems: &[SettingProblem]) -> String {
    let parts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    parts.join("; ")
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The caller: input, settings, or a missing set-up step.
    Caller,
    /// The package: a bug, or a limit that it went over.
    Guest,
    /// The product on the other side, or the way to it.
    Upstream,
    /// This host or its machine.
    Host,
}

/// A call on a package, for messages: `salesforce 0.1.0 query`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestCall {
    /// The package's name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// The exported function.
    pub call: &'static str,
}

impl fmt::Display for GuestCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.package, self.version, self.call)
    }
}

/// Where a package asks for more of a limit, behind its value.
fn asked_with(limit: Limit) -> String {
    limit.manifest_key().map_or_else(String::new, |key| {
        format!(", `{key}` in `[limits]` of its manifest")
    })
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Package(_)
            | Self::Options(_)
            | Self::NotLoaded { .. }
            | Self::NoVersion { .. }
            | Self::NoConnection { .. }
            | Self::NotGranted { .. }
            | Self::Settings { .. }
            | Self::Input(_)
            | Self::Key(_)
            | Self::UnknownObject { .. }
            | Self::NeedsReconnect { .. } => Blame::Caller,
            Self::LimitExceeded { .. }
            | Self::Crashed { .. }
            | Self::BrokenContract { .. }
            | Self::NotMigrated { .. }
            | Self::Transform { .. } => Blame::Guest,
            Self::Refused { .. }
            | Self::OverQuota { .. }
            | Self::Unavailable { .. }
            | Self::UnknownOutcome { .. }
            | Self::Unexpected { .. } => Blame::Upstream,
            Self::Engine(_)
            | Self::Busy { .. }
            | Self::Drained(_)
            | Self::HostFailed { .. }
            | Self::Store(_)
            | Self::DataDir { .. } => Blame::Host,
            Self::Auth(error) => match error {
                AuthError::Unavailable { .. } | AuthError::BadAnswer { .. } => Blame::Upstream,
                AuthError::Store(_) | AuthError::Seal(_) => Blame::Host,
                _ => Blame::Caller,
            },
        }
    }

    /// Whether the same call may succeed later without anybody changing
    /// anything. A lost answer to a write is not retryable: look first.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::OverQuota { .. }
            | Self::Unavailable { .. }
            | Self::Busy { .. }
            | Self::Drained(_) => true,
            Self::Refused { problem, .. } => problem.advice.is_retryable(),
            Self::Auth(error) => error.retry_after().is_some(),
            Self::Store(error) => error.is_passing(),
            _ => false,
        }
    }

    /// Whether a query, a write or a subscription that fails with this can go on where it was.
    pub(crate) const fn keeps_place(&self) -> bool {
        matches!(self, Self::OverQuota { .. } | Self::Unavailable { .. })
    }

    /// When to try again, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::OverQuota { retry_after, .. } | Self::Unavailable { retry_after, .. } => {
                Some(*retry_after)
            }
            Self::Auth(error) => error.retry_after(),
            _ => None,
        }
    }
}
