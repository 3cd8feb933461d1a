//! One target of `lockgate::fuzz` or `salesforce_connector::fuzz`, which the variable
//! `LOCKGATE_FUZZ_TARGET` names, under libFuzzer, which reads the arguments.

#![no_main]

use std::sync::LazyLock;

use lockgate::fuzz as host;
use salesforce_connector::fuzz as connector;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("LOCKGATE_FUZZ_TARGET").unwrap_or_default();
    match name.as_str() {
        "address" => host::address,
        "component" => host::component,
        "conversion" => connector::conversion,
        "event" => connector::event,
        "key" => host::key,
        "manifest" => host::manifest,
        "message" => connector::message,
        "path" => host::path,
        "records" => host::records,
        "rows" => connector::rows,
        "signature" => host::signature,
        "table" => host::table,
        "webhook" => host::webhook,
        other => panic!("there is no target `{other}`: each folder of fuzz/seeds is one"),
    }
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET(data));
