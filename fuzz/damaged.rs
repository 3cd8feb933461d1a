//! Examples with a few places of each damaged: what the tests beside the targets give
//! them. A module of the tests of both crates that have targets.

use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;

/// The examples of a target; what stands in the place of something else is noise, or one
/// of these pieces.
pub(super) fn damaged(
    target: &str,
    pieces: &'static [&'static str],
) -> impl Strategy<Value = Vec<u8>> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    let files = fs::read_dir(seeds.join(target)).unwrap();
    let seeds: Vec<Vec<u8>> = files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect();
    let piece = prop_oneof![
        vec(any::<u8>(), 0..4),
        "[\\PC\r\n\t]{0,6}".prop_map(String::into_bytes),
        prop::sample::select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    let damage = (any::<prop::sample::Index>(), 0..40_usize, piece);
    (prop::sample::select(seeds), vec(damage, 0..4)).prop_map(|(mut seed, damage)| {
        for (at, gone, piece) in damage {
            let start = at.index(seed.len() + 1);
            let end = (start + gone).min(seed.len());
            seed.splice(start..end, piece);
        }
        seed
    })
}
