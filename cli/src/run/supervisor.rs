//! What is at work: the syncs and webhooks that there are and that are not paused.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use lockgate::Host;
use lockgate::receiver::Receiver;
use tokio::sync::Mutex;

use super::control::{AtWork, Request, Response};
use super::couriers::Couriers;
use super::hosts::Hosts;
use super::receiving::Receiving;
use super::work::Work;
use crate::args::Common;
use crate::sync::definition::{Definition, Sync};
use crate::{kept, text};

/// All that is at work.
pub(super) struct Supervisor {
    host: Host,
    hosts: Arc<Mutex<Hosts>>,
    at_work: BTreeMap<String, (Sync, Work)>,
    couriers: Couriers,
    receiving: Receiving,
}

impl Supervisor {
    pub(super) fn new(common: &Common, host: Host, receiver: Receiver) -> Self {
        let hosts = Arc::new(Mutex::new(Hosts::new(common, host.clone())));
        Self {
            couriers: Couriers::new(host.clone(), Arc::clone(&hosts)),
            receiving: Receiving::new(Arc::clone(&hosts), receiver),
            hosts,
            host,
            at_work: BTreeMap::new(),
        }
    }

    /// `1 sync and 2 webhooks`.
    pub(super) fn in_words(&self) -> String {
        format!(
            "{} and {}",
            text::counted(self.at_work.len(), "sync"),
            text::counted(self.couriers.count(), "webhook")
        )
    }

    /// How many webhooks come in.
    pub(super) fn received(&self) -> usize {
        self.receiving.count()
    }

    /// Answers a command.
    pub(super) async fn answer(&mut self, request: Request) -> Response {
        let done = match request {
            Request::Status => Ok(()),
            Request::Reload => self.reload().await,
            Request::Grants { tenant, name } => self.reread_grants(&tenant, &name).await,
            Request::Packages => {
                return Response::Packages(self.hosts.lock().await.packages());
            }
            Request::Load => return Response::Load(self.hosts.lock().await.load()),
            Request::Package { name, wish } => {
                return match self.hosts.lock().await.steer(&name, &wish).await {
                    Ok(change) => Response::Changed(change),
                    Err(error) => Response::Failed(format!("{error:#}")),
                };
            }
        };
        if let Err(error) = done {
            return Response::Failed(format!("{error:#}"));
        }
        let mut syncs = BTreeMap::new();
        for (title, (_, work)) in &self.at_work {
            syncs.insert(title.clone(), work.live().await);
        }
        Response::AtWork(AtWork {
            syncs,
            webhooks: self.couriers.live(),
        })
    }

    /// Takes up what was added, changed or started, and lets go what is gone or paused.
    pub(super) async fn reload(&mut self) -> Result<()> {
        // First, since nobody sends again for ever what is not taken.
        self.receiving.reload(&self.host).await?;
        self.couriers.reload().await?;
        let all = kept::all::<Definition>(&self.host, None).await?;
        let wanted = all.into_iter().filter(|sync| !sync.definition.is_paused);
        let mut wanted: BTreeMap<String, Sync> = wanted.map(|sync| (sync.title(), sync)).collect();
        let is_over = |title: &String, sync: &Sync| wanted.get(title) != Some(sync);
        let over: Vec<_> = self
            .at_work
            .extract_if(.., |title, (sync, _)| is_over(title, sync))
            .collect();
        for (_, (_, work)) in over {
            work.stop().await;
        }
        wanted.retain(|title, _| !self.at_work.contains_key(title));
        for (title, sync) in wanted {
            let work = Work::begin(Arc::clone(&self.hosts), sync.clone());
            self.at_work.insert(title, (sync, work));
        }
        Ok(())
    }

    /// Has calls see what their connection was granted. What has failed for want of it
    /// begins anew at once, rather than after its pause.
    async fn reread_grants(&mut self, tenant: &str, name: &str) -> Result<()> {
        self.hosts.lock().await.reread_grants(tenant, name).await?;
        let is_meant =
            |sync: &Sync| sync.connection.tenant() == tenant && sync.connection.name() == name;
        let failing: Vec<_> = self
            .at_work
            .extract_if(.., |_, (sync, work)| is_meant(sync) && work.is_failing())
            .collect();
        for (_, (_, work)) in failing {
            work.stop().await;
        }
        self.reload().await
    }

    /// Stops everything. What was done is kept.
    pub(super) async fn stop(self) -> Result<()> {
        self.receiving.stop().await;
        self.couriers.stop().await;
        for (_, (_, work)) in self.at_work {
            work.stop().await;
        }
        self.hosts.lock().await.flush().await
    }
}
