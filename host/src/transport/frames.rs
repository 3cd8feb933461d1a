//! Messages as gRPC frames them: a flag, the length in four bytes, the message.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// The flag and the length.
const HEAD_BYTES: usize = 5;

/// Why what came cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    #[error("a message is compressed, which was not asked for")]
    Compressed,
    #[error("a message has {0} bytes")]
    TooLong(u32),
}

/// Puts a message into its frame.
pub(super) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEAD_BYTES + message.len());
    frame.put_u8(0);
    // The limit of messages is far below what the length can say.
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// Takes messages out of their frames, however these are cut into parts.
#[derive(Debug)]
pub(super) struct Frames {
    max_message_bytes: u32,
    buffer: BytesMut,
}

impl Frames {
    pub(super) fn new(max_message_bytes: u32) -> Self {
        Self {
            max_message_bytes,
            buffer: BytesMut::new(),
        }
    }

    pub(super) fn push(&mut self, part: &[u8]) {
        self.buffer.extend_from_slice(part);
    }

    /// The next message, if it is whole.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Flaw> {
        let Some((head, rest)) = self.buffer.split_first_chunk::<HEAD_BYTES>() else {
            return Ok(None);
        };
        let [flag, length @ ..] = *head;
        if flag != 0 {
            return Err(Flaw::Compressed);
        }
        // Before anything of it is kept.
        let length = u32::from_be_bytes(length);
        if length > self.max_message_bytes {
            return Err(Flaw::TooLong(length));
        }
        let n_bytes = length as usize;
        if rest.len() < n_bytes {
            return Ok(None);
        }
        self.buffer.advance(HEAD_BYTES);
        Ok(Some(self.buffer.split_to(n_bytes).freeze()))
    }

    /// Whether a message has begun that is not whole.
    pub(super) fn is_within(&self) -> bool {
        !self.buffer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_as_they_went_in_however_they_are_cut() {
        let messages: [&[u8]; 4] = [b"one", b"", &[7; 300], b"\0\0"];
        let wire: Vec<u8> = messages.iter().flat_map(|m| framed(m)).collect();
        for cut in 1..wire.len() {
            let mut frames = Frames::new(300);
            let mut out = Vec::new();
            for part in wire.chunks(cut) {
                frames.push(part);
                while let Some(message) = frames.next().unwrap() {
                    out.push(message);
                }
            }
            assert_eq!(out, messages, "in parts of {cut}");
            assert!(!frames.is_within());
        }
    }

    #[test]
    fn a_message_over_the_limit_is_refused_by_its_head_alone() {
        let mut frames = Frames::new(10);
        frames.push(&[0, 0, 0, 0, 11]);
        assert_eq!(frames.next(), Err(Flaw::TooLong(11)));
        let mut frames = Frames::new(10);
        frames.push(&[0, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(frames.next(), Err(Flaw::TooLong(u32::MAX)));
    }

    #[test]
    fn a_compressed_message_is_refused() {
        let mut frames = Frames::new(10);
        frames.push(&[1, 0, 0, 0, 1, b'x']);
        assert_eq!(frames.next(), Err(Flaw::Compressed));
    }

    #[test]
    fn half_a_message_is_told_from_none() {
        let mut frames = Frames::new(10);
        frames.push(&framed(b"whole"));
        frames.push(&[0, 0, 0]);
        assert_eq!(frames.next().unwrap().unwrap(), "whole");
        assert_eq!(frames.next(), Ok(None));
        assert!(frames.is_within());
    }
}
