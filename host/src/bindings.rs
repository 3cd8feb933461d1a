//! The Rust face of the contract in `wit/`, one module a world, and of what has changed
//! since older versions. The only
//! `bindgen!` calls of the host.

/// World `connector`: async, because one instance overlaps its requests.
pub(crate) mod connector {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "connector",
        imports: {
            "lockgate:connector/http.[static]response.take-stream": store | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: {
            "lockgate:connector/http.response": crate::capability::http::Response,
            "lockgate:connector/outgoing.batch": crate::capability::outgoing::Batch,
            "lockgate:connector/outgoing.sheet": crate::capability::outgoing::Sheet,
            "lockgate:connector/outgoing.written": crate::capability::outgoing::Written,
            "lockgate:connector/quota.reservation": crate::capability::quota::Reservation,
            "lockgate:connector/tables.rows": crate::capability::tables::Rows,
            "lockgate:connector/tables.table": crate::capability::tables::Table,
        },
        require_store_data_send: true,
    });
}

/// World `transform`: nothing async inside, so that its engine can do without.
pub(crate) mod transform {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "transform",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "lockgate:connector/log": crate::bindings::connector::lockgate::connector::log,
        },
        require_store_data_send: true,
    });
}

/// World `transform` as it was in 0.1: of it only the exports are used.
pub(crate) mod transform_0_1 {
    wasmtime::component::bindgen!({
        path: "../wit/frozen/0.1.0",
        world: "transform",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "lockgate:connector/log": crate::bindings::connector::lockgate::connector::log,
        },
        require_store_data_send: true,
    });
}

/// World `migrator`, by which a `migrating-connector` is asked for its migration.
pub(crate) mod migrator {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "migrator",
        exports: { default: async },
        require_store_data_send: true,
    });
}

pub(crate) use connector::lockgate::connector as contract;
