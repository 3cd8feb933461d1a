//! SOQL: from the text of a statement to pages of JSON.

mod ast;
mod date_literal;
mod error;
mod lexer;
mod parser;
mod temporal;
