//! The pool that instances live in: what one of them may have of it, and what
//! happens where there is no room for a pool.

use lockgate::{Error, Limits, PackageError, Resource};
use lockgate_tests::handmade::{component, transform_manifest};
use lockgate_tests::logs::Logs;
use lockgate_tests::packages::package;
use lockgate_tests::sandbox::TestHost;

use crate::attack::{apply, still_serves, stopped_by};

/// A component with what a transform exports, and so many instances of a core
/// module with these fields.
fn with_instances(count: usize, fields: &str) -> lockgate::Package {
    let instances = "(core instance (instantiate $m))".repeat(count);
    let text = format!(
        r#"(component
            (core module $m {fields})
            {instances}
            (instance $i)
            (export "lockgate:connector/batches@0.2.0" (instance $i)))"#
    );
    component(&transform_manifest("p"), &text)
}

#[tokio::test]
async fn a_component_that_does_not_fit_into_the_pool_is_told_what_it_has_too_much_of() {
    let host = TestHost::new().await;
    let ceiling = Limits::ceiling();
    let many_globals = "(global i64 (i64.const 0))".repeat(70_000);
    let half_as_many = "(global i64 (i64.const 0))".repeat(35_000);
    let two_memories = "(memory 1) (memory 1)";
    let nine_tables = "(table 1 funcref)".repeat(9);
    let one_mib = 1024 * 1024;
    let pages = ceiling.memory_bytes / 65_536 + 1;
    let elements = ceiling.table_elements + 1;
    let cases = [
        (65, "", Resource::CoreInstances, 65, 64),
        (4, "(memory 1)", Resource::Memories, 4, 3),
        (1, two_memories, Resource::Memories, 2, 1),
        (9, "(table 1 funcref)", Resource::Tables, 9, 8),
        (1, &nine_tables, Resource::Tables, 9, 8),
        (
            1,
            &format!("(memory {pages})"),
            Resource::MemoryBytes,
            ceiling.memory_bytes + 65_536,
            ceiling.memory_bytes,
        ),
        (
            1,
            &format!("(table {elements} funcref)"),
            Resource::TableElements,
            elements,
            ceiling.table_elements,
        ),
        // How much exactly is wasmtime's own affair.
        (1, &many_globals, Resource::InstanceBytes, 0, one_mib),
        (3, &half_as_many, Resource::InstanceBytes, 0, one_mib),
    ];
    for (count, fields, expected, expected_needed, expected_allowed) in cases {
        let outcome = host.host.load(&with_instances(count, fields), []).await;
        let Err(Error::Package(refusal)) = outcome else {
            panic!("{expected}: {outcome:?}");
        };
        let PackageError::NoRoom {
            resource,
            needed,
            allowed,
            ..
        } = refusal
        else {
            panic!("{expected}: {refusal:?}");
        };
        assert_eq!((resource, allowed), (expected, expected_allowed));
        assert!(needed > allowed, "{refusal}");
        assert!(
            expected_needed == 0 || needed == expected_needed,
            "{refusal}"
        );
        let told = format!("p: needs {needed} {expected}, but one instance has at most {allowed}");
        assert!(refusal.to_string().starts_with(&told), "{refusal}");
    }
    // Just as much as there is fits; these are refused later, for their types.
    for (count, fields) in [(64, ""), (3, "(memory 1)"), (8, "(table 1 funcref)")] {
        let outcome = host.host.load(&with_instances(count, fields), []).await;
        assert!(
            matches!(
                &outcome,
                Err(Error::Package(PackageError::WrongType { .. }))
            ),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn without_room_for_a_pool_instances_are_made_on_demand_under_the_same_limits() {
    let logs = Logs::capture();
    // More address space than any machine has, for 256 instances.
    let ceiling = Limits {
        memory_bytes: 1 << 40,
        ..Limits::ceiling()
    };
    let host = TestHost::with(|builder| builder.ceiling(ceiling)).await;
    assert!(logs.text().contains("no room for pooled instances"));
    host.load(&package("hostile-transform")).await;
    still_serves(&host).await;
    for (attack, limit) in [
        (serde_json::json!({ "do": "spin" }), lockgate::Limit::Cpu),
        (
            serde_json::json!({ "do": "allocate" }),
            lockgate::Limit::Memory,
        ),
    ] {
        assert_eq!(stopped_by(apply(&host, attack).await).0, limit);
        still_serves(&host).await;
    }
}
