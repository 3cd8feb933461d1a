//! The budget of API calls that a product sells, kept for each connection.

mod reserve;

pub use reserve::Reserve;
