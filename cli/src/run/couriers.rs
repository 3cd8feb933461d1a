//! Webhooks at work: those that there are and that are not paused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use lockgate::Host;
use lockgate::outbound::{Courier, CourierStatus, Ended};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::control::Sending;
use super::hosts::Hosts;
use crate::exit::duration;
use crate::webhook::definition::{Definition, Webhook, now_ms};
use crate::webhook::open;
use crate::{kept, output, text};

/// The first and the longest pause if a courier cannot even be made. What can go wrong
/// later it waits out by itself.
const SHORTEST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// All webhooks at work.
pub(super) struct Couriers {
    host: Host,
    hosts: Arc<Mutex<Hosts>>,
    at_work: BTreeMap<String, (Webhook, Work)>,
}

/// A webhook at work.
struct Work {
    task: JoinHandle<()>,
    state: Arc<StdMutex<State>>,
}

/// How far it is.
#[derive(Clone, Default)]
enum State {
    #[default]
    Starting,
    Running(Arc<Courier>),
    Failing(String),
    Ended(Ended),
}

impl Couriers {
    pub(super) fn new(host: Host, hosts: Arc<Mutex<Hosts>>) -> Self {
        Self {
            host,
            hosts,
            at_work: BTreeMap::new(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.at_work.len()
    }

    /// How they are, by tenant and name.
    pub(super) fn live(&self) -> BTreeMap<String, Sending> {
        let live = |(title, (_, work)): (&String, &(Webhook, Work))| (title.clone(), work.live());
        self.at_work.iter().map(live).collect()
    }

    /// Takes up what was added, changed or started, lets go what is gone or paused, and
    /// has the others look whether something is due.
    pub(super) async fn reload(&mut self) -> Result<()> {
        let all = kept::all::<Definition>(&self.host, None).await?;
        let wanted = all.into_iter().filter(|kept| !kept.definition.is_paused);
        let mut wanted: BTreeMap<String, Webhook> =
            wanted.map(|webhook| (webhook.title(), webhook)).collect();
        let over: Vec<_> = self
            .at_work
            .extract_if(.., |title, (webhook, work)| {
                // One that has ended by itself is to begin again if it is wanted.
                work.task.is_finished() || wanted.get(title) != Some(webhook)
            })
            .collect();
        for (_, (_, work)) in over {
            work.stop().await;
        }
        for (_, work) in self.at_work.values() {
            work.wake();
        }
        wanted.retain(|title, _| !self.at_work.contains_key(title));
        for (title, webhook) in wanted {
            let state = Arc::default();
            let work = work(Arc::clone(&self.hosts), webhook.clone(), Arc::clone(&state));
            let task = tokio::spawn(work);
            self.at_work.insert(title, (webhook, Work { task, state }));
        }
        Ok(())
    }

    /// Stops everything. What was under way is sent again by the next.
    pub(super) async fn stop(self) {
        for (_, (_, work)) in self.at_work {
            work.stop().await;
        }
    }
}

impl Work {
    async fn stop(self) {
        self.task.abort();
        // It was cut off, as it was asked to be.
        let _ = self.task.await;
    }

    fn state(&self) -> State {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clone()
    }

    fn wake(&self) {
        if let State::Running(courier) = self.state() {
            courier.wake();
        }
    }

    fn live(&self) -> Sending {
        let sending = |state: &str, problems| Sending {
            state: state.to_owned(),
            problems,
        };
        match self.state() {
            State::Starting => sending("starting", Vec::new()),
            State::Running(courier) => {
                let CourierStatus {
                    hears,
                    hearing_problem,
                    sending_problem,
                } = courier.status();
                let problems: Vec<String> =
                    hearing_problem.into_iter().chain(sending_problem).collect();
                let state = match (problems.is_empty(), hears) {
                    (false, _) => "failing",
                    (true, false) => "starting",
                    (true, true) => "running",
                };
                sending(state, problems)
            }
            State::Failing(problem) => sending("failing", vec![problem]),
            State::Ended(Ended::Gone) => sending("not wanted any more", Vec::new()),
            State::Ended(Ended::Removed) => sending("removed", Vec::new()),
        }
    }
}

async fn work(hosts: Arc<Mutex<Hosts>>, webhook: Webhook, state: Arc<StdMutex<State>>) {
    let set = |now: State| *state.lock().unwrap_or_else(PoisonError::into_inner) = now;
    let mut pause = SHORTEST_PAUSE;
    let (host, courier) = loop {
        let opened = {
            // One after the other: compilers would only slow each other down.
            let mut hosts = hosts.lock().await;
            opened(&mut hosts, &webhook).await
        };
        match opened {
            Ok(opened) => break opened,
            Err(error) => {
                let problem = format!("{error:#}");
                output::tell(&format!(
                    "{}: {} (tries again in {})",
                    webhook.title(),
                    text::clean(&problem),
                    duration(pause)
                ));
                set(State::Failing(problem));
            }
        }
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    };
    set(State::Running(Arc::clone(&courier)));
    let ended = courier.run().await;
    set(State::Ended(ended));
    if ended == Ended::Gone {
        output::tell(&format!(
            "{}: the app answered 410, it wants no more events; `lockgate webhook start {}` \
             once it does",
            webhook.title(),
            webhook.as_arguments()
        ));
        if let Err(error) = put_away(&host, &webhook).await {
            tracing::warn!(%error, "a webhook that is not wanted any more is not paused");
        }
    }
}

async fn opened(hosts: &mut Hosts, webhook: &Webhook) -> Result<(Host, Arc<Courier>)> {
    let package = webhook.definition.package.as_deref();
    let (host, _) = hosts.connect(&webhook.connection, package).await?;
    let courier = open::courier(&host, webhook).await?;
    Ok((host, Arc::new(courier)))
}

/// Pauses a webhook that is not wanted any more, so that the next start does not ask
/// again.
async fn put_away(host: &Host, webhook: &Webhook) -> Result<()> {
    let mut now: Webhook = kept::find(host, webhook.connection.tenant(), &webhook.name).await?;
    now.definition.is_paused = true;
    now.definition.gone_ms = Some(now_ms());
    kept::keep(host, &now).await
}
