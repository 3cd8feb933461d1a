//! What happens in the org: each delivery in one transaction with its checkpoint.

use std::time::Duration;

use lockgate::{Advice, Checkpoint, Delivery, Event, Start, SubscribeOptions};

use super::load::fields;
use super::pace::Pace;
use super::{EVENTS, Engine, SyncError};
use crate::incoming::{Batch, Change, ChangeKind, Incoming, Stale};

/// From this pause on, comparisons make up for events.
const DEAF_FROM: Duration = Duration::from_mins(5);

impl Engine {
    /// Takes in what happens until something fails.
    pub(super) async fn receive(&self, pace: &Pace<'_>) -> Result<(), SyncError> {
        let sources: Vec<String> = self
            .taken()
            .into_iter()
            .map(|object| object.object.clone())
            .collect();
        if sources.is_empty() {
            return std::future::pending().await;
        }
        let start = match self.database.checkpoint(EVENTS).await? {
            Some(bytes) => Start::After(Checkpoint::from_bytes(bytes)?),
            None => Start::Newest,
        };
        match self.follow(&sources, start, pace).await {
            Err(error) if is_deaf(&error) => {
                // Everything is told later, from the checkpoint on; until then a
                // comparison now and then finds most of it.
                self.mark_all("deaf").await?;
                Err(error)
            }
            Err(SyncError::Connection(error)) if is_place_lost(&error) => {
                tracing::warn!(%error, "events were missed: all records are compared");
                self.is_listening.send_replace(false);
                self.follow(&sources, Start::Newest, pace).await
            }
            ended => ended,
        }
    }

    async fn follow(
        &self,
        sources: &[String],
        start: Start,
        pace: &Pace<'_>,
    ) -> Result<(), SyncError> {
        let is_new = start == Start::Newest;
        let options = SubscribeOptions {
            start,
            way: self.options.way.clone(),
        };
        let mut deliveries = self.connection.subscribe(sources, options).await?;
        if is_new {
            // What happened before is found by a comparison. Until the first checkpoint
            // is kept a start begins here again.
            self.mark_all("begun").await?;
        }
        self.is_listening.send_replace(true);
        while let Some(delivery) = deliveries.next_delivery().await? {
            self.apply(self.batch(&delivery)?).await?;
            pace.went_well();
        }
        Ok(())
    }

    fn batch(&self, delivery: &Delivery) -> Result<Batch, SyncError> {
        let mut items = Vec::with_capacity(delivery.events.len());
        for event in &delivery.events {
            items.extend(self.incoming(event)?);
        }
        let checkpoint = delivery.checkpoint.as_bytes().to_vec();
        Ok(Batch {
            items,
            checkpoint: Some((EVENTS.to_owned(), checkpoint)),
            ..Batch::default()
        })
    }

    /// An event, if it is about records that come here.
    fn incoming(&self, event: &Event) -> Result<Option<Incoming>, SyncError> {
        let moment = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let object = |name: &str| self.database.plan().object(name);
        Ok(match event {
            Event::Change(change) => match object(&change.object) {
                None => None,
                Some(object) => Some(Incoming::Change(Change {
                    id: change.id.clone(),
                    object: change.object.clone(),
                    record_ids: change.record_ids.clone(),
                    kind: kind(change.kind),
                    fields: fields(object, change.fields.get().as_bytes())?,
                    committed_ms: moment(change.committed_ms),
                    own: change.own,
                })),
            },
            Event::Stale(stale) => object(&stale.object).map(|_| {
                Incoming::Stale(Stale {
                    id: stale.id.clone(),
                    object: stale.object.clone(),
                    record_ids: stale.record_ids.clone(),
                    committed_ms: moment(stale.committed_ms),
                })
            }),
            Event::Message(_) => None,
        })
    }
}

const fn kind(kind: lockgate::ChangeKind) -> ChangeKind {
    match kind {
        lockgate::ChangeKind::Created => ChangeKind::Created,
        lockgate::ChangeKind::Updated => ChangeKind::Updated,
        lockgate::ChangeKind::Deleted => ChangeKind::Deleted,
        lockgate::ChangeKind::Undeleted => ChangeKind::Undeleted,
    }
}

/// The product tells of nothing for a long time.
fn is_deaf(error: &SyncError) -> bool {
    let pause = match error {
        SyncError::Connection(lockgate::Error::OverQuota { retry_after, .. }) => *retry_after,
        _ => return false,
    };
    pause >= DEAF_FROM
}

/// The product has not all that happened since the checkpoint.
fn is_place_lost(error: &lockgate::Error) -> bool {
    matches!(error, lockgate::Error::Refused { problem, .. } if problem.advice == Advice::Refetch)
}
