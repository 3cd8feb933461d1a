//! SOQL: from the text of a statement to pages of JSON.
//!
//! A statement is cut into tokens (`lexer`), parsed (`parser`, into `ast`),
//! bound to the org and the user's rights (`bind`, into `plan`) and run (`run`).
//! Everything that can be wrong with it is found before it runs. What comes out
//! is an [`Answer`], which writes the pages that are asked for.

mod answer;
mod ast;
mod bind;
mod check;
mod csv;
mod date_function;
mod date_literal;
mod error;
mod lexer;
mod like;
mod operand;
mod parser;
mod plan;
mod run;
mod temporal;
#[cfg(test)]
mod tests;
mod view;

pub use answer::{Answer, Page};
pub(crate) use csv::{CsvAnswer, CsvOptions, csv_answer};

use crate::fault::Fault;
use crate::org::Org;
use crate::user::User;
use bind::Binder;
use error::{At, QueryError};
use plan::Plan;
use run::{group, select};
use view::View;

/// How many groups one query may answer: they cannot be continued on a next page.
const MAX_GROUPS: usize = 2_000;

/// Runs a statement for a user.
///
/// `all_rows` is queryAll, which sees deleted rows. `version` is that of the
/// request (`v60.0`), which the URLs in the records repeat.
///
/// # Errors
/// With Salesforce's code and message, for whatever is wrong with the statement.
pub fn run(
    org: &Org,
    who: &User,
    text: &str,
    all_rows: bool,
    version: &str,
) -> Result<Answer, Fault> {
    let view = View::of(org);
    let answer = || {
        let query = parser::parse(text)?;
        match Binder::new(&view, who, version, all_rows).plan(&query)? {
            Plan::Count(selection) => Ok(Answer::of_count(select::places(&view, &selection).len())),
            Plan::Records(selection, record) => Ok(Answer::of_records(
                select::places(&view, &selection),
                record,
            )),
            Plan::Groups(selection, aggregation) => {
                let groups = group::rows(&view, &selection, &aggregation);
                if groups.len() > MAX_GROUPS {
                    return Err(too_many_groups());
                }
                Ok(Answer::of_groups(groups))
            }
        }
    };
    answer().map_err(|error: QueryError| Fault::bad_request(error.code, error.full_message(text)))
}

fn too_many_groups() -> QueryError {
    QueryError::new(
        "EXCEEDED_ID_LIMIT",
        At::Statement,
        "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a \
         single batch",
    )
}
