//! What the seal promises.

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::*;

/// 32 bytes of 7 and 32 bytes of 9.
const KEY_A: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
const KEY_B: &str = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=";

fn sealer(text: &str) -> Sealer {
    Sealer::new(MasterKey::from_variable("LOCKGATE_TEST_KEY", text).unwrap())
}

fn key(tenant: &str, name: &str) -> ConnectionKey {
    ConnectionKey::new(tenant, name).unwrap()
}

fn scratch() -> (tempfile::TempDir, Dir) {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    (temp, dir)
}

#[test]
fn what_is_sealed_opens_in_its_place() {
    let sealer = sealer(KEY_A);
    let sealed = sealer.seal(&key("a", "b"), "tokens", 3, b"hush").unwrap();
    let opened = sealer.open(&key("a", "b"), "tokens", 3, &sealed).unwrap();
    assert_eq!(opened.as_slice(), b"hush");
}

#[test]
fn a_secret_moved_elsewhere_does_not_open() {
    let sealer = sealer(KEY_A);
    let sealed = sealer.seal(&key("a", "bc"), "tokens", 3, b"hush").unwrap();
    for (place, name, version) in [
        (key("A", "bc"), "tokens", 3),
        (key("ab", "c"), "tokens", 3),
        (key("a", "b"), "ctokens", 3),
        (key("bc", "a"), "tokens", 3),
        (key("a", "bc"), "client-secret", 3),
        (key("a", "bc"), "tokens", 4),
        (key("a", "bc"), "tokens", 2),
    ] {
        let result = sealer.open(&place, name, version, &sealed);
        assert!(matches!(result, Err(SealError::Broken { .. })), "{place}");
    }
}

#[test]
fn every_flipped_bit_and_every_lost_byte_is_found() {
    let sealer = sealer(KEY_A);
    let place = key("a", "b");
    let sealed = sealer.seal(&place, "tokens", 1, b"hush").unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(sealer.open(&place, "tokens", 1, &changed).is_err(), "{bit}");
    }
    for len in 0..sealed.len() {
        let cut = &sealed[..len];
        assert!(sealer.open(&place, "tokens", 1, cut).is_err(), "{len}");
    }
}

#[test]
fn the_same_secret_never_looks_the_same_twice() {
    let sealer = sealer(KEY_A);
    let once = sealer.seal(&key("a", "b"), "tokens", 1, b"hush").unwrap();
    let again = sealer.seal(&key("a", "b"), "tokens", 1, b"hush").unwrap();
    assert_ne!(once, again);
}

#[test]
fn a_wrong_key_is_told_with_both_ids_and_where_to_give_the_right_one() {
    let (right, wrong) = (sealer(KEY_A), sealer(KEY_B));
    let sealed = right.seal(&key("a", "b"), "tokens", 1, b"hush").unwrap();
    let error = wrong.open(&key("a", "b"), "tokens", 1, &sealed);
    assert_eq!(
        error.unwrap_err().to_string(),
        format!(
            "the data was sealed with key {}, but the environment variable `LOCKGATE_TEST_KEY` \
             holds key {}: give the right key there",
            right.key_id(),
            wrong.key_id()
        )
    );
}

#[tokio::test]
async fn a_wrong_key_is_told_when_a_store_is_opened_before_anything_is_read() {
    let temp = tempfile::tempdir().unwrap();
    let store = crate::store::SqliteStore::open(temp.path()).await.unwrap();
    sealer(KEY_A).check(&store).await.unwrap();
    sealer(KEY_A).check(&store).await.unwrap();
    let error = sealer(KEY_B).check(&store).await.unwrap_err();
    assert!(matches!(error, SealError::WrongKey { .. }), "{error}");
}

#[tokio::test]
async fn what_is_sealed_next_is_what_the_store_takes_next() {
    let temp = tempfile::tempdir().unwrap();
    let store = crate::store::SqliteStore::open(temp.path()).await.unwrap();
    let sealer = sealer(KEY_A);
    let key = key("a", "b");
    let record = crate::store::conformance::record("a", "b");
    store.insert_connection(&record).await.unwrap();
    let mut current = None;
    for secret in [b"one", b"two"] {
        let sealed = sealer.seal_next(&key, "s", current, secret).unwrap();
        store.put_secret(&key, "s", current, &sealed).await.unwrap();
        let kept = store.secret(&key, "s").await.unwrap().unwrap();
        let opened = sealer.open(&key, "s", kept.version, &kept.bytes).unwrap();
        assert_eq!(opened.as_slice(), secret);
        current = Some(kept.version);
    }
}

#[test]
fn an_unknown_format_is_named() {
    let error = sealer(KEY_A).open(&key("a", "b"), "tokens", 1, &[9; 80]);
    assert!(matches!(error, Err(SealError::Format { format: 9, .. })));
}

#[test]
fn neither_debug_nor_an_error_shows_a_key_or_a_secret() {
    let sealer = sealer(KEY_A);
    let sealed = sealer.seal(&key("a", "b"), "tokens", 1, b"hush").unwrap();
    let error = sealer.open(&key("a", "c"), "tokens", 1, &sealed);
    let bad = MasterKey::from_variable("K", "BwcHnot-a-key").unwrap_err();
    let shown = format!("{sealer:?} {error:?} {bad:?} {bad}");
    for secret in ["7, 7", "0707", "BwcH", "hush"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn a_key_may_have_lost_its_padding_or_gained_a_line_end() {
    let id = sealer(KEY_A).key_id();
    assert_eq!(sealer(KEY_A.trim_end_matches('=')).key_id(), id);
    assert_eq!(sealer(&format!(" {KEY_A}\r\n")).key_id(), id);
    for bad in ["", "BwcH", "not base64!", &format!("{KEY_A}BwcH")] {
        let error = MasterKey::from_variable("K", bad).unwrap_err();
        assert!(matches!(error, SealError::BadKey { .. }), "{bad}");
    }
}

#[test]
fn derived_keys_differ_by_purpose_and_from_the_master_key() {
    let master = MasterKey::from_variable("K", KEY_A).unwrap();
    assert_eq!(*master.derive("seal"), *master.derive("seal"));
    assert_ne!(*master.derive("seal"), *master.derive("cache"));
    assert_ne!(*master.derive("seal"), [7; 32]);
}

#[test]
fn a_key_file_is_made_once_and_read_ever_after() {
    let (temp, dir) = scratch();
    let first = MasterKey::from_file(&dir, "master.key").unwrap();
    let second = MasterKey::from_file(&dir, "master.key").unwrap();
    assert_eq!(first.id(), second.id());
    let names: Vec<_> = std::fs::read_dir(temp.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "no draft is left: {names:?}");
}

#[test]
fn many_first_starts_at_a_time_agree_on_one_key() {
    let (_temp, dir) = scratch();
    let ids: std::collections::HashSet<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| MasterKey::from_file(&dir, "master.key").unwrap().id()))
            .collect();
        starts.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 1);
}

#[test]
fn a_key_file_that_holds_no_key_is_refused_and_left_alone() {
    let (temp, dir) = scratch();
    crate::private_file::make(&dir, "master.key", &[0xff; 10]).unwrap();
    let error = MasterKey::from_file(&dir, "master.key").unwrap_err();
    assert!(matches!(error, SealError::BadKey { .. }), "{error}");
    let kept = std::fs::read(temp.path().join("master.key")).unwrap();
    assert_eq!(kept, [0xff; 10]);
}

#[test]
fn what_an_older_key_has_sealed_opens_and_is_sealed_with_the_newer() {
    let place = key("a", "b");
    let old = sealer(KEY_A);
    let sealed = old.seal(&place, "s", 1, b"hush").unwrap();
    let both = sealer(&format!("{KEY_B},{KEY_A}"));
    assert_eq!(&**both.open(&place, "s", 1, &sealed).unwrap(), b"hush");
    let fresh = both.seal(&place, "s", 2, b"hush").unwrap();
    assert_eq!(Sealer::sealed_with(&fresh), Some(sealer(KEY_B).key_id()));
    let error = old.open(&place, "s", 2, &fresh);
    assert!(matches!(error, Err(SealError::WrongKey { .. })));
}

#[tokio::test]
async fn a_key_is_renewed_while_another_process_works_and_the_old_one_forgotten() {
    let (_temp, dir) = scratch();
    let data = tempfile::tempdir().unwrap();
    let store = crate::store::SqliteStore::open(data.path()).await.unwrap();
    let record = crate::store::conformance::record("a", "b");
    store.insert_connection(&record).await.unwrap();
    let place = key("a", "b");
    let first = MasterKey::from_file(&dir, "master.key").unwrap();
    let at_work = Sealer::new(first);
    at_work.check(&store).await.unwrap();
    for name in ["one", "two"] {
        let sealed = at_work
            .seal_next(&place, name, None, name.as_bytes())
            .unwrap();
        store.put_secret(&place, name, None, &sealed).await.unwrap();
    }

    let renewed = Sealer::new(MasterKey::renew_file(&dir, "master.key").unwrap());
    assert_ne!(renewed.key_id(), at_work.key_id());
    // Before it was sealed anew, and with half of it done, both can read all of it.
    renewed.check(&store).await.unwrap();
    assert_eq!(renewed.reseal(&store).await.unwrap(), 2);
    assert_eq!(renewed.reseal(&store).await.unwrap(), 0);
    for sealer in [&at_work, &renewed] {
        for name in ["one", "two"] {
            let kept = store.secret(&place, name).await.unwrap().unwrap();
            let opened = sealer
                .open(&place, name, kept.version, &kept.bytes)
                .unwrap();
            assert_eq!(opened.as_slice(), name.as_bytes());
        }
    }
    assert_eq!(
        at_work.key_id(),
        renewed.key_id(),
        "it has read the file again"
    );

    assert_eq!(
        MasterKey::forget_older_in_file(&dir, "master.key").unwrap(),
        1
    );
    assert_eq!(
        MasterKey::forget_older_in_file(&dir, "master.key").unwrap(),
        0
    );
    let only = MasterKey::from_file(&dir, "master.key").unwrap();
    assert_eq!((only.id(), only.older_ids().count()), (renewed.key_id(), 0));
    Sealer::new(only).check(&store).await.unwrap();
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_key_file_is_for_its_owner_only() {
        let (temp, dir) = scratch();
        MasterKey::from_file(&dir, "master.key").unwrap();
        let path = temp.path().join("master.key");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused_with_the_remedy() {
        let (temp, dir) = scratch();
        MasterKey::from_file(&dir, "master.key").unwrap();
        let path = temp.path().join("master.key");
        for mode in [0o640, 0o604, 0o620, 0o601] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = MasterKey::from_file(&dir, "master.key").unwrap_err();
            assert!(error.to_string().contains("chmod 600 master.key"));
        }
    }

    #[test]
    fn a_key_file_that_is_a_link_is_refused() {
        let (temp, dir) = scratch();
        MasterKey::from_file(&dir, "other.key").unwrap();
        symlink("other.key", temp.path().join("master.key")).unwrap();
        let error = MasterKey::from_file(&dir, "master.key").unwrap_err();
        assert!(matches!(error, SealError::NotAFile { .. }), "{error}");
    }
}
