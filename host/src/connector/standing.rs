//! What has become of the connection of a call that is under way.

use super::Instance;
use crate::error::Error;
use crate::store::{ConnectionRecord, ConnectionState};

impl Instance {
    /// Holds a call that lasts against what has become of its connection since it
    /// began.
    ///
    /// # Errors
    /// [`Error::NoConnection`] if it was removed, even if there is another one of
    /// its name; [`Error::NeedsReconnect`].
    pub(crate) async fn check_connection(&mut self) -> Result<(), Error> {
        let now = self.host.connection_record(&self.record.key).await?;
        self.check_age(now.created_ms)?;
        self.learn_grants(&now);
        must_be_ready(&now)
    }

    /// Sees what somebody on another machine has given or taken since the call began.
    pub(super) async fn reread_grants(&mut self) {
        // One that is gone is told by what the guest does next.
        if let Ok(now) = self.host.connection_record(&self.record.key).await {
            self.learn_grants(&now);
        }
    }

    fn learn_grants(&self, now: &ConnectionRecord) {
        if let Some(grants) = &now.grants {
            self.grants.learn(now.created_ms, grants);
        }
    }

    /// Whether the connection is the one that was added then.
    ///
    /// # Errors
    /// [`Error::NoConnection`] if it is another one of its name.
    pub(crate) fn check_age(&self, created_ms: u64) -> Result<(), Error> {
        if created_ms != self.record.created_ms {
            return Err(Error::NoConnection {
                connection: self.record.key.to_string(),
            });
        }
        Ok(())
    }

    /// The guest knows only that the connection is no longer authorised; the
    /// host knows why.
    pub(super) async fn reconnect_reason(&mut self) -> Error {
        match self.host.connection_record(&self.record.key).await {
            Ok(ConnectionRecord {
                state: ConnectionState::NeedsReconnect { reason },
                ..
            }) => needs_reconnect(&self.record, &reason),
            Ok(_) => needs_reconnect(&self.record, "the product no longer accepts its session"),
            Err(error) => error,
        }
    }
}

pub(super) fn must_be_ready(record: &ConnectionRecord) -> Result<(), Error> {
    match &record.state {
        ConnectionState::Ready => Ok(()),
        ConnectionState::Pending => Err(needs_reconnect(record, "it was never authorised")),
        ConnectionState::NeedsReconnect { reason } => Err(needs_reconnect(record, reason)),
    }
}

fn needs_reconnect(record: &ConnectionRecord, reason: &str) -> Error {
    Error::NeedsReconnect {
        connection: record.key.to_string(),
        reason: reason.to_owned(),
    }
}
