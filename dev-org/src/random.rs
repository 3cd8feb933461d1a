//! Random text for tokens, codes and request ids. From the system's generator
//! even in a dev org: a guessable token would hide bugs in code that compares.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `length` random bytes. A system without randomness cannot run an org; the
/// bytes are zero then, and every token is the same, which tests notice.
pub(crate) fn bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::error!(%error, "the system gives no random bytes");
    }
    bytes
}

/// Random bytes as lower-case hex.
pub(crate) fn hex(length: usize) -> String {
    bytes(length).iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Random bytes in the letters that Salesforce's tokens are made of.
pub(crate) fn token(length: usize) -> String {
    URL_SAFE_NO_PAD.encode(bytes(length)).replace('-', ".")
}

/// Sixteen bytes as a UUID that calls itself random (version 4).
pub(crate) fn uuid(bytes: &[u8; 16]) -> String {
    let number = u128::from_be_bytes(*bytes);
    let number = number & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    let part = |range| hex.get(range).unwrap_or_default();
    [
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32),
    ]
    .join("-")
}

/// A new UUID.
pub(crate) fn new_uuid() -> String {
    uuid(bytes(16).first_chunk().unwrap_or(&[0; 16]))
}
