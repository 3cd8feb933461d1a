//! What tenants share, and in what proportion: turns on the cores, and instances.
//!
//! A guest runs in *turns*. It gives its turn back whenever it waits, for an answer of
//! its product for instance, and at each tick of the clock of guests while it computes.
//! Of those that wait for a turn, the next is one of the tenant that has used least for
//! its weight; within a tenant they keep their order. As long as more than one tenant is
//! there, none has a turn on every core, so that a call of another one begins at once
//! beside a tenant that does its worst.
//!
//! Instances are given out by the same rule.

mod supply;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::POOLED_INSTANCES;
pub(crate) use supply::{Claim, Held, Supply};
use supply::{Rules, Shown};

/// What one tenant gets of a host, at most: see [`HostBuilder::shares`]. Calls that
/// belong to no connection count as those of a tenant of their own.
///
/// [`HostBuilder::shares`]: crate::HostBuilder::shares
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Guests that run at a time. Default: as many as the machine has cores. More only
    /// has them take cores from each other.
    pub running: usize,
    /// Of these, guests of one tenant, as long as another tenant is there or was until a
    /// minute or two ago. Default: one less than there are cores, and at least 1. Guests
    /// that wait do not count.
    pub running_of_one: usize,
    /// Instances of one tenant, those that wait included: calls under way, answers that
    /// are not read to their end, subscriptions. Of connectors and of transforms so many
    /// each, of 256. Default 224.
    pub instances_of_one: usize,
    /// Calls of one tenant that may wait for an instance. Default 1,000.
    pub waiting_of_one: usize,
    /// How long such a call waits. Default 30 s.
    pub wait: Duration,
}

impl Default for Shares {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            running: cores,
            running_of_one: cores.saturating_sub(1).max(1),
            instances_of_one: 224,
            waiting_of_one: 1_000,
            wait: Duration::from_secs(30),
        }
    }
}

impl Shares {
    /// Turns on the cores.
    pub(crate) fn turns(&self) -> Arc<Supply> {
        Supply::new(Rules {
            total: self.running,
            of_one: self.running_of_one,
            of_one_alone: self.running,
        })
    }

    /// Instances of one engine. They cannot be taken back, so nobody gets them all even
    /// while nobody else is there.
    pub(crate) fn instances(&self) -> Arc<Supply> {
        Supply::new(Rules {
            total: POOLED_INSTANCES as usize,
            of_one: self.instances_of_one,
            of_one_alone: self.instances_of_one,
        })
    }

    /// What no call could ever run with.
    pub(crate) fn problems(&self) -> Vec<String> {
        let least = [
            ("running", self.running),
            ("running_of_one", self.running_of_one),
            ("instances_of_one", self.instances_of_one),
        ];
        least
            .iter()
            .filter(|(_, most)| *most == 0)
            .map(|(name, _)| format!("the share `{name}` is 0: no call could run"))
            .collect()
    }
}

/// What a tenant has of a host at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TenantStatus {
    /// Whose calls they are; empty for those that belong to no connection.
    pub tenant: String,
    /// Its weight among the others.
    pub weight: u32,
    /// Guests that run.
    pub running: usize,
    /// Guests that wait for their turn on a core.
    pub ready: usize,
    /// Instances that are alive, of connectors and of transforms.
    pub instances: usize,
    /// Calls that wait for an instance.
    pub waiting: usize,
}

/// What each tenant that is there has of turns and of instances, by name.
pub(crate) fn status(turns: &Supply, instances: &[&Supply]) -> Vec<TenantStatus> {
    let mut all: BTreeMap<Arc<str>, TenantStatus> = BTreeMap::new();
    for shown in turns.shown() {
        let status = shown.status(&mut all);
        status.running += shown.held;
        status.ready += shown.waiting;
    }
    for shown in instances.iter().flat_map(|supply| supply.shown()) {
        let status = shown.status(&mut all);
        status.instances += shown.held;
        status.waiting += shown.waiting;
    }
    all.into_values().collect()
}

impl Shown {
    fn status<'a>(&self, all: &'a mut BTreeMap<Arc<str>, TenantStatus>) -> &'a mut TenantStatus {
        let tenant = Arc::clone(&self.tenant);
        all.entry(tenant).or_insert_with(|| TenantStatus {
            tenant: self.tenant.to_string(),
            weight: self.weight,
            running: 0,
            ready: 0,
            instances: 0,
            waiting: 0,
        })
    }
}
