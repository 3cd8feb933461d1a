//! Webhooks at work: what the receiver serves, and beside it, for each of them, the
//! connector that is loaded and the records that are written.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use lockgate::receiver::{Hook, Receiver};
use lockgate::{Host, Inbox, Intake};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::hosts::Hosts;
use crate::exit::duration;
use crate::sync::open;
use crate::webhook::receive::definition::{Definition, Webhook};
use crate::{kept, output, text};

/// The first and the longest pause after a failure.
const SHORTEST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often ids of what was done long ago are forgotten.
const PRUNE_EVERY: Duration = Duration::from_hours(1);

/// All webhooks that come in.
pub(super) struct Receiving {
    hosts: Arc<Mutex<Hosts>>,
    receiver: Receiver,
    at_work: BTreeMap<String, AtWork>,
}

/// One of them.
struct AtWork {
    webhook: Webhook,
    hook: Hook,
    task: JoinHandle<()>,
}

impl Receiving {
    pub(super) const fn new(hosts: Arc<Mutex<Hosts>>, receiver: Receiver) -> Self {
        Self {
            hosts,
            receiver,
            at_work: BTreeMap::new(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.at_work.len()
    }

    /// Takes up what was added or changed, and lets go what is gone. One that cannot be
    /// taken up is told of, and holds up no other.
    pub(super) async fn reload(&mut self, host: &Host) -> Result<()> {
        let all = kept::all::<Definition>(host, None).await?;
        let mut wanted: BTreeMap<String, Webhook> = all
            .into_iter()
            .map(|webhook| (webhook.title(), webhook))
            .collect();
        let is_over = |title: &String, one: &AtWork| wanted.get(title) != Some(&one.webhook);
        let over: Vec<_> = self
            .at_work
            .extract_if(.., |title, one| is_over(title, one))
            .collect();
        for (_, one) in over {
            one.stop().await;
        }
        wanted.retain(|title, _| !self.at_work.contains_key(title));
        for (title, webhook) in wanted {
            match self.begin(webhook).await {
                Ok(one) => {
                    self.at_work.insert(title, one);
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    output::warn(&format!("{title} is not taken: {}", text::clean(&error)));
                }
            }
        }
        for one in self.at_work.values() {
            one.hook.inbox.wake();
        }
        let hooks = self.at_work.values().map(|one| one.hook.clone());
        self.receiver.serve(hooks.collect());
        Ok(())
    }

    async fn begin(&self, webhook: Webhook) -> Result<AtWork> {
        let connection = self
            .hosts
            .lock()
            .await
            .connection(&webhook.connection)
            .await?;
        let inbox = connection.inbox(&webhook.name)?;
        let hook = webhook.hook(connection, inbox.clone())?;
        let task = tokio::spawn(work(Arc::clone(&self.hosts), webhook.clone(), inbox));
        Ok(AtWork {
            webhook,
            hook,
            task,
        })
    }

    /// Stops everything. What has come is kept.
    pub(super) async fn stop(self) {
        self.receiver.serve(Vec::new());
        for one in self.at_work.into_values() {
            one.stop().await;
        }
    }
}

impl AtWork {
    async fn stop(self) {
        self.task.abort();
        // It was cut off, as it was asked to be.
        let _ = self.task.await;
    }
}

/// Does what is to be done beside taking requests, and begins again after a failure.
async fn work(hosts: Arc<Mutex<Hosts>>, webhook: Webhook, inbox: Inbox) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let Err(error) = serve(&hosts, &webhook, &inbox).await;
        let error = format!("{error:#}");
        output::tell(&format!(
            "{}: {} (tries again in {})",
            webhook.title(),
            text::clean(&error),
            duration(pause)
        ));
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

async fn serve(hosts: &Mutex<Hosts>, webhook: &Webhook, inbox: &Inbox) -> Result<Infallible> {
    let definition = &webhook.definition;
    let connect = async || {
        // One after the other: compilers would only slow each other down.
        let mut hosts = hosts.lock().await;
        let package = definition.package.as_deref();
        hosts.connect(&webhook.connection, package).await
    };
    let Some(into) = &definition.into else {
        if definition.secrets.is_none() {
            connect().await?;
        }
        loop {
            inbox.prune().await?;
            sleep(PRUNE_EVERY).await;
        }
    };
    let (host, connection) = connect().await?;
    let intake = Intake::new(
        inbox.clone(),
        connection.with_settings(into.settings.clone()),
        into.object.clone(),
        into.key_field.clone(),
        open::load_all(&host, &into.plugins).await?,
    );
    Ok(intake.run().await?)
}
