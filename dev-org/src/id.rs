//! Record ids: 15 case-sensitive characters, or 18 with a checksum that makes
//! them safe to compare without case.
//!
//! An id of this org is a three-character key prefix, the org's two-character
//! instance, and ten base-62 digits of a serial number. The digits sort as
//! ASCII does, so ids in creation order are in string order.

use std::sync::Arc;

/// A record id with its checksum, 18 characters.
pub type Id = Arc<str>;

/// Characters of the three-letter checksum, by the upper-case pattern of a
/// five-character chunk.
const CHECKSUM: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
/// Base-62 digits in ASCII order.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The instance part of every id made here.
const INSTANCE: &str = "Lg";
/// How many base-62 digits follow the instance.
const SERIAL_DIGITS: usize = 10;

/// The three checksum characters of a 15-character id.
fn checksum(id15: &str) -> [u8; 3] {
    let mut suffix = [b'A'; 3];
    for (out, chunk) in suffix.iter_mut().zip(id15.as_bytes().chunks(5)) {
        let pattern = chunk
            .iter()
            .enumerate()
            .filter(|(_, byte)| byte.is_ascii_uppercase())
            .fold(0_usize, |bits, (position, _)| bits | 1 << position);
        *out = CHECKSUM.get(pattern).copied().unwrap_or(b'A');
    }
    suffix
}

/// The 18-character form of an id of 15 or 18 characters; `None` when the text
/// is no id, or its checksum is wrong.
pub fn normalize(id: &str) -> Option<String> {
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let short = id.get(..15)?;
    let suffix = checksum(short);
    let suffix = std::str::from_utf8(&suffix).ok()?;
    match id.len() {
        15 => Some(format!("{short}{suffix}")),
        18 if id.get(15..)?.eq_ignore_ascii_case(suffix) => Some(format!("{short}{suffix}")),
        _ => None,
    }
}

/// Whether two ids name the same record, whatever their length.
pub fn same(left: &str, right: &str) -> bool {
    match (left.get(..15), right.get(..15)) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

/// The key prefix, the first three characters.
pub fn prefix(id: &str) -> &str {
    id.get(..3).unwrap_or(id)
}

/// Makes the id with this key prefix and serial number.
pub fn make(prefix: &str, serial: u64) -> Id {
    let mut id = String::with_capacity(18);
    id.push_str(prefix);
    id.push_str(INSTANCE);
    let mut digits = [b'0'; SERIAL_DIGITS];
    let mut rest = serial;
    for digit in digits.iter_mut().rev() {
        let value = usize::try_from(rest % 62).unwrap_or(0);
        *digit = DIGITS.get(value).copied().unwrap_or(b'0');
        rest /= 62;
    }
    id.push_str(std::str::from_utf8(&digits).unwrap_or_default());
    let suffix = checksum(&id);
    id.push_str(std::str::from_utf8(&suffix).unwrap_or_default());
    id.into()
}

/// The serial number of an id that this org made; `None` for a foreign id.
pub fn serial(id: &str) -> Option<u64> {
    let rest = id.get(3..15)?.strip_prefix(INSTANCE)?;
    rest.bytes().try_fold(0_u64, |serial, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return None,
        };
        serial.checked_mul(62)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_equal_those_of_a_real_org() {
        for (short, suffix) in [
            ("0015J000004TNtz", "QAG"),
            ("001dM00003kRs59", "QAC"),
            ("003dM00001wBXYD", "QA4"),
            ("005dM00000aYaE3", "QAK"),
            ("00DdM00000vfgTu", "UAI"),
            ("0017e00001W4GYR", "AA3"),
        ] {
            assert_eq!(normalize(short), Some(format!("{short}{suffix}")));
        }
    }

    #[test]
    fn an_id_with_a_wrong_checksum_or_length_is_no_id() {
        for id in [
            "0015J000004TNtzQAA",
            "0015J000004TNtzQ",
            "",
            "001-J000004TNtz",
        ] {
            assert_eq!(normalize(id), None, "{id}");
        }
    }

    #[test]
    fn ids_made_later_sort_later_and_keep_their_serial() {
        let ids: Vec<_> = [0, 9, 10, 61, 62, 1_000_000_000, 839_299_365_868_340_223]
            .map(|serial| (serial, make("001", serial)))
            .into();
        assert!(ids.is_sorted_by(|left, right| left.1 < right.1));
        for (expected, id) in ids {
            assert_eq!(id.len(), 18);
            assert_eq!(serial(&id), Some(expected));
            assert_eq!(normalize(&id).as_deref(), Some(&*id));
        }
    }

    #[test]
    fn short_and_long_forms_are_the_same_record_but_case_matters() {
        assert!(same("0015J000004TNtz", "0015J000004TNtzQAG"));
        assert!(!same("0015J000004tNtz", "0015J000004TNtzQAG"));
    }
}
