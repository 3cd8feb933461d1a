//! Finds the lines of a sheet by their prints: each line once, those that say the
//! same in their order.

/// No line.
const NONE: u32 = u32::MAX;

/// Lines by print: a table with free places, and a chain of lines behind each
/// print. 10 to 16 bytes a line.
#[derive(Debug)]
pub(super) struct Finder {
    /// The first line of a print, where the print would have it or at the next free
    /// place. Its size is a power of two.
    heads: Vec<u32>,
    /// The next line of the same print.
    next: Vec<u32>,
}

impl Finder {
    /// Puts so many lines into the table.
    pub(super) fn new(lines: usize, print_of: impl Fn(u32) -> u64) -> Self {
        let size = (lines + lines / 2 + 1).next_power_of_two();
        let mut finder = Self {
            heads: vec![NONE; size],
            next: vec![NONE; lines],
        };
        let last = u32::try_from(lines).unwrap_or(NONE);
        for line in (0..last).rev() {
            let place = finder.place(print_of(line), &print_of);
            let Some(head) = finder.heads.get_mut(place) else {
                continue;
            };
            let behind = std::mem::replace(head, line);
            if let Some(next) = finder.next.get_mut(line as usize) {
                *next = behind;
            }
        }
        finder
    }

    /// The first line of a print that is still free, which no later search finds
    /// again.
    pub(super) fn take(
        &mut self,
        print: u64,
        print_of: impl Fn(u32) -> u64,
        is_free: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let place = self.place(print, print_of);
        let head = self.heads.get_mut(place)?;
        // The last one stays, so that the place is not taken for a free one.
        loop {
            let line = *head;
            let next = self.next.get(line as usize).copied().unwrap_or(NONE);
            if next != NONE {
                *head = next;
            }
            if line == NONE || is_free(line) || next == NONE {
                return Some(line).filter(|line| *line != NONE && is_free(*line));
            }
        }
    }

    /// Where the lines of a print are, or would be.
    fn place(&self, print: u64, print_of: impl Fn(u32) -> u64) -> usize {
        let last = self.heads.len() - 1;
        let mut place = usize::try_from(print >> 32).unwrap_or(0) & last;
        while let Some(head) = self.heads.get(place) {
            if *head == NONE || print_of(*head) == print {
                break;
            }
            place = (place + 1) & last;
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_found_once_and_those_that_say_the_same_in_their_order() {
        // Some begin at the same place, and the last one goes round the table.
        let prints: [u64; 7] = [7 << 32, 1, 7 << 32, 2, 7 << 32, 15 << 32, 31 << 32];
        let print_of = |line: u32| prints[line as usize];
        let mut finder = Finder::new(prints.len(), print_of);
        let mut taken = Vec::new();
        let mut take = |print| {
            let line = finder.take(print, print_of, |line| !taken.contains(&line));
            taken.extend(line);
            line
        };
        assert_eq!([2, 1, 31 << 32].map(&mut take), [Some(3), Some(1), Some(6)]);
        assert_eq!(
            [7 << 32; 4].map(&mut take),
            [Some(0), Some(2), Some(4), None]
        );
        assert_eq!(
            [15 << 32, 15 << 32, 3].map(&mut take),
            [Some(5), None, None]
        );
    }

    #[test]
    fn lines_that_were_found_in_another_way_are_passed_over() {
        let print_of = |_| 9;
        let mut finder = Finder::new(100_000, print_of);
        assert_eq!(
            finder.take(9, print_of, |line| line >= 99_999),
            Some(99_999)
        );
        assert_eq!(finder.take(9, print_of, |line| line < 99_999), None);
        let mut none = Finder::new(0, print_of);
        assert_eq!(none.take(9, print_of, |_| true), None);
    }
}
