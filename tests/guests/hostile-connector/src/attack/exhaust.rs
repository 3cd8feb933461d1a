//! Attacks on time, stack, memory, handles and the number of host calls.

use std::hint::black_box;

use serde_json::{Value, json};

use crate::guest::bindings::lockgate::connector::clock;
use crate::guest::bindings::lockgate::connector::log::{self, Level};
use crate::guest::bindings::wit_stream;

/// Does one of them; most never return.
pub(super) async fn run(command: &str, number: usize) -> Vec<Value> {
    match command {
        // Never gives the host a chance to do anything else.
        "spin" => {
            let mut number = 0_u64;
            loop {
                number = black_box(number.wrapping_add(1));
            }
        }
        // Burns time within an async call, and gives way now and then.
        "spin-async" => loop {
            for round in 0..1_000_000_u64 {
                black_box(round);
            }
            wit_bindgen::yield_async().await;
        },
        // Waits for what nobody will ever do.
        "never" => std::future::pending::<()>().await,
        "wait" => clock::wait(u32::try_from(number).unwrap_or(u32::MAX)).await,
        "recurse" => {
            black_box(recurse(0));
        }
        "allocate" => loop {
            black_box(vec![1_u8; 65_536]).leak();
        },
        "panic" => panic_with_a_forged_line(),
        "flood-calls" => loop {
            black_box(clock::monotonic_ms());
        },
        "flood-log" => loop {
            log::write(Level::Error, "and again", &[]);
        },
        // Each is two handles; all are kept until the end.
        "hold-streams" => {
            let mut kept = Vec::new();
            for _ in 0..number {
                kept.push(wit_stream::new::<u8>());
            }
            return vec![json!({ "streams": kept.len() })];
        }
        _ => {}
    }
    vec![json!({ "done": command })]
}

/// Keeps the CPU busy for so long.
pub(super) fn burn(ms: u64) {
    let until = clock::monotonic_ms().saturating_add(ms);
    while clock::monotonic_ms() < until {
        for round in 0..1_000_000_u64 {
            black_box(round);
        }
    }
}

#[expect(unconditional_recursion, reason = "the attack: to run out of stack")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    recurse(depth + 1).wrapping_add(frame.iter().sum::<u64>())
}

#[expect(clippy::panic, reason = "the attack: a guest that panics")]
fn panic_with_a_forged_line() {
    panic!("gone wrong\r\nforged line");
}
