//! `lockgate connection grants`, `grant` and `revoke`.

use std::str::FromStr;

use anyhow::Result;
use lockgate::manifest::Manifest;
use lockgate::{ConnectionRecord, Grant, Grants, Limits, UnknownGrant};
use serde_json::json;

use crate::args::{Common, Shape, Target};
use crate::exit::{Status, advised};
use crate::run::control;
use crate::shelf::{Shelf, Standing};
use crate::{output, session, table};

const SHOW: &str = "\
Examples:
  lockgate connection grants crm
      What its connector may do, why it wants to, and what a newer version waits for.
  lockgate connection grants crm --output json | jq .waits_for";

#[derive(Debug, clap::Args)]
#[command(after_help = SHOW)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    shape: Shape,
}

const GRANT: &str = "\
Examples:
  lockgate connection grant crm stream
  lockgate connection grant crm all
      All that its connector asks for, and what a newer version of it waits for.

Calls under way have it at once, also those of `lockgate run`. A version that waited for it
gets the calls of this connection from then on.";

const REVOKE: &str = "\
Examples:
  lockgate connection revoke crm stream
  lockgate connection revoke crm all

What the connector does with it next is denied, also in calls under way and in those of
`lockgate run`. What is refused before it was asked for holds no newer version up: the
connector goes on without it.";

#[derive(Debug, clap::Args)]
#[command(after_help = GRANT)]
pub(crate) struct GrantArgs {
    #[command(flatten)]
    change: Change,
}

#[derive(Debug, clap::Args)]
#[command(after_help = REVOKE)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    change: Change,
}

#[derive(Debug, clap::Args)]
struct Change {
    #[command(flatten)]
    target: Target,
    /// http, storage, quota, stream, or all that the connector asks for
    #[arg(required = true, value_name = "GRANT")]
    grants: Vec<Wanted>,
    #[command(flatten)]
    shape: Shape,
}

/// A grant as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    One(Grant),
}

impl FromStr for Wanted {
    type Err = UnknownGrant;

    fn from_str(name: &str) -> Result<Self, UnknownGrant> {
        match name {
            "all" => Ok(Self::All),
            name => name.parse().map(Self::One),
        }
    }
}

impl Wanted {
    fn among(self, all: &Grants) -> Grants {
        match self {
            Self::All => all.clone(),
            Self::One(grant) => Grants::from([grant]),
        }
    }
}

impl GrantArgs {
    pub(super) const fn target(&self) -> &Target {
        &self.change.target
    }
}

impl RevokeArgs {
    pub(super) const fn target(&self) -> &Target {
        &self.change.target
    }
}

pub(crate) async fn show(common: &Common, args: ShowArgs) -> Result<Status> {
    let host = session::open(common, None).await?;
    let (tenant, name) = (&args.target.owner.tenant, &args.target.connection);
    let record = host.connection(tenant, name).await?.record().await?;
    tell(common, &args.target, &record, args.shape)
}

pub(crate) async fn grant(common: &Common, args: GrantArgs) -> Result<Status> {
    change(common, args.change, true).await
}

pub(crate) async fn revoke(common: &Common, args: RevokeArgs) -> Result<Status> {
    change(common, args.change, false).await
}

async fn change(common: &Common, change: Change, is_given: bool) -> Result<Status> {
    let (host, connection) = session::connect(common, &change.target).await?;
    let (tenant, name) = (&change.target.owner.tenant, &change.target.connection);
    let before = host.grants(tenant, name).await?;
    let waiting = before.waiting.iter().flat_map(|waiting| &waiting.missing);
    let all: Grants = before.asked.keys().chain(waiting).copied().collect();
    let wanted = change.grants.iter();
    let grants: Grants = wanted.flat_map(|wanted| wanted.among(&all)).collect();
    match is_given {
        true => host.grant(tenant, name, grants).await?,
        false => host.revoke(tenant, name, grants).await?,
    };
    control::reread_grants(common, connection.key()).await?;
    let record = connection.record().await?;
    tell(common, &change.target, &record, change.shape)
}

/// Shows what a connection was granted.
fn tell(
    common: &Common,
    target: &Target,
    record: &ConnectionRecord,
    shape: Shape,
) -> Result<Status> {
    let directory = target.owner.package.as_deref();
    let standing = Standing::of(&Shelf::of(common)?, record, directory)?;
    let Some(standing) = standing else {
        return Err(advised(
            format!(
                "the connector `{}` of {} is not here",
                record.package, record.key
            ),
            "install it with `lockgate package install DIR`, or give its directory with --package",
        ));
    };
    let manifest = standing.shown().manifest();
    let given = &standing.grants.given;
    let words = in_words(manifest, given);
    if shape.is_json() {
        let limits = Limits::ceiling().granted(&manifest.limits);
        let asked: Vec<_> = manifest
            .grants
            .iter()
            .map(|(grant, reason)| {
                json!({
                    "grant": grant,
                    "given": given.contains(grant),
                    "reason": reason,
                })
            })
            .collect();
        output::json(&json!({
            "connection": record.key.to_string(),
            "package": record.package,
            "version": standing.goes_to.as_ref().map(|it| &it.manifest().package.version),
            "given": given,
            "refused": standing.grants.refused,
            "asked": asked,
            "memory_bytes": limits.memory_bytes,
            "cpu_ms": u64::try_from(limits.cpu.as_millis()).unwrap_or(u64::MAX),
            "in_words": words,
            "waits_for": standing.waits_for(record),
        }))?;
        return Ok(Status::Done);
    }
    let version = &manifest.package.version;
    output::line(&format!(
        "{}, {} {version}: {words}",
        record.key, record.package
    ))?;
    let rows = manifest.grants.iter().map(|(grant, reason)| {
        let decision = match (
            given.contains(grant),
            standing.grants.refused.contains(grant),
        ) {
            (true, _) => "given",
            (false, true) => "refused",
            (false, false) => "open",
        };
        [grant.to_string(), decision.to_owned(), reason.clone()]
    });
    table::print(["grant", "decision", "why it is asked for"], rows)?;
    if let Some(waiting) = standing.waiting(record) {
        output::line(&waiting)?;
    }
    Ok(Status::Done)
}

/// What a connector may do and may not do, and what a call of it may use.
pub(super) fn in_words(manifest: &Manifest, given: &Grants) -> String {
    let limits = Limits::ceiling().granted(&manifest.limits);
    let may = given.iter().map(|grant| {
        let endpoints = manifest.vendor.iter().flat_map(|vendor| &vendor.stream);
        let places: Vec<&str> = endpoints
            .map(|endpoint| endpoint.authority.as_str())
            .collect();
        match grant {
            Grant::Stream if !places.is_empty() => {
                format!("may {} with {}", grant.in_words(), places.join(" and "))
            }
            grant => format!("may {}", grant.in_words()),
        }
    });
    let mut words: Vec<String> = may.collect();
    words.push(format!(
        "{} MiB of memory",
        limits.memory_bytes / (1024 * 1024)
    ));
    words.push(format!("{} s of CPU a call", limits.cpu.as_secs_f64()));
    let all = Grant::ALL.into_iter();
    let not = all.filter(|grant| !given.contains(grant));
    words.extend(not.map(|grant| format!("may not {}", grant.in_words())));
    words.join("; ")
}
