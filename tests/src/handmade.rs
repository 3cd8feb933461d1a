//! Components that no compiler would make, written in the text format.

use std::path::Path;

use lockgate::Package;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A manifest of a transform that asks for nothing.
pub fn transform_manifest(name: &str) -> String {
    format!(
        "[package]\nname = '{name}'\nversion = '0.1.0'\nworld = 'transform'\ncontract = '0.2.0'\n"
    )
}

/// A package of a component in the text format, as it is.
pub fn component(manifest: &str, text: &str) -> Package {
    Package::from_parts(manifest, wat::parse_str(text).unwrap()).unwrap()
}

/// A transform that does `configure` in its `configure` and then takes any
/// settings, and whose `apply` traps.
///
/// `fields` are further fields of the core module, imports first. The settings lie from
/// byte 65,536 on, of a memory of two pages; nothing is written below 65,536.
pub fn transform(name: &str, fields: &str, configure: &str) -> Package {
    transform_that_allocates(name, fields, "i32.const 65536", configure)
}

/// The same with this for an allocator, which the host calls to hand the settings over.
pub fn transform_that_allocates(
    name: &str,
    fields: &str,
    allocate: &str,
    configure: &str,
) -> Package {
    encoded(("0.2.0", "wit"), name, fields, allocate, configure)
}

/// A transform of contract 0.1.0 that takes any settings, and whose `apply` traps.
pub fn transform_of_0_1(name: &str) -> Package {
    let contract = ("0.1.0", "wit/frozen/0.1.0");
    encoded(contract, name, "", "i32.const 65536", "")
}

/// A transform of a version of the contract, whose files lie in this folder.
fn encoded(
    (contract, wit): (&str, &str),
    name: &str,
    fields: &str,
    allocate: &str,
    configure: &str,
) -> Package {
    let text = format!(
        r#"(module
            {fields}
            (memory (export "memory") 2)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {allocate})
            (func (export "lockgate:connector/batches@{contract}#describe") (result i32) i32.const 1024)
            (func (export "lockgate:connector/batches@{contract}#configure") (param i32 i32) (result i32)
                (local $at i32)
                {configure}
                i32.const 1024)
            (func (export "lockgate:connector/batches@{contract}#apply")
                (param i32 i32 i32 i32) (result i32) unreachable))"#
    );
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(wit);
    let (package, _) = resolve.push_dir(wit).unwrap();
    let world = resolve.select_world(&[package], Some("transform")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut encoder = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .unwrap();
    let manifest = transform_manifest(name).replace("0.2.0", contract);
    Package::from_parts(&manifest, encoder.encode().unwrap()).unwrap()
}
