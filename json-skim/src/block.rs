//! Sixteen bytes of a text in one look: with vectors in guests, where each turn of a
//! loop costs a look at the clock as well, and in two words elsewhere.

/// Bytes of a block.
pub(crate) const LEN: usize = 16;

/// How many bytes at the beginning of a block can stand in a string as they are: up to
/// the first quote, backslash or control character.
#[cfg(target_feature = "simd128")]
#[inline]
pub(crate) fn plain(block: &[u8; LEN]) -> usize {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, u64x2, v128_or};

    let [low, high] = words(block);
    let block = u64x2(low, high);
    let quote = u8x16_eq(block, u8x16_splat(b'"'));
    let backslash = u8x16_eq(block, u8x16_splat(b'\\'));
    let control = u8x16_lt(block, u8x16_splat(b' '));
    let marks = u8x16_bitmask(v128_or(control, v128_or(quote, backslash)));
    // One more mark, behind the block, for one that is plain.
    (u32::from(marks) | 1 << LEN).trailing_zeros() as usize
}

/// The same in two words.
#[cfg(not(target_feature = "simd128"))]
#[inline]
pub(crate) fn plain(block: &[u8; LEN]) -> usize {
    let [low, high] = words(block);
    match plain_of_word(low) {
        8 => 8 + plain_of_word(high),
        plain => plain,
    }
}

#[inline]
fn words(block: &[u8; LEN]) -> [u64; 2] {
    let both = u128::from_le_bytes(*block);
    [both as u64, (both >> 64) as u64]
}

/// The same of eight bytes, the first of them the lowest.
#[inline]
pub(crate) const fn plain_of_word(word: u64) -> usize {
    /// 1 in each byte of a word.
    const ONES: u64 = u64::MAX / 255;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = word ^ (ONES * b'"' as u64);
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = word ^ (ONES * b'\\' as u64);
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    // Marks in the top bit of each byte that is not plain. Only the lowest one is sure:
    // a borrow may have put others above it.
    let marks = (control | quote | backslash) & (ONES << 7);
    marks.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_needs_a_look_is_found_wherever_it_is() {
        for byte in 0..=u8::MAX {
            let is_marked = byte < b' ' || matches!(byte, b'"' | b'\\');
            for at in 0..LEN {
                let mut block = [b'a'; LEN];
                block[LEN - 1] = b'"';
                block[at] = byte;
                let wanted = match is_marked {
                    true => at,
                    false if at == LEN - 1 => LEN,
                    false => LEN - 1,
                };
                assert_eq!(plain(&block), wanted, "{byte} at {at}");
            }
        }
        assert_eq!(plain(&[0xff; LEN]), LEN);
    }
}
