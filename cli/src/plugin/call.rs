//! The golden folders of a connector: a call, `call.json`, and the host that it meets:
//! what the product says to its requests, `exchanges.json`, and perhaps `settings.json`,
//! `stored.json` with what it finds in its storage, `stored-after.json` with what it
//! must leave there, and `now.txt` with the time that its clock says.

use std::time::SystemTime;

use anyhow::Result;
use lockgate::{CallUsage, Rehearsal, RehearsalOptions};
use serde_json::Value as Json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::exchanges::{self, Exchange};
use super::golden::{Folder, Outcome};
use super::operation::Operation;
use super::product::Product;
use super::stand::Stand;
use super::stored::{self, Stored};

/// The file with the call.
pub(super) const FILE: &str = "call.json";

/// The connection's settings.
const SETTINGS: &str = "settings.json";

/// What the connector's clock says at the beginning, in the form of RFC 3339.
const NOW: &str = "now.txt";

/// A call with what it meets.
pub(super) struct Call {
    pub(super) operation: Operation,
    pub(super) exchanges: Vec<Exchange>,
    pub(super) settings: Json,
    stored: Stored,
    /// What must be stored in the end, if the folder says it.
    stored_after: Option<Stored>,
    /// In milliseconds since 1970.
    now_ms: Option<u64>,
}

/// What became of a call.
pub(super) struct Called {
    pub(super) came: Result<Outcome>,
    pub(super) usage: CallUsage,
    /// Requests that reached the product: one with an expired token comes again.
    pub(super) requests: usize,
    /// Bytes of the answers' bodies.
    pub(super) bytes_in: usize,
    /// How its requests differ from `exchanges.json`; empty if they do not.
    pub(super) strange: Vec<String>,
    /// What is stored now.
    stored: Stored,
}

impl Call {
    pub(super) fn of(folder: &Folder) -> Result<Self> {
        let (before, after) = (stored::BEFORE, stored::AFTER);
        folder.check(&[FILE, exchanges::FILE, SETTINGS, before, after, NOW])?;
        let operation = folder.json(FILE)?;
        let now_ms = match folder.text(NOW)? {
            Some(text) => Some(moment(&text).ok_or_else(|| {
                folder.wrong(
                    NOW,
                    "it is no moment such as 2026-03-01T09:30:00Z since 1970",
                )
            })?),
            None => None,
        };
        Ok(Self {
            operation: operation.ok_or_else(|| folder.wrong(FILE, "there is no such file"))?,
            exchanges: folder.json(exchanges::FILE)?.unwrap_or_default(),
            settings: folder.json(SETTINGS)?.unwrap_or_default(),
            stored: Stored::of(folder, before)?.unwrap_or_default(),
            stored_after: Stored::of(folder, after)?,
            now_ms,
        })
    }

    /// What its calls find, on a product that is played: the time stands still but for
    /// their waits.
    pub(super) fn played(&self) -> RehearsalOptions {
        let now_ms = || {
            let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            u64::try_from(since_1970.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
        };
        RehearsalOptions {
            values: self.stored.values(),
            now_ms: Some(self.now_ms.unwrap_or_else(now_ms)),
            ..RehearsalOptions::default()
        }
    }

    /// What its calls find at a real product: its time is the machine's, and each request
    /// is noted.
    pub(super) fn recorded(&self) -> RehearsalOptions {
        RehearsalOptions {
            values: self.stored.values(),
            is_recorded: true,
            ..RehearsalOptions::default()
        }
    }

    /// Makes the call on a connection of its own.
    pub(super) async fn run(&self, stand: &Stand) -> Result<Called> {
        let product = Product::start(stand.auth(), &self.exchanges, None).await?;
        let rehearsal = Rehearsal::new(self.played());
        let connected = stand.connect(product.origin(), &self.settings).await;
        let came = match connected? {
            Ok(connection) => self.operation.run(&connection.rehearsing(&rehearsal)).await,
            // Settings that are refused are what came of it.
            Err(error) => Err(error.into()),
        };
        Ok(Called {
            came,
            usage: rehearsal.usage(),
            requests: product.asked().len(),
            bytes_in: product.bytes_out(),
            strange: product.difference(),
            stored: Stored::from_values(&rehearsal.values()),
        })
    }

    /// How what is stored in the end differs from what the folder says; `None` if it does
    /// not, or says nothing. With `bless` that is what it says from now on.
    pub(super) fn difference_of_stored(
        &self,
        folder: &Folder,
        called: &Called,
        bless: bool,
    ) -> Result<Option<String>> {
        let Some(expected) = &self.stored_after else {
            return Ok(None);
        };
        let difference = expected.difference(&called.stored);
        if bless && difference.is_some() {
            folder.write(stored::AFTER, &called.stored.to_text()?)?;
            return Ok(None);
        }
        Ok(difference)
    }
}

/// Milliseconds since 1970.
fn moment(text: &str) -> Option<u64> {
    let moment = OffsetDateTime::parse(text.trim(), &Rfc3339).ok()?;
    u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_folder_is_a_moment_since_1970() {
        assert_eq!(moment("1970-01-01T00:00:01.5Z\n"), Some(1_500));
        assert_eq!(moment("2026-03-01T09:30:00+01:00"), Some(1_772_353_800_000));
        assert_eq!(moment("1969-12-31T00:00:00Z"), None);
        assert_eq!(moment("tomorrow"), None);
    }
}
