//! Which tokens a host has seen replaced, so that nobody who can write to the store can
//! have it use them again.
//!
//! It knows them by their sealed bytes, which are different each time: a number could be
//! given to other tokens later, by who reconnects after older ones were put back. It
//! knows what this process has seen, and no more.

use std::collections::VecDeque;

use sha2::{Digest as _, Sha256};

use crate::store::Sealed;

/// How many of a connection are remembered: with two hours for each some five days.
const REMEMBERED: usize = 64;

type Print = [u8; 32];

/// The tokens of a connection that were there, one after the other.
#[derive(Debug, Default)]
pub(super) struct Seen {
    last: Option<Print>,
    replaced: VecDeque<Print>,
}

impl Seen {
    /// Notes the tokens that the store has now; false if others have taken their place
    /// before.
    pub(super) fn note(&mut self, tokens: &Sealed) -> bool {
        let print = Sha256::digest(&tokens.bytes).into();
        if self.last == Some(print) {
            return true;
        }
        if self.replaced.contains(&print) {
            return false;
        }
        if let Some(before) = self.last.replace(print) {
            self.replaced.push_back(before);
            if self.replaced.len() > REMEMBERED {
                self.replaced.pop_front();
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_replaced_does_not_come_back_and_what_is_new_is_taken() {
        let sealed = |bytes: u32| Sealed {
            version: 1,
            bytes: bytes.to_be_bytes().to_vec(),
        };
        let mut seen = Seen::default();
        for number in 0..200 {
            assert!(seen.note(&sealed(number)));
            assert!(seen.note(&sealed(number)));
            if number > 0 {
                assert!(!seen.note(&sealed(number - 1)));
            }
        }
        assert_eq!(seen.replaced.len(), REMEMBERED);
    }
}
