//! The suite for every backend, and what only a file can get wrong.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::*;
use crate::grant::Grant;
use crate::store::conformance::{self, Place};

async fn opened(dir: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(dir).await
}

fn key() -> ConnectionKey {
    ConnectionKey::new("acme", "main").unwrap()
}

fn record() -> ConnectionRecord {
    conformance::record("acme", "main")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_store_on_sqlite_keeps_every_promise_of_a_store() {
    let temp = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    conformance::run(|| {
        number.set(number.get() + 1);
        let dir = temp.path().join(number.get().to_string());
        Place(Arc::new(move || {
            let dir = dir.clone();
            Box::pin(async move { Arc::new(opened(&dir).await.unwrap()) as Arc<dyn Store> })
        }))
    })
    .await;
}

#[tokio::test]
async fn a_file_of_another_program_is_refused_and_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join(FILE_NAME);
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);")
        .unwrap();
    private(&path);
    let before = std::fs::read(&path).unwrap();
    let error = opened(temp.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);

    std::fs::write(&path, "some notes of mine").unwrap();
    let error = opened(temp.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");

    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let error = opened(temp.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_by_number() {
    let temp = tempfile::tempdir().unwrap();
    drop(opened(temp.path()).await.unwrap());
    let path = temp.path().join(FILE_NAME);
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let error = opened(temp.path()).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found: 99, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_of_each_older_schema_becomes_one_of_the_newest_with_all_that_was_in_it() {
    for made in 1..schema::STEPS.len() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join(FILE_NAME);
        let file = Connection::open(&path).unwrap();
        for step in &schema::STEPS[..made] {
            file.execute_batch(step).unwrap();
        }
        let version = i64::try_from(made).unwrap();
        file.pragma_update(None, "application_id", schema::APPLICATION_ID)
            .unwrap();
        file.pragma_update(None, "user_version", version).unwrap();
        file.execute_batch(
            "INSERT INTO connections VALUES (7, 'acme', 'main', 'p', 'https://login.example.com', \
             NULL, NULL, 'jwt-bearer', 'client', NULL, '[]', NULL, 'ready', NULL, '{}', '[]', \
             '{}', 1, 2); \
             INSERT INTO secrets VALUES (7, 'tokens', 3, x'0102');",
        )
        .unwrap();
        drop(file);
        private(&path);
        let store = opened(temp.path()).await.unwrap();
        let kept = store.connection(&key()).await.unwrap();
        assert_eq!((kept.package.as_str(), kept.updated_ms), ("p", 2));
        assert_eq!(kept.grants, None);
        let asked = Grants::from([Grant::Http]);
        assert_eq!(store.settle_grants("p", &asked).await.unwrap(), 1);
        let grants = store.connection(&key()).await.unwrap().grants.unwrap();
        assert_eq!(grants.given, asked);
        let secret = store.secret(&key(), "tokens").await.unwrap().unwrap();
        assert_eq!((secret.version, secret.bytes.as_slice()), (3, &[1, 2][..]));
        // What has come since works for what was there before.
        let queue = QueueKey {
            connection: key(),
            name: "q".to_owned(),
        };
        let put = QueuePut {
            items: Vec::new(),
            checkpoint: Some(b"here".to_vec()),
            at_ms: 1,
            limit_bytes: 1,
        };
        store.queue_put(&queue, &put).await.unwrap();
        drop(store);
        let file = Connection::open(&path).unwrap();
        let version: i64 = file
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(version, schema::NEWEST);
    }
}

/// The bytes of a store with enough in it to fill some pages.
async fn bytes_of_a_store(dir: &Path) -> Vec<u8> {
    let store = opened(dir).await.unwrap();
    store.insert_connection(&record()).await.unwrap();
    let scope = Scope {
        connection: key(),
        package: "p".to_owned(),
    };
    for number in 0..50 {
        let name = number.to_string();
        store
            .value_put(&scope, &name, &[1; 2_000], 1 << 30)
            .await
            .unwrap();
    }
    store.writer.wipe_log().await.unwrap();
    // With nothing left in the log, the file is all there is.
    std::fs::read(dir.join(FILE_NAME)).unwrap()
}

#[tokio::test]
async fn a_damaged_file_is_refused_as_such() {
    let temp = tempfile::tempdir().unwrap();
    let sound = bytes_of_a_store(&temp.path().join("sound")).await;
    let path = temp.path().join(FILE_NAME);
    let mut scribbled = sound.clone();
    for byte in scribbled.iter_mut().skip(4_096).step_by(7) {
        *byte ^= 0x5a;
    }
    for (what, damaged) in [
        ("cut", &sound[..sound.len() / 2]),
        ("cut to its head", &sound[..2_000]),
        ("scribbled", &scribbled[..]),
    ] {
        std::fs::write(&path, damaged).unwrap();
        private(&path);
        let error = opened(temp.path()).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Corrupt { .. }),
            "{what}: {error:?}"
        );
    }
}

#[tokio::test]
async fn an_erased_connection_leaves_nothing_in_any_file() {
    let temp = tempfile::tempdir().unwrap();
    let store = opened(temp.path()).await.unwrap();
    store.insert_connection(&record()).await.unwrap();
    let trace = b"a trace that nobody must find";
    let scope = Scope {
        connection: key(),
        package: "p".to_owned(),
    };
    store.value_put(&scope, "k", trace, 1_000).await.unwrap();
    let files = || {
        let names = ["", "-wal", "-shm"].map(|end| format!("{FILE_NAME}{end}"));
        names.map(|name| std::fs::read(temp.path().join(name)).unwrap_or_default())
    };
    let has_trace = |file: &Vec<u8>| file.windows(trace.len()).any(|part| part == trace);
    assert!(files().iter().any(has_trace));
    store.erase_connection(&key()).await.unwrap();
    assert!(!files().iter().any(has_trace));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_first_opens_at_a_time_make_one_sound_store() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("new").join("deep");
    let opens: Vec<_> = (0..8)
        .map(|_| {
            let dir = dir.clone();
            tokio::spawn(async move { opened(&dir).await })
        })
        .collect();
    let mut stores = Vec::new();
    for open in opens {
        stores.push(open.await.unwrap().unwrap());
    }
    stores[0].insert_connection(&record()).await.unwrap();
    for store in &stores {
        assert_eq!(store.connection(&key()).await.unwrap(), record());
    }
}

#[tokio::test]
async fn a_write_whose_caller_went_away_leaves_the_store_usable() {
    let temp = tempfile::tempdir().unwrap();
    let store = opened(temp.path()).await.unwrap();
    for _ in 0..100 {
        let record = record();
        let insert = store.insert_connection(&record);
        // Polled once and dropped: handed over, or not.
        let _ = futures_util::FutureExt::now_or_never(insert);
    }
    // Comes behind all of them.
    let again = store.insert_connection(&record()).await;
    assert!(matches!(again, Err(StoreError::Exists(_))), "{again:?}");
}

#[test]
fn debug_shows_the_file_and_nothing_of_its_contents() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let temp = tempfile::tempdir().unwrap();
    let store = runtime.block_on(opened(temp.path())).unwrap();
    let shown = format!("{store:?}");
    assert!(shown.starts_with("SqliteStore { path: ") && shown.contains(FILE_NAME));
}

#[cfg(unix)]
fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn private(_path: &Path) {}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[tokio::test]
    async fn the_file_its_log_and_its_directory_are_for_the_owner_only() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("data");
        let store = opened(&dir).await.unwrap();
        store.insert_connection(&record()).await.unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        for end in ["", "-wal", "-shm"] {
            let path = dir.join(format!("{FILE_NAME}{end}"));
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }

    #[tokio::test]
    async fn a_file_that_others_can_read_is_refused_with_the_remedy() {
        let temp = tempfile::tempdir().unwrap();
        drop(opened(temp.path()).await.unwrap());
        let path = temp.path().join(FILE_NAME);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = opened(temp.path()).await.unwrap_err();
        assert!(error.to_string().contains("run `chmod 600 "), "{error}");
    }

    #[tokio::test]
    async fn a_link_in_place_of_the_file_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let elsewhere = temp.path().join("elsewhere");
        drop(opened(&elsewhere).await.unwrap());
        symlink(elsewhere.join(FILE_NAME), temp.path().join(FILE_NAME)).unwrap();
        let error = opened(temp.path()).await.unwrap_err();
        assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");
    }
}
