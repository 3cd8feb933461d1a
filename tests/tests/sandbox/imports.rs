//! What our own components import: nothing but the contract, and of that no
//! more than they need.

use lockgate_tests::packages::package;

/// The imports of a built component, in order of their names.
fn imports(name: &str) -> Vec<String> {
    let inspection = package(name).inspect().unwrap();
    let mut imports: Vec<String> = inspection.imports.iter().map(ToString::to_string).collect();
    imports.sort();
    imports
}

#[test]
fn the_connector_imports_the_contract_and_no_wasi() {
    assert_eq!(
        imports("salesforce"),
        [
            "lockgate:connector/clock@0.2.0",
            "lockgate:connector/http@0.2.0",
            "lockgate:connector/log@0.2.0",
            "lockgate:connector/outgoing@0.2.0",
            "lockgate:connector/quota@0.2.0",
            "lockgate:connector/storage@0.2.0",
            "lockgate:connector/stream@0.2.0",
            "lockgate:connector/tables@0.2.0",
        ]
    );
}

#[test]
fn the_second_connector_imports_no_more_than_it_needs() {
    assert_eq!(
        imports("mailing-list"),
        [
            "lockgate:connector/clock@0.2.0",
            "lockgate:connector/http@0.2.0",
            // What is given to its writer, which it reads.
            "lockgate:connector/outgoing@0.2.0",
            // Of this only the type of rows, which a page may hold.
            "lockgate:connector/tables@0.2.0",
        ]
    );
}

#[test]
fn the_plugins_import_nothing_at_all_but_a_log() {
    for plugin in ["contact-normalizer", "lead-scorer"] {
        let imports = imports(plugin);
        assert!(
            imports
                .iter()
                .all(|import| import == "lockgate:connector/log@0.2.0"),
            "{plugin}: {imports:?}"
        );
    }
}
