//! What an older version of a connector has stored, taken over to a newer one.
//!
//! Values lie in a scope of their own for each `state` of a manifest. The first call of
//! a connection in a version with a newer state takes them over, in parts, each part by
//! the connector itself in an instance that reaches nothing. A mark says that it is done;
//! until then it is done again, and what the newer version has written meanwhile stays.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::bindings::migrator::exports::lockgate::connector::migration as wit;
use crate::bindings::migrator::{Migrator, MigratorPre};
use crate::capability::log::Speaker;
use crate::capability::quota::QuotaAccess;
use crate::capability::storage::{Place, Storage, is_key};
use crate::connector::LoadedConnector;
use crate::error::{Error, GuestCall};
use crate::grant::live::Live;
use crate::guest::Guest;
use crate::host::Inner;
use crate::limits::Limits;
use crate::manifest::first_state;
use crate::records::bounded;
use crate::state::ConnectorState;
use crate::store::{ConnectionRecord, Scope, Store, StoreError};

/// What one part of the values has at most.
const PART_VALUES: u32 = 200;
const PART_BYTES: usize = 1024 * 1024;

/// The call's name in errors and figures.
const MIGRATE: &str = "migrate";

/// A connection by its key and by when it was added.
type Whose = (String, u64);

/// Set once a connection's values were taken over.
type Done = Arc<OnceCell<()>>;

/// How a version takes over older values, and for which connections it has.
pub(crate) struct Migration {
    /// `None` if the package exports no migration: then it begins with nothing.
    pre: Option<MigratorPre<ConnectorState>>,
    /// First calls of one connection wait for each other, and for no other connection.
    done: Mutex<BTreeMap<Whose, Done>>,
}

/// Which values are taken over, and where to.
struct Way<'a> {
    store: &'a dyn Store,
    record: &'a ConnectionRecord,
    loaded: &'a LoadedConnector,
    from: Scope,
    from_state: u32,
}

impl Migration {
    pub(crate) fn new(pre: Option<MigratorPre<ConnectorState>>) -> Self {
        Self {
            pre,
            done: Mutex::default(),
        }
    }

    /// Whether it was done for a connection.
    fn of(&self, record: &ConnectionRecord) -> Done {
        let this = (record.key.to_string(), record.created_ms);
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(done.entry(this).or_default())
    }
}

/// Where a version keeps its values: under the package's name, and its state if that is
/// not the first.
pub(crate) fn scope(record: &ConnectionRecord, package: &str, state: u32) -> Scope {
    let package = match state {
        state if state == first_state() => package.to_owned(),
        // No package's name has this character.
        state => format!("{package}#{state}"),
    };
    Scope {
        connection: record.key.clone(),
        package,
    }
}

/// Sees to it that a version finds what an older one has stored for a connection.
pub(crate) async fn ensure(
    host: &Inner,
    record: &ConnectionRecord,
    loaded: &LoadedConnector,
) -> Result<(), Error> {
    let state = loaded.package.manifest().package.state;
    if state == first_state() {
        return Ok(());
    }
    let done = loaded.migration.of(record);
    let taken_over = done.get_or_try_init(async || {
        let store = &*host.store;
        if !is_marked(store, record, loaded, state).await? {
            take_over(host, record, loaded, true).await?;
            let limit = loaded.limits.storage_total_bytes;
            let marks = marks(record, loaded);
            store
                .value_put(&marks, &state.to_string(), b"1", limit)
                .await?;
        }
        Ok(())
    });
    taken_over.await.copied()
}

/// Has a version take over what is stored for a connection, and keeps nothing of it.
pub(crate) async fn try_out(
    host: &Inner,
    record: &ConnectionRecord,
    loaded: &LoadedConnector,
) -> Result<(), Error> {
    let state = loaded.package.manifest().package.state;
    if state == first_state() || is_marked(&*host.store, record, loaded, state).await? {
        return Ok(());
    }
    take_over(host, record, loaded, false).await
}

async fn take_over(
    host: &Inner,
    record: &ConnectionRecord,
    loaded: &LoadedConnector,
    is_kept: bool,
) -> Result<(), Error> {
    let Some(pre) = &loaded.migration.pre else {
        return Ok(());
    };
    let head = &loaded.package.manifest().package;
    let store = &*host.store;
    // The newest of the older ones that there are.
    let mut from_state = first_state();
    for older in (first_state()..head.state).rev() {
        if is_marked(store, record, loaded, older).await? {
            from_state = older;
            break;
        }
    }
    let way = Way {
        store,
        record,
        loaded,
        from: scope(record, &head.name, from_state),
        from_state,
    };
    let mut after = None;
    loop {
        let page = store
            .value_list(&way.from, "", after.as_deref(), PART_VALUES)
            .await?;
        let mut part = Vec::new();
        let mut bytes = 0;
        for key in page.keys {
            // One that is gone by now is gone.
            let Some(value) = store.value_get(&way.from, &key).await? else {
                continue;
            };
            bytes += key.len() + value.bytes.len();
            part.push(wit::Entry {
                key,
                value: value.bytes,
            });
            if bytes >= PART_BYTES {
                way.part(pre, std::mem::take(&mut part), is_kept).await?;
                bytes = 0;
            }
        }
        if !part.is_empty() {
            way.part(pre, part, is_kept).await?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

impl Way<'_> {
    async fn part(
        &self,
        pre: &MigratorPre<ConnectorState>,
        entries: Vec<wit::Entry>,
        is_kept: bool,
    ) -> Result<(), Error> {
        let head = &self.loaded.package.manifest().package;
        let speaker = Arc::new(Speaker {
            package: head.name.clone(),
            version: head.version.clone(),
            connection: self.record.key.to_string(),
        });
        let limits = &self.loaded.limits;
        let to = scope(self.record, &head.name, head.state);
        let storage = Storage::new(Place::Nowhere, to.clone(), limits);
        let nothing = Arc::new(Live::of_nothing(self.record.key.clone()));
        let quota = QuotaAccess::new(None);
        let state = ConnectorState::new(limits, &speaker, nothing, None, quota, storage);
        let (sandbox, service) = (&self.loaded.sandbox, &self.loaded.service);
        let mut guest = Guest::new(sandbox, state, service, &speaker).await?;
        let migrator: Migrator = guest
            .run("start", async |store| pre.instantiate_async(store).await)
            .await?;
        let migrated = guest
            .run(MIGRATE, async |store| {
                migrator
                    .lockgate_connector_migration()
                    .call_migrate(store, self.from_state, &entries)
                    .await
            })
            .await?;
        let entries = migrated.and_then(|entries| {
            let wrong = entries.iter().find_map(|entry| flaw(entry, limits));
            wrong.map_or(Ok(entries), Err)
        });
        let entries = entries.map_err(|what| {
            guest.fault();
            Error::NotMigrated {
                guest: GuestCall {
                    package: speaker.package.clone(),
                    version: speaker.version.clone(),
                    call: MIGRATE,
                },
                connection: self.record.key.to_string(),
                what: bounded(&what),
            }
        })?;
        if !is_kept {
            return Ok(());
        }
        let limit = self.loaded.limits.storage_total_bytes;
        for entry in entries {
            let kept =
                self.store
                    .value_compare_and_swap(&to, &entry.key, None, &entry.value, limit);
            match kept.await {
                // The newer version has written it itself.
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Why an entry cannot be stored.
fn flaw(entry: &wit::Entry, limits: &Limits) -> Option<String> {
    if !is_key(&entry.key) {
        let key = entry.key.escape_default();
        return Some(format!("it gives the key `{key}`, which is none"));
    }
    let (length, most) = (entry.value.len() as u64, limits.storage_value_bytes);
    (length > most)
        .then(|| format!("it gives a value of {length} bytes, and {most} bytes are the most"))
}

/// Where it is marked that values were taken over.
fn marks(record: &ConnectionRecord, loaded: &LoadedConnector) -> Scope {
    Scope {
        connection: record.key.clone(),
        package: format!("{}#", loaded.package.name()),
    }
}

async fn is_marked(
    store: &dyn Store,
    record: &ConnectionRecord,
    loaded: &LoadedConnector,
    state: u32,
) -> Result<bool, Error> {
    let marks = marks(record, loaded);
    Ok(store.value_get(&marks, &state.to_string()).await?.is_some())
}
