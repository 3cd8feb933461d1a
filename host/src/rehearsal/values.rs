//! What a connector has stored in a rehearsal: the rules of the store, in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::{KeyPage, MAX_LISTED_KEYS, StoreError, VALUE_OVERHEAD_BYTES, Value};

/// Values by key.
#[derive(Debug)]
pub(crate) struct Values(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    values: BTreeMap<String, Value>,
    last_version: u64,
}

/// What must be there for a write to happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expect {
    Anything,
    /// This version; 0 for no value.
    Version(u64),
}

impl Values {
    /// Values that are there from the beginning, each at a version of its own.
    pub(super) fn new(values: BTreeMap<String, Vec<u8>>) -> Self {
        let values = (1..).zip(values);
        let values: BTreeMap<String, Value> = values
            .map(|(version, (key, bytes))| (key, Value { version, bytes }))
            .collect();
        Self(Mutex::new(Held {
            last_version: values.len() as u64,
            values,
        }))
    }

    pub(super) fn all(&self) -> BTreeMap<String, Vec<u8>> {
        let held = self.held();
        let all = held.values.iter();
        all.map(|(key, value)| (key.clone(), value.bytes.clone()))
            .collect()
    }

    pub(crate) fn get(&self, key: &str) -> Option<Value> {
        self.held().values.get(key).cloned()
    }

    /// Writes a value, and gives its new version.
    pub(crate) fn put(
        &self,
        key: &str,
        expect: Expect,
        bytes: &[u8],
        limit: u64,
    ) -> Result<u64, StoreError> {
        let mut held = self.held();
        let there = held.values.get(key);
        let current = there.map_or(0, |value| value.version);
        if let Expect::Version(expected) = expect
            && expected != current
        {
            return Err(StoreError::Conflict { current });
        }
        let old_bytes = there.map_or(0, |value| size(key, &value.bytes));
        let new_bytes = size(key, bytes);
        let all: u64 = held.values.iter().map(|(key, v)| size(key, &v.bytes)).sum();
        if all - old_bytes + new_bytes > limit && new_bytes > old_bytes {
            return Err(StoreError::Full { limit });
        }
        held.last_version += 1;
        let version = held.last_version;
        let bytes = bytes.to_vec();
        held.values.insert(key.to_owned(), Value { version, bytes });
        Ok(version)
    }

    pub(crate) fn delete(&self, key: &str) {
        self.held().values.remove(key);
    }

    pub(crate) fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> KeyPage {
        let held = self.held();
        let limit = limit.min(MAX_LISTED_KEYS) as usize;
        let fits = |key: &&String| {
            key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after)
        };
        let mut keys: Vec<String> = held
            .values
            .keys()
            .filter(fits)
            .take(limit + 1)
            .cloned()
            .collect();
        let goes_on = keys.len() > limit;
        keys.truncate(limit);
        KeyPage {
            next: keys.last().filter(|_| goes_on).cloned(),
            keys,
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a value costs of the share.
const fn size(key: &str, bytes: &[u8]) -> u64 {
    key.len() as u64 + bytes.len() as u64 + VALUE_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 1_000;

    fn values(keys: &[&str]) -> Values {
        let value = |key: &&str| ((*key).to_owned(), b"x".to_vec());
        Values::new(keys.iter().map(value).collect())
    }

    #[test]
    fn a_write_knows_the_version_that_it_replaces() {
        let values = values(&["a"]);
        let first = values.get("a").unwrap().version;
        let second = values
            .put("a", Expect::Version(first), b"y", LIMIT)
            .unwrap();
        assert!(second > first);
        let stale = values.put("a", Expect::Version(first), b"z", LIMIT);
        assert!(matches!(stale, Err(StoreError::Conflict { current }) if current == second));
        values.delete("a");
        let gone = values.put("a", Expect::Version(second), b"z", LIMIT);
        assert!(matches!(gone, Err(StoreError::Conflict { current: 0 })));
        let anew = values.put("a", Expect::Version(0), b"z", LIMIT).unwrap();
        assert!(anew > second);
    }

    #[test]
    fn a_full_share_takes_no_more_but_lets_values_shrink() {
        let values = values(&[]);
        let large = vec![0; 900];
        values.put("a", Expect::Anything, &large, LIMIT).unwrap();
        let more = values.put("b", Expect::Anything, b"", LIMIT);
        assert!(matches!(more, Err(StoreError::Full { limit: LIMIT })));
        values.put("a", Expect::Anything, &large[..10], 20).unwrap();
        assert_eq!(values.all()["a"].len(), 10);
    }

    #[test]
    fn keys_are_listed_in_pages_that_end() {
        let values = values(&["a/1", "a/2", "a/3", "b"]);
        let page = values.list("a/", None, 2);
        assert_eq!(page.keys, ["a/1", "a/2"]);
        let rest = values.list("a/", page.next.as_deref(), 2);
        assert_eq!((rest.keys, rest.next), (vec!["a/3".to_owned()], None));
        assert!(values.list("c", None, 2).keys.is_empty());
        let none = values.list("", None, 0);
        assert_eq!((none.keys.len(), none.next), (0, None));
    }
}
