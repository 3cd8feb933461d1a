//! Prints: numbers of 64 bits that stand for texts, the same in every build, since
//! they are kept with the writes that have a name.
//!
//! They tell rows of one job apart, and one caller's writes under one name. Nobody
//! gains by two rows with the same print: their results would change places.

/// Odd numbers with as many ones as zeroes, without any pattern.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const COLUMN_FACTOR: u64 = 0xd6e8_feb8_6659_fd93;

/// The print of a text, eight bytes at a time.
pub(in crate::write) fn of(text: &[u8]) -> u64 {
    let mut print = (text.len() as u64).wrapping_mul(COLUMN_FACTOR);
    let (words, rest) = text.as_chunks();
    for word in words {
        print = mixed(print ^ u64::from_le_bytes(*word));
    }
    let last = rest.iter().rev();
    let last = last.fold(0, |last, byte| last << 8 | u64::from(*byte));
    mixed(print ^ last)
}

/// The print of a text as one of several: the sum of these does not depend on
/// their order, but on which of them holds what.
pub(in crate::write) fn of_column(column: usize, text: &[u8]) -> u64 {
    mixed(of(text) ^ (column as u64 + 1).wrapping_mul(COLUMN_FACTOR))
}

/// The print of a sequence of which this is the next part.
pub(in crate::write) fn of_sequence(before: u64, part: &[u8]) -> u64 {
    mixed(before.rotate_left(5) ^ of(part))
}

const fn mixed(word: u64) -> u64 {
    let product = word.wrapping_mul(FACTOR);
    product ^ (product >> 32)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn prints_are_the_same_in_every_build() {
        assert_eq!(of(b""), 0);
        let sequence = of_sequence(of(b"a"), b"a text of some words");
        assert_eq!(sequence, 0xd8239057cb8f51a8);
        assert_eq!(of_column(3, b"x"), 0x3ed676d0c45e33f);
    }

    #[test]
    fn texts_that_are_alike_and_places_that_are_near_have_prints_of_their_own() {
        let mut seen = HashSet::new();
        let zeroes = [0; 40];
        for length in 0..=zeroes.len() {
            assert!(seen.insert(of(&zeroes[..length])), "{length} zeroes");
        }
        for column in 0..100 {
            for number in 0..1_000 {
                let text = format!("{number:07}");
                assert!(seen.insert(of_column(column, text.as_bytes())));
            }
        }
        let swapped = of_column(0, b"a").wrapping_add(of_column(1, b"b"));
        assert_ne!(swapped, of_column(0, b"b").wrapping_add(of_column(1, b"a")));
    }
}
