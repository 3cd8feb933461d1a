//! The budget of API calls that a product sells, kept for each connection.
//!
//! Products count calls over a rolling window and refuse more than a limit.
//! The ledger counts what we send, reads what the product's answers say of
//! everybody's count, and never lets us send what the operator keeps back.
//!
//! - `window`: the arithmetic, without clock, lock or I/O; forecasts as well.
//! - `queue`: who waits for calls, and who of them is served first.
//! - [`Quota`]: one connection's budget, shared by all its calls.
//! - [`Ledgers`]: all budgets of a host, loaded from the store and written back.

mod backoff;
mod clock;
mod header;
mod priority;
mod queue;
mod quota;
mod registry;
mod reserve;
#[cfg(test)]
mod tests;
mod window;

pub use clock::Clock;
pub use priority::Priority;
pub use quota::{Budget, Forecast, Quota, QuotaError, Reservation, Turn};
pub use registry::Ledgers;
pub use reserve::Reserve;
