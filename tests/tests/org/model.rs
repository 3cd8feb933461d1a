//! A random run of operations and faults against an org, checked after each step
//! against a plain model of it: what was told as done is so in the org, what was
//! told as failed is not, and what is in doubt is one of the two.
//!
//! `LOCKGATE_MODEL_SEED=N` runs one seed again and prints its steps.
#![expect(
    clippy::print_stdout,
    reason = "seeds and steps are for whoever runs the test"
)]

mod books;
mod play;
mod step;
mod trouble;

use std::fmt::Write as _;

use futures_util::{StreamExt as _, stream};

use books::Books;
use lockgate_tests::dice::Dice;
use play::Player;
use step::Step;

/// Runs one seed again.
const SEED_VARIABLE: &str = "LOCKGATE_MODEL_SEED";
/// Set by `cargo xtask test --long`.
const LONG_VARIABLE: &str = "LOCKGATE_LONG";

const SEEDS: u64 = 8;
const LONG_SEEDS: u64 = 100;
/// Seeds that run at a time: most of a run is waiting for jobs.
const AT_A_TIME: usize = 6;

const STEPS: usize = 24;
/// The last steps, in which the org has only a few calls left.
const SCARCE_STEPS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_every_result_says_what_is_in_the_org() {
    let chosen = std::env::var(SEED_VARIABLE).ok();
    let chosen: Option<u64> = chosen.map(|seed| seed.parse().expect("a seed is a number"));
    let seeds: Vec<u64> = match chosen {
        Some(seed) => vec![seed],
        None if std::env::var_os(LONG_VARIABLE).is_some() => (1..=LONG_SEEDS).collect(),
        None => (1..=SEEDS).collect(),
    };
    println!("seeds {seeds:?}");
    let runs = stream::iter(seeds).map(async |seed| {
        let outcome = run(seed, chosen.is_some()).await;
        // At once, for whoever waits for a long run.
        outcome.inspect_err(|failure| println!("{failure}")).is_ok()
    });
    let outcomes: Vec<bool> = runs.buffer_unordered(AT_A_TIME).collect().await;
    let failures = outcomes.iter().filter(|is_sound| !**is_sound).count();
    assert_eq!(failures, 0, "seeds failed: their steps are above");
}

/// Plays one seed. What went wrong comes with all steps up to there.
async fn run(seed: u64, is_shown: bool) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let mut player = Player::start(seed).await;
    let mut books = Books::default();
    let mut history = String::new();
    for number in 0..STEPS {
        let is_scarce = number >= STEPS - SCARCE_STEPS;
        if number == STEPS - SCARCE_STEPS {
            player.leave_few_calls(dice.below(4));
        }
        let step = Step::any(&mut dice, &mut books, is_scarce);
        let _ = writeln!(history, "  {number:2} {step}");
        if is_shown {
            println!("  {number:2} {step}");
        }
        if let Err(what) = player.play(&step, &mut books).await {
            return Err(format!(
                "seed {seed}, step {number}: {what}\n{history}  again: {SEED_VARIABLE}={seed}"
            ));
        }
    }
    Ok(())
}
