//! How far a subscription has come, as its caller keeps it.
//!
//! A checkpoint says of each of the places of a subscription, in their order,
//! behind what to go on. It is good for the same sources by the same way only,
//! and says so itself: a fingerprint of both is in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::fault::refused;
use crate::wire;

/// The contract's bound, in bytes.
const MAX_BYTES: usize = 4 * 1024;
/// What is written here. Another number is for another release to read.
const VERSION: u32 = 1;

/// One place of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Place {
    /// At the oldest event that is kept.
    Oldest,
    /// At what was new at this time of ours, in milliseconds since 1970: nothing
    /// has come since from which a place is known.
    Since(u64),
    /// Behind this place, in the words of the way.
    Behind(String),
}

impl Place {
    /// The place behind a replay id.
    pub(super) fn behind(replay_id: &[u8]) -> Self {
        Self::Behind(STANDARD_NO_PAD.encode(replay_id))
    }

    /// The replay id that this is behind.
    pub(super) fn replay_id(&self) -> Option<Vec<u8>> {
        match self {
            Self::Behind(text) => STANDARD_NO_PAD.decode(text).ok(),
            Self::Oldest | Self::Since(_) => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    lockgate: u32,
    way: String,
    /// In hexadecimal digits: numbers of JSON are not exact so far up.
    of: String,
    places: Vec<Place>,
}

/// Whose checkpoints a subscription gives and takes.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    way: &'static str,
    of: String,
}

impl Mark {
    /// The mark of a way with its channels, and the sources they are followed for.
    pub(super) fn new<'n>(way: &'static str, names: impl Iterator<Item = &'n str>) -> Self {
        // FNV-1a: nobody gains anything by two lists with the same one.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for name in names {
            for byte in name
                .bytes()
                .map(|byte| byte.to_ascii_lowercase())
                .chain([b'\n'])
            {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        Self {
            way,
            of: format!("{hash:016x}"),
        }
    }

    /// The checkpoint of these places.
    pub(super) fn write(&self, places: Vec<Place>) -> Vec<u8> {
        let wire = Wire {
            lockgate: VERSION,
            way: self.way.to_owned(),
            of: self.of.clone(),
            places,
        };
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// The places of a checkpoint, so many.
    pub(super) fn read(&self, checkpoint: &[u8], count: usize) -> Result<Vec<Place>, Error> {
        let wire = parse(checkpoint)?;
        if wire.way != self.way {
            return Err(bad(&format!(
                "it is of the way {}, whose places are not those of {}: go on by that way, or \
                 subscribe anew and read everything once",
                wire.way, self.way
            )));
        }
        if wire.of != self.of || wire.places.len() != count {
            return Err(bad(
                "it is of other sources: give it to a subscription of the same ones",
            ));
        }
        Ok(wire.places)
    }
}

/// The name of the way that a checkpoint was come to.
pub(super) fn way(checkpoint: &[u8]) -> Result<String, Error> {
    Ok(parse(checkpoint)?.way)
}

fn parse(checkpoint: &[u8]) -> Result<Wire, Error> {
    Some(checkpoint)
        .filter(|bytes| bytes.len() <= MAX_BYTES)
        .and_then(wire::read::<Wire>)
        .filter(|wire| wire.lockgate == VERSION)
        .ok_or_else(|| bad("it is none that this connector gives"))
}

fn bad(what: &str) -> Error {
    refused(
        Advice::FixRecord,
        "INVALID_CHECKPOINT",
        &format!("the checkpoint cannot be gone on from: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(way: &'static str, names: &[&str]) -> Mark {
        Mark::new(way, names.iter().copied())
    }

    #[test]
    fn a_checkpoint_says_the_same_when_it_is_read_again() {
        let mark = mark("pubsub", &["Contact", "A__e", "Lead"]);
        let places = vec![
            Place::behind(&[0, 0, 0, 0, 0, 7, 0x6f, 0x69, 0, 0]),
            Place::Oldest,
            Place::Since(u64::MAX),
        ];
        let checkpoint = mark.write(places.clone());
        let read = mark.read(&checkpoint, 3).unwrap();
        assert_eq!(read, places);
        assert_eq!(
            read[0].replay_id().unwrap(),
            [0, 0, 0, 0, 0, 7, 0x6f, 0x69, 0, 0]
        );
        assert_eq!(way(&checkpoint).unwrap(), "pubsub");
    }

    #[test]
    fn the_largest_checkpoint_is_within_the_contracts_bound() {
        let names: Vec<String> = (0..32).map(|number| format!("{number:080}")).collect();
        let mark = Mark::new("pubsub", names.iter().map(String::as_str));
        let places = (0..32).map(|_| Place::behind(&[255; 64])).collect();
        assert!(mark.write(places).len() <= MAX_BYTES);
    }

    #[test]
    fn a_checkpoint_of_other_sources_or_another_way_is_refused() {
        let checkpoint = mark("pubsub", &["Contact"]).write(vec![Place::Oldest]);
        for (other, count) in [
            (mark("pubsub", &["Lead"]), 1),
            (mark("cometd", &["Contact"]), 1),
            (mark("pubsub", &["Contact"]), 2),
        ] {
            assert!(other.read(&checkpoint, count).is_err());
        }
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let mark = mark("pubsub", &["Contact"]);
        let whole = mark.write(vec![Place::Oldest]);
        let newer = String::from_utf8(whole.clone())
            .unwrap()
            .replace(":1,", ":2,");
        for bad in [
            b"".as_slice(),
            b"{}",
            &[0xff; 8],
            &whole[1..],
            newer.as_bytes(),
        ] {
            let Err(Error::Refused(problem)) = mark.read(bad, 1) else {
                panic!("{bad:?}");
            };
            assert_eq!(problem.code, "INVALID_CHECKPOINT");
        }
        assert!(mark.read(&[b' '; 4_097], 1).is_err());
    }
}
