//! Numbers that are the same for the same seed (splitmix64).

/// Dice with a seed.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall as this seed wants.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to `n`, which is not among them.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Whether it is one of so many hundred.
    pub fn percent(&mut self, of_a_hundred: u64) -> bool {
        self.below(100) < of_a_hundred
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    /// Some of these, each once, in their order.
    pub fn some_of<T: Copy>(&mut self, all: &[T], most: usize) -> Vec<T> {
        let mut left: Vec<usize> = (0..all.len()).collect();
        while left.len() > most {
            left.swap_remove(usize::try_from(self.below(left.len() as u64)).unwrap());
        }
        left.sort_unstable();
        left.into_iter().map(|at| all[at]).collect()
    }
}
