//! Copies of short texts.
//!
//! In a guest a copy whose length the compiler does not know is a call into the
//! host, which costs as much as moving some hundred bytes. Rows are made of many
//! short texts, so these are moved by a few words each.

/// From this length on the call is worth it, in bytes.
const LONG: usize = 128;

/// Appends a text that is probably short.
#[inline]
pub(crate) fn push(out: &mut Vec<u8>, text: &[u8]) {
    match text.len() {
        0 => {}
        length @ 1..4 => {
            out.reserve(length);
            out.extend(text);
        }
        4..8 => push_ends::<4>(out, text),
        8..16 => push_ends::<8>(out, text),
        16..LONG => {
            let (chunks, rest) = text.as_chunks::<16>();
            for chunk in chunks {
                out.extend_from_slice(chunk);
            }
            if let (false, Some(last)) = (rest.is_empty(), text.last_chunk::<16>()) {
                out.truncate(out.len() + rest.len() - last.len());
                out.extend_from_slice(last);
            }
        }
        _ => out.extend_from_slice(text),
    }
}

/// Appends a text by its first and its last bytes, which may overlap.
#[inline]
fn push_ends<const N: usize>(out: &mut Vec<u8>, text: &[u8]) {
    if let (Some(first), Some(last)) = (text.first_chunk::<N>(), text.last_chunk::<N>()) {
        out.extend_from_slice(first);
        out.truncate(out.len() + text.len() - 2 * N);
        out.extend_from_slice(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_all_lengths_are_appended_as_they_are() {
        let text: Vec<u8> = (0..=255).collect();
        for length in 0..text.len() {
            let mut out = b"before".to_vec();
            push(&mut out, &text[..length]);
            assert_eq!(out, [b"before", &text[..length]].concat(), "{length}");
        }
    }
}
