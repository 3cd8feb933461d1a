//! Attacks on the sandbox from within a transform: its time, its memory, its
//! stack, its log, and the host's trust in what comes back.
//!
//! The settings say what it does: `{"do": NAME, "count": N, "bytes": N}`. With
//! `"at": "configure"` it does so in `configure`, otherwise in `apply`. `count`
//! and `bytes` are 1 unless given. What each name does stands in `attack`.

#[cfg(target_arch = "wasm32")]
mod attack;
#[cfg(target_arch = "wasm32")]
mod guest;

/// The names that settings can give under `do`.
pub const ATTACKS: &[&str] = &[
    "echo",
    "spin",
    "recurse",
    "allocate",
    "grow-memory",
    "copy",
    "log",
    "log-forever",
    "log-injection",
    "panic",
    "trap",
    "state",
    "huge-records",
    "huge-verdicts",
    "too-few-verdicts",
    "too-many-verdicts",
    "too-many-records",
    "kept-and-given",
    "too-few-records",
    "some",
    "keep",
    "invalid-json",
    "invalid-utf8",
    "not-an-array",
    "long-reason",
    "long-error",
    "many-problems",
];
