//! A transform that attacks its sandbox, for tests.
