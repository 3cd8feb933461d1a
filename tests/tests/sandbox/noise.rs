//! Components of noise: what the check of imports sees must be what wasmtime would link.

use lockgate::{Interface, Package};
use lockgate_tests::handmade::{component, transform_manifest};
use proptest::collection::vec;
use proptest::prelude::*;
use wasmtime::Engine;
use wasmtime::component::Component;

/// A component with such imports, some of them only within what is nested in it.
fn imports() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "lockgate:connector/log@0.2.0",
        "lockgate:connector/http@0.2.0",
        "wasi:sockets/tcp@0.2.0",
        "evil:connector/log",
        "plain",
    ]);
    let import = name.prop_map(|name| format!("(import \"{name}\" (instance))"));
    (vec(import.clone(), 0..4), vec(import, 0..3)).prop_map(|(mut outer, mut inner)| {
        for list in [&mut outer, &mut inner] {
            list.sort();
            list.dedup();
        }
        let text = format!(
            "(component {} (component {}))",
            outer.concat(),
            inner.concat()
        );
        component(&transform_manifest("p"), &text)
            .component()
            .to_vec()
    })
}

/// Bytes that begin as components do, and may be sections or none.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..64).prop_map(|noise| [b"\0asm\x0d\0\x01\0", &noise[..]].concat())
}

proptest! {
    #[test]
    fn the_imports_that_are_checked_are_those_that_would_be_linked(
        whole in prop_oneof![6 => imports(), 1 => noise()],
        damage in vec((any::<prop::sample::Index>(), 0..3usize, vec(any::<u8>(), 0..3)), 0..3),
    ) {
        let mut bytes = whole;
        for (at, gone, piece) in damage {
            let start = at.index(bytes.len().max(1));
            let end = (start + gone).min(bytes.len());
            bytes.splice(start.min(end)..end, piece);
        }
        let engine = Engine::default();
        let package = Package::from_parts(&transform_manifest("p"), bytes.clone()).unwrap();
        let seen = package.inspect().map(|inspection| inspection.imports);
        // What wasmtime takes, we have read, and nothing less than it would link.
        if let Ok(compiled) = Component::from_binary(&engine, &bytes) {
            let kind = compiled.component_type();
            let linked: Vec<String> =
                kind.imports(&engine).map(|(name, _)| name.to_owned()).collect();
            let seen: Vec<String> = seen.unwrap().iter().map(Interface::to_string).collect();
            prop_assert_eq!(seen, linked);
        }
    }
}
