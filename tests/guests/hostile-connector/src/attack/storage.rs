//! Attacks on storage: keys of others, keys that are paths, all of the space.

use serde_json::{Value, json};

use crate::guest::bindings::lockgate::connector::storage;

/// Reads keys and tells what each gave.
pub(super) async fn read_all(keys: impl IntoIterator<Item = String>) -> Vec<Value> {
    let mut reports = Vec::new();
    for key in keys {
        let outcome = match storage::get(key.clone()).await {
            Ok(Some(entry)) => json!({ "value": String::from_utf8_lossy(&entry.value) }),
            Ok(None) => json!({ "value": null }),
            Err(error) => json!({ "error": format!("{error:?}") }),
        };
        reports.push(json!({ "key": key, "outcome": outcome }));
    }
    reports
}

/// Guesses at keys of other tenants, connections and packages, and at keys that
/// another layer could take for something else.
pub(super) async fn guess(tenants: &[&str]) -> Vec<Value> {
    let mut keys: Vec<String> = [
        "",
        ".",
        "..",
        "../",
        "../../",
        "/",
        "//",
        "\0",
        "a\0b",
        "%",
        "_",
        "*",
        "?",
        "'",
        "\"",
        "' OR 1=1 --",
        "..\\",
        "%2e%2e%2f",
        "a\nb",
        "ключ",
        "😀",
        " ",
        "tokens",
        "refresh_token",
    ]
    .map(str::to_owned)
    .to_vec();
    for tenant in tenants {
        for form in [
            "{}",
            "../{}",
            "/{}",
            "{}/",
            "{}/secret",
            "../{}/secret",
            "{}\0secret",
            "{}:secret",
        ] {
            keys.push(form.replace("{}", tenant));
        }
    }
    keys.push("k".repeat(256));
    keys.push("k".repeat(257));
    keys.push("k".repeat(1_000_000));
    read_all(keys).await
}

pub(super) async fn put(key: &str, bytes: usize) -> Value {
    match storage::put(key.to_owned(), vec![b'x'; bytes]).await {
        Ok(version) => json!({ "version": version }),
        Err(error) => json!({ "error": format!("{error:?}") }),
    }
}

/// Writes only over this version; over none if there is no number.
pub(super) async fn swap(key: &str, expected: Option<u64>, bytes: usize) -> Value {
    match storage::compare_and_swap(key.to_owned(), expected, vec![b'y'; bytes]).await {
        Ok(version) => json!({ "version": version }),
        Err(error) => json!({ "error": format!("{error:?}") }),
    }
}

pub(super) async fn delete(key: &str) -> Value {
    match storage::delete(key.to_owned()).await {
        Ok(()) => json!({ "deleted": key }),
        Err(error) => json!({ "error": format!("{error:?}") }),
    }
}

/// Every key that it can see, page after page.
pub(super) async fn list(prefix: &str) -> Value {
    let mut keys = Vec::new();
    let mut after = None;
    loop {
        match storage::list(prefix.to_owned(), after, u32::MAX).await {
            Ok(page) => {
                keys.extend(page.keys);
                after = page.next;
                if after.is_none() {
                    return json!({ "keys": keys });
                }
            }
            Err(error) => return json!({ "keys": keys, "error": format!("{error:?}") }),
        }
    }
}

/// Writes values of so many bytes under ever new keys until it is refused.
pub(super) async fn fill(bytes: usize) -> Value {
    let mut written = 0_u64;
    loop {
        match storage::put(format!("fill/{written}"), vec![b'x'; bytes]).await {
            Ok(_) => written += 1,
            Err(error) => return json!({ "written": written, "error": format!("{error:?}") }),
        }
    }
}
