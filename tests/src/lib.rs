//! Lockgate's promises as tests, hostile guests and benches.
