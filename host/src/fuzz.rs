//! What strangers hand to the host, held against what must be true of it whatever it
//! is.
//!
//! Each of these takes any bytes, and panics if a promise is broken.
//! `cargo xtask fuzz` looks for bytes that do so, led by which code they reach; the
//! tests here damage examples at random, in every run. The examples are those in
//! `fuzz/seeds`.

use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use percent_encoding::percent_decode;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use url::Url;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::bindings::contract::tables as wit;
use crate::capability::storage::check_key;
use crate::manifest::Manifest;
use crate::records::{Shape, Table};
use crate::transport::{OriginUrl, is_public};
use crate::webhook::{self, ID_HEADER, SIGNATURE_HEADER, Secret, TIMESTAMP_HEADER};
use crate::{Interface, Package, Records, Signature};

/// A manifest: its names are no paths, or it tells what is wrong with it.
pub fn manifest(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    match Manifest::parse(text) {
        Ok(manifest) => {
            let head = &manifest.package;
            for name in [&head.name, &head.version, &head.component] {
                let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-+_".contains(c);
                assert!(name.chars().all(is_plain), "{name}");
                assert!(!name.is_empty() && !name.starts_with('.'), "{name}");
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(problems.iter().all(|problem| !problem.is_empty()));
        }
    }
}

/// A component: of what wasmtime takes, the imports that are checked are those that
/// would be linked.
pub fn component(data: &[u8]) {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    const MANIFEST: &str = "[package]\nname = 'p'\nversion = '1.0.0'\nworld = 'transform'\n\
                            contract = '0.2.0'\ncomponent = 'p.wasm'\n";
    let Ok(package) = Package::from_parts(MANIFEST, data.to_vec()) else {
        unreachable!("the manifest is sound");
    };
    let seen = package.inspect().map(|inspection| inspection.imports);
    let engine = ENGINE.get_or_init(Engine::default);
    if let Ok(compiled) = Component::from_binary(engine, data) {
        let kind = compiled.component_type();
        let linked: Vec<&str> = kind.imports(engine).map(|(name, _)| name).collect();
        let seen = seen.map(|all| all.iter().map(Interface::to_string).collect::<Vec<_>>());
        assert_eq!(seen.ok().as_deref().unwrap_or_default(), linked);
    }
}

/// A signature: what is read of one is written as it was read, and it is of no package
/// that its key never saw.
pub fn signature(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match text.parse::<Signature>() {
        Ok(signature) => {
            let again = signature.to_text().parse::<Signature>();
            assert!(again.is_ok_and(|again| again == signature));
        }
        Err(reason) => assert!(!reason.to_string().is_empty()),
    }
}

/// The path, and the name and value of a query, each on a line, that a guest asks for:
/// what is sent stays on its origin as it was checked, also for a server that decodes
/// it more than once.
pub fn path(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(3, '\n').map(str::to_owned);
    let path = lines.next().unwrap_or_default();
    let query = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let Ok(origin) = Url::parse("https://acme.my.example.com") else {
        return;
    };
    let Ok(sent) = OriginUrl::build(&origin, &path, std::slice::from_ref(&query)) else {
        return;
    };
    let begin = format!("https://acme.my.example.com{path}?");
    assert!(sent.as_str().starts_with(&begin), "{sent}");
    assert!(
        sent.as_str().bytes().all(|byte| byte.is_ascii_graphic()),
        "{sent}"
    );
    assert_eq!(Url::parse(sent.as_str()).as_ref(), Ok(&sent));
    assert_eq!(sent.host_str(), Some("acme.my.example.com"));
    let pairs: Vec<_> = sent.query_pairs().into_owned().collect();
    assert_eq!(pairs, [query]);
    let mut decoded = path.into_bytes();
    for _ in 0..3 {
        assert!(!decoded.contains(&b'\\') && !decoded.contains(&0));
        let mut segments = decoded.split(|byte| *byte == b'/');
        assert!(segments.all(|segment| segment != b"." && segment != b".."));
        decoded = percent_decode(&decoded).collect();
    }
}

/// An address: one of the old kind is as public in each dress that the new kind has
/// for it as it is itself, or less.
pub fn address(data: &[u8]) {
    let Some(octets) = data.first_chunk::<4>() else {
        return;
    };
    let [a, b, c, d] = octets.map(u16::from);
    let (high, low) = (a << 8 | b, c << 8 | d);
    for dressed in [
        [0, 0, 0, 0, 0, 0xffff, high, low],
        [0, 0, 0, 0, 0, 0, high, low],
        [0x64, 0xff9b, 0, 0, 0, 0, high, low],
        [0x64, 0xff9b, 1, 0, 0, 0, high, low],
        [0x2002, high, low, 0, 0, 0, 0, 1],
        [0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !high, !low],
    ] {
        assert!(!is_public(dressed.into()), "{dressed:x?}");
    }
}

/// The key of a stored value: plain ASCII of 1 to 256 characters, or none.
pub fn key(data: &[u8]) {
    let key = String::from_utf8_lossy(data);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._:/-".contains(c);
    let is_one = key.chars().all(is_plain) && (1..=256).contains(&key.len());
    assert_eq!(check_key(&key).is_ok(), is_one, "{key:?}");
}

/// Records: an array of objects, exactly when serde_json takes it for one, and as many.
pub fn records(data: &[u8]) {
    let theirs = serde_json::from_slice::<Vec<&RawValue>>(data).ok();
    let theirs = theirs.filter(|all| all.iter().all(|one| one.get().starts_with('{')));
    let ours = Records::from_json(data.to_vec());
    assert_eq!(
        ours.as_ref().ok().map(Records::len),
        theirs.as_ref().map(Vec::len)
    );
}

/// A table as CSV: its rows are as wide as its header, whole where they stand in a text
/// that is cut anywhere, and the records that they become are JSON.
pub fn table(data: &[u8]) {
    let Some((cut, text)) = data.split_first() else {
        return;
    };
    let (mut whole, mut spans, mut at) = (Vec::new(), Vec::new(), 0);
    while let Ok(csv_skim::Next::Row { end, .. }) = csv_skim::row(text, at, true, &mut spans) {
        assert!(at < end && end <= text.len());
        whole.push(spans.drain(..).map(|span| span.of(text).value()).collect());
        at = end;
    }
    let part = text.get(..usize::from(*cut)).unwrap_or(text);
    let (mut rows, mut at): (Vec<Vec<_>>, _) = (Vec::new(), 0);
    while let Ok(csv_skim::Next::Row { end, .. }) = csv_skim::row(part, at, false, &mut spans) {
        rows.push(spans.drain(..).map(|span| span.of(part).value()).collect());
        at = end;
    }
    assert!(whole.starts_with(&rows));
    read_as_records(text, whole.first().map_or(0, Vec::len));
}

/// Each column of a table in a form of its own: if its rows fit, their JSON is as much
/// as is read where they stand.
fn read_as_records(text: &[u8], width: usize) {
    let column = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let members = (0..width.min(16)).map(|at| wit::Member {
        name: format!("c{at}"),
        value: match at % 4 {
            0 => wit::Value::Text(column(at)),
            1 => wit::Value::Number(column(at)),
            2 => wit::Value::Boolean(column(at)),
            _ => wit::Value::EditedText(wit::EditedText {
                column: column(at),
                prefix: "a\"b\n".to_owned(),
                ending: Some(("z".to_owned(), "\\".to_owned())),
            }),
        },
    });
    let objects = vec![wit::Object {
        present: None,
        members: members.collect(),
    }];
    let Ok(shape) = Shape::new(wit::Shape { objects }, width) else {
        return;
    };
    let (mut spans, mut at, mut count) = (Vec::new(), 0, 0);
    while let Ok(csv_skim::Next::Row { end, .. }) = csv_skim::row(text, at, true, &mut spans) {
        if spans.len() != (count + 1) * width {
            spans.truncate(count * width);
            break;
        }
        (at, count) = (end, count + 1);
    }
    let Ok(table) = Table::new(text.to_vec(), spans, width, shape) else {
        return;
    };
    let records = serde_json::from_slice::<Vec<Json>>(table.json());
    assert!(records.as_ref().is_ok_and(|records| records.len() == count));
    assert_eq!(table.read::<Json>(), records.ok());
}

/// The id, the time and the signature of a webhook, each on a line, and its body: it is
/// taken only if it was signed so.
pub fn webhook(data: &[u8]) {
    const SENT_S: u64 = 1_649_367_553;
    let Ok(secret) = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse::<Secret>() else {
        unreachable!("the secret is sound");
    };
    let secrets = [secret];
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (id, sent, signature, body) = (line(), line(), line(), line());
    let header = |name: &str| match name {
        ID_HEADER => Some(id),
        TIMESTAMP_HEADER => Some(sent),
        SIGNATURE_HEADER => Some(signature),
        _ => None,
    };
    let now = UNIX_EPOCH + Duration::from_secs(SENT_S);
    if let Ok(verified) = webhook::verify(&secrets, header, body, now) {
        let sent = UNIX_EPOCH + Duration::from_secs(verified.timestamp_s);
        let signed = webhook::sign(&secrets, &verified.id, sent, body);
        let signature = String::from_utf8_lossy(signature);
        assert!(signed.is_ok_and(|signed| signature.contains(&signed.signature)));
    }
}

#[cfg(test)]
#[path = "../../fuzz/damaged.rs"]
mod damaged;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::damaged::damaged;
    use super::*;

    /// What may stand in the place of something else.
    const PIECES: &[&str] = &["\"", "''", "..", "%2e", "\\", "\0", "-", "1e9", "\u{feff}"];

    proptest! {
        #[test]
        fn a_manifest_in_which_anything_stands_is_one_or_tells_what_is_wrong(
            data in damaged("manifest", PIECES),
        ) {
            manifest(&data);
        }

        #[test]
        fn the_imports_of_whatever_is_taken_for_a_component_are_those_that_would_be_linked(
            data in damaged("component", PIECES),
        ) {
            component(&data);
        }

        #[test]
        fn whatever_is_read_as_a_signature_is_written_as_it_was_read(
            data in damaged("signature", PIECES),
        ) {
            signature(&data);
        }

        #[test]
        fn whatever_path_is_asked_for_stays_on_its_origin_as_it_was_checked(
            data in damaged("path", PIECES),
        ) {
            path(&data);
        }

        #[test]
        fn an_address_of_the_old_kind_is_public_in_no_dress_of_the_new_one(
            data in damaged("address", PIECES),
        ) {
            address(&data);
        }

        #[test]
        fn a_key_is_plain_ascii_or_none(
            data in damaged("key", PIECES),
        ) {
            key(&data);
        }

        #[test]
        fn records_are_taken_exactly_when_serde_json_takes_them(
            data in damaged("records", PIECES),
        ) {
            records(&data);
        }

        #[test]
        fn whatever_comes_in_place_of_a_table_gives_whole_rows_and_sound_records(
            data in damaged("table", PIECES),
        ) {
            table(&data);
        }

        #[test]
        fn whatever_comes_in_place_of_a_webhook_is_taken_only_if_it_was_signed_so(
            data in damaged("webhook", PIECES),
        ) {
            webhook(&data);
        }
    }
}
