//! What each attack does.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::value::RawValue;

use crate::guest::bindings::exports::lockgate::connector::batches::{
    Error, Outcome, SettingProblem, Verdict,
};
use crate::guest::bindings::lockgate::connector::log::{self, Level};

/// One page of linear memory, in bytes.
const PAGE: usize = 65_536;

/// Calls that this instance has seen. An instance that is used once sees one.
static CALLS: AtomicU32 = AtomicU32::new(0);

/// What the settings ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attack {
    pub(crate) name: String,
    pub(crate) count: usize,
    pub(crate) bytes: usize,
}

/// Attacks on time, memory, stack and log. Those that are none of these return
/// at once.
pub(crate) fn exhaust(attack: &Attack) {
    match attack.name.as_str() {
        // Never returns, and does nothing that could be waited for.
        "spin" => spin(),
        // Runs out of stack.
        "recurse" => {
            black_box(recurse(0));
        }
        // Allocates and touches until it is stopped: nothing is freed.
        "allocate" => loop {
            black_box(vec![1_u8; PAGE]).leak();
        },
        // Asks for memory by the instruction, past the allocator, for as long
        // as it gets any; then goes on as an echo.
        "grow-memory" => while core::arch::wasm32::memory_grow::<0>(16) != usize::MAX {},
        // Few instructions, each of which moves 16 MiB: a counter of
        // instructions would hardly notice.
        "copy" => {
            let mut bytes = vec![1_u8; 16 * 1024 * 1024 + 1];
            loop {
                bytes.copy_within(0..16 * 1024 * 1024, 1);
                black_box(&mut bytes);
            }
        }
        // `count` messages of `bytes` bytes.
        "log" => {
            let message = "x".repeat(attack.bytes);
            for _ in 0..attack.count {
                log::write(Level::Info, &message, &[]);
            }
        }
        "log-forever" => loop {
            log::write(Level::Error, "and again", &[]);
        },
        "log-injection" => inject(),
        "panic" => panic_with_a_secret(),
        "trap" => core::arch::wasm32::unreachable(),
        _ => {}
    }
}

fn spin() -> ! {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

#[expect(unconditional_recursion, reason = "the attack: to run out of stack")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    recurse(depth + 1).wrapping_add(frame.iter().sum::<u64>())
}

#[expect(clippy::panic, reason = "the attack: a guest that panics")]
fn panic_with_a_secret() {
    panic!("gone wrong\r\n{{\"level\":\"ERROR\",\"message\":\"forged\"}}");
}

/// Messages that would be something else if they were written as they are: a
/// second line, a terminal's commands, a record of a log in JSON.
fn inject() {
    let forged = "fine\r\n2026-01-01T00:00:00Z ERROR host: forged line";
    log::write(Level::Info, forged, &[]);
    log::write(
        Level::Info,
        "\u{1b}[2J\u{1b}[31mred\u{1b}]0;title\u{7}",
        &[],
    );
    log::write(Level::Info, "\",\"level\":\"ERROR\",\"forged\":\"yes", &[]);
    log::write(
        Level::Info,
        "\u{202e}desrever\u{2028}next\u{85}line\0nul",
        &[],
    );
    let fields = [
        ("connection".to_owned(), "another-tenant".to_owned()),
        ("a\r\nb".to_owned(), "c\r\nd".to_owned()),
        ("\u{1b}[31m".to_owned(), "\u{9b}31m".to_owned()),
    ];
    log::write(Level::Warn, "fields", &fields);
}

/// The answer: an echo, or one that lies.
pub(crate) fn answer(attack: &Attack, records: &[u8]) -> Result<Outcome, Error> {
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    let count = serde_json::from_slice::<Vec<&RawValue>>(records).map_or(0, |list| list.len());
    let change = |count: usize| vec![Verdict::Change; count];
    let mut outcome = Outcome {
        records: records.to_vec(),
        verdicts: change(count),
    };
    match attack.name.as_str() {
        // How many calls this instance has seen, in place of each record.
        "state" => {
            let record = format!("{{\"calls\":{calls}}}");
            outcome.records = format!("[{}]", vec![record; count].join(",")).into_bytes();
        }
        // `bytes` bytes of spaces around an empty array.
        "huge-records" => {
            let mut bytes = vec![b' '; attack.bytes];
            if let Some(place) = bytes.last_mut() {
                *place = b']';
            }
            if let Some(place) = bytes.first_mut() {
                *place = b'[';
            }
            outcome.records = bytes;
            outcome.verdicts = vec![Verdict::Drop; count];
        }
        // A list of `count` elements, each of which the host has to build.
        "huge-verdicts" => outcome.verdicts = change(attack.count),
        "too-few-verdicts" => outcome.verdicts.truncate(count.saturating_sub(1)),
        "too-many-verdicts" => outcome.verdicts = change(count + 1),
        // Says that nothing was changed, and hands out all of it.
        "too-many-records" => outcome.verdicts = vec![Verdict::Drop; count],
        "kept-and-given" => outcome.verdicts = vec![Verdict::Keep; count],
        // Says that all was changed, and hands out none of it.
        "too-few-records" => outcome.records = b"[]".to_vec(),
        // Keeps the first record, drops the second, changes the others.
        "some" => {
            let record = "{\"changed\":true}";
            let rest = count.saturating_sub(2);
            outcome.records = format!("[{}]", vec![record; rest].join(",")).into_bytes();
            for (verdict, other) in outcome
                .verdicts
                .iter_mut()
                .zip([Verdict::Keep, Verdict::Drop])
            {
                *verdict = other;
            }
        }
        "keep" => {
            outcome.records = b"[]".to_vec();
            outcome.verdicts = vec![Verdict::Keep; count];
        }
        "invalid-json" => outcome.records = b"[{\"Id\":".to_vec(),
        "invalid-utf8" => outcome.records = b"[{\"Id\":\"\xff\xfe\"}]".to_vec(),
        "not-an-array" => outcome.records = b"{\"Id\":\"1\"}".to_vec(),
        "long-reason" => {
            outcome.records = b"[]".to_vec();
            outcome.verdicts = vec![Verdict::Reject(long_text(attack.bytes)); count];
        }
        "long-error" => return Err(Error::Failed(long_text(attack.bytes))),
        _ => {}
    }
    Ok(outcome)
}

/// `count` problems of `bytes` bytes each.
pub(crate) fn many_problems(attack: &Attack) -> Vec<SettingProblem> {
    let problem = SettingProblem {
        pointer: long_text(attack.bytes),
        message: long_text(attack.bytes),
    };
    vec![problem; attack.count]
}

/// A text of about so many bytes that no terminal should see as it is, and that
/// cannot be cut just anywhere.
fn long_text(bytes: usize) -> String {
    let mut text = String::from("\u{1b}[31m\r\n");
    while text.len() < bytes {
        text.push('ß');
    }
    text
}
