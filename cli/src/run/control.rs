//! What commands say to the host that runs, and what it answers.

use std::collections::BTreeMap;

use anyhow::Result;
use lockgate::{CallFigures, ConnectionKey, PackageStatus, TenantStatus, VersionChange};
use lockgate_sync::Activity;
use serde::{Deserialize, Serialize};

use super::socket;
use crate::args::Common;
use crate::exit::advised;
use crate::place;
use crate::shelf::Wish;

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Request {
    /// How everything is.
    Status,
    /// Look at the syncs and webhooks that there are: some were added, changed or
    /// removed, or have something to do.
    Reload,
    /// How the packages do.
    Packages,
    /// Read anew what a connection was granted, and try again what failed for want of it.
    Grants {
        /// Whose it is.
        tenant: String,
        /// Its name.
        name: String,
    },
    /// What calls come to.
    Load,
    /// Send calls of a package to another version.
    Package {
        /// The package.
        name: String,
        /// What is wanted.
        wish: Wish,
    },
}

/// What it gets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Response {
    /// How everything is.
    AtWork(AtWork),
    /// How the packages do.
    Packages(Vec<PackageStatus>),
    /// What calls come to.
    Load(Load),
    /// What was done.
    Changed(VersionChange),
    /// Why it was not done.
    Failed(String),
}

/// What calls come to, and what tenants have of the host.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) calls: Vec<CallFigures>,
    pub(crate) tenants: Vec<TenantStatus>,
}

/// What is at work, by tenant and name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AtWork {
    pub(crate) syncs: BTreeMap<String, Live>,
    pub(crate) webhooks: BTreeMap<String, Sending>,
}

/// How a webhook at work is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sending {
    /// `starting`, `running`, `failing`, or how it has ended.
    pub(crate) state: String,
    /// Why it fails; it tries again by itself.
    pub(crate) problems: Vec<String>,
}

/// How a sync at work is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Live {
    /// `starting`, `running` or `failing`.
    pub(crate) state: String,
    /// Why it fails.
    pub(crate) problem: Option<String>,
    /// What it waits for, while it runs.
    #[serde(default)]
    pub(crate) waits: Vec<String>,
    /// What it has done since it was started.
    pub(crate) activity: Activity,
    /// What is left of the budget of API calls.
    pub(crate) budget: Option<Calls>,
}

/// A budget of API calls as syncs have it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Calls {
    pub(crate) limit: Option<u64>,
    pub(crate) used: u64,
    pub(crate) available: Option<u64>,
    /// About how many calls what waits takes.
    #[serde(default)]
    pub(crate) to_do: u64,
    /// When the last of them is expected to be made, in seconds from now; `None` if
    /// others leave too little of the budget for an end to be in sight.
    #[serde(default)]
    pub(crate) done_in_s: Option<u64>,
}

/// Tells the host that runs that syncs or webhooks have changed, and waits until it has
/// taken that up. False if none runs.
pub(crate) async fn reload(common: &Common) -> Result<bool> {
    Ok(ask(common, Request::Reload).await?.is_some())
}

/// Tells the host that runs that what a connection may do has changed, and waits until
/// it has taken that up.
pub(crate) async fn reread_grants(common: &Common, key: &ConnectionKey) -> Result<()> {
    let request = Request::Grants {
        tenant: key.tenant().to_owned(),
        name: key.name().to_owned(),
    };
    ask(common, request).await?;
    Ok(())
}

/// How what is at work is; `None` if no host runs.
pub(crate) async fn status(common: &Common) -> Result<Option<AtWork>> {
    ask(common, Request::Status).await
}

/// How the packages of the host that runs do; `None` if none runs.
pub(crate) async fn packages(common: &Common) -> Result<Option<Vec<PackageStatus>>> {
    match answer(common, Request::Packages).await? {
        Some(Response::Packages(packages)) => Ok(Some(packages)),
        Some(_) => Err(another_version()),
        None => Ok(None),
    }
}

/// What calls of the host that runs come to; `None` if none runs.
pub(crate) async fn load(common: &Common) -> Result<Option<Load>> {
    match answer(common, Request::Load).await? {
        Some(Response::Load(load)) => Ok(Some(load)),
        Some(_) => Err(another_version()),
        None => Ok(None),
    }
}

/// Has the host that runs send calls of a package elsewhere; `None` if none runs.
pub(crate) async fn package(
    common: &Common,
    name: &str,
    wish: &Wish,
) -> Result<Option<VersionChange>> {
    let request = Request::Package {
        name: name.to_owned(),
        wish: wish.clone(),
    };
    match answer(common, request).await? {
        Some(Response::Changed(change)) => Ok(Some(change)),
        Some(_) => Err(another_version()),
        None => Ok(None),
    }
}

/// Whether a host runs.
pub(crate) async fn is_at_work(common: &Common) -> Result<bool> {
    Ok(status(common).await?.is_some())
}

async fn ask(common: &Common, request: Request) -> Result<Option<AtWork>> {
    match answer(common, request).await? {
        None => Ok(None),
        Some(Response::AtWork(at_work)) => Ok(Some(at_work)),
        Some(_) => Err(another_version()),
    }
}

/// What the host that runs answers, if it has done it.
async fn answer(common: &Common, request: Request) -> Result<Option<Response>> {
    match socket::ask(&place::data_dir(common)?, request).await? {
        Some(Response::Failed(reason)) => Err(advised(
            format!("`lockgate run` did not do it: {reason}"),
            "see what it says on its standard error, or stop it and start it again",
        )),
        answer => Ok(answer),
    }
}

fn another_version() -> anyhow::Error {
    advised(
        "`lockgate run` answers something else",
        "it is of another version: stop it and start it again",
    )
}
