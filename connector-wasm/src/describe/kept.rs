//! Descriptions that are kept from call to call, with what to ask whether they
//! have changed.
//!
//! They have a fixed number of places in the store, which objects share by
//! their names' hash: so they can never crowd out what else is kept there, and
//! nothing has to be cleared away. An object that finds another one in its
//! place is asked for again, and takes the place.

use serde::{Deserialize, Serialize};

use crate::api::{Api, Ask};
use crate::host::{Answer, Host};
use crate::wire;

/// Places for objects, beside the one of the list of all. With [`MAX_PARTS`]
/// they take 12 MiB at most, of the 16 that the manifest asks for.
const PLACES: u64 = 48;
/// Parts of one description: a larger one is not kept.
const MAX_PARTS: usize = 4;
/// Bytes of a part. The store takes 64 KiB, the head of the first one included.
const PART_BYTES: usize = 60 * 1024;

/// How long a description costs no call, in milliseconds, where nothing depends
/// on its being the latest.
const FRESH_MS: u64 = 5 * 60 * 1000;
/// How long it is good for a question whether it has changed. Salesforce may
/// answer that by the date of the schema alone, which does not tell that the
/// user or the user's permissions have changed.
const KEPT_MS: u64 = 24 * 60 * 60 * 1000;

/// How old a description may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// One of the last minutes costs no call, an older one is asked for again.
    Recent,
    /// The org is asked whether it has changed.
    Checked,
    /// Asked for whole: what is kept may be what is wrong.
    Anew,
}

/// What stands in a line before the first part.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    object: String,
    version: String,
    asked_ms: u64,
    /// When it came whole.
    came_ms: u64,
    #[serde(default)]
    etag: Option<String>,
    #[serde(default)]
    last_modified: Option<String>,
    bytes: usize,
    /// Of all the parts: they are written one by one, maybe by two calls at a
    /// time.
    hash: u64,
}

/// A description as it is kept.
#[derive(Debug)]
pub(super) struct Kept {
    head: Head,
    pub(super) body: Vec<u8>,
}

impl Kept {
    /// The description of an object, or the list of all if the name is empty.
    pub(super) async fn load<H: Host>(api: &Api<H>, object: &str, version: &str) -> Option<Self> {
        let first = api.host.load(&key(object, 0)).await?;
        let end = first.iter().position(|byte| *byte == b'\n')?;
        let head: Head = wire::read(first.get(..end)?)?;
        let is_it = head.object.eq_ignore_ascii_case(object) && head.version == version;
        let age_ms = api.host.now_ms().checked_sub(head.came_ms)?;
        if !is_it || age_ms >= KEPT_MS {
            return None;
        }
        let mut body = first.get(end + 1..)?.to_vec();
        for part in 1..head.bytes.div_ceil(PART_BYTES).min(MAX_PARTS) {
            body.extend_from_slice(&api.host.load(&key(object, part)).await?);
        }
        (body.len() == head.bytes && hash(&body) == head.hash).then_some(Self { head, body })
    }

    /// Whether the org need not be asked.
    pub(super) fn is_fresh(&self, now_ms: u64) -> bool {
        now_ms
            .checked_sub(self.head.asked_ms)
            .is_some_and(|age_ms| age_ms < FRESH_MS)
    }

    /// The request that asks for it only if it has changed.
    pub(super) fn unless_same(&self, mut ask: Ask) -> Ask {
        let Head {
            etag,
            last_modified,
            ..
        } = &self.head;
        for (name, value) in [
            ("If-None-Match", etag),
            ("If-Modified-Since", last_modified),
        ] {
            if let Some(value) = value {
                ask.headers.push((name.to_owned(), value.clone()));
            }
        }
        ask
    }

    /// Notes that it has not changed.
    pub(super) async fn confirm<H: Host>(mut self, api: &Api<H>) -> Vec<u8> {
        self.head.asked_ms = api.host.now_ms();
        self.store_first(api).await;
        self.body
    }

    /// Keeps what an answer gave; `body` is what is left of it.
    pub(super) async fn keep<H: Host>(
        api: &Api<H>,
        object: &str,
        version: String,
        answer: Answer,
        body: Vec<u8>,
    ) -> Vec<u8> {
        if body.len() > MAX_PARTS * PART_BYTES {
            return body;
        }
        let now_ms = api.host.now_ms();
        let kept = Self {
            head: Head {
                object: object.to_owned(),
                version,
                asked_ms: now_ms,
                came_ms: now_ms,
                etag: answer.etag,
                last_modified: answer.last_modified,
                bytes: body.len(),
                hash: hash(&body),
            },
            body,
        };
        for (part, bytes) in kept.body.chunks(PART_BYTES).enumerate().skip(1) {
            api.host.store(&key(object, part), bytes.to_vec()).await;
        }
        kept.store_first(api).await;
        kept.body
    }

    /// Writes the head with the first part; last, so that it speaks of parts
    /// that are there.
    async fn store_first<H: Host>(&self, api: &Api<H>) {
        let mut first = serde_json::to_vec(&self.head).unwrap_or_default();
        first.push(b'\n');
        first.extend(self.body.iter().take(PART_BYTES));
        api.host.store(&key(&self.head.object, 0), first).await;
    }
}

/// Where a part is kept.
fn key(object: &str, part: usize) -> String {
    if object.is_empty() {
        return format!("described/all/{part}");
    }
    let name = object.to_ascii_lowercase();
    let place = hash(name.as_bytes()) % PLACES;
    format!("described/{place}/{part}")
}

/// FNV-1a. Nobody gains anything by two texts with the same one.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
