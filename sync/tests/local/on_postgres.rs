//! All promises on PostgreSQL: one server for all, a database for each.

use futures_util::{StreamExt as _, stream};
use test_postgres::Server;

use crate::place::Place;
use crate::{
    capture, conflicts, crash, incoming, letters, random, sending, shared, tables, together,
};

/// Promises that are shown at a time: most of each is waiting for the server.
const AT_A_TIME: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_postgresql_keeps_every_promise() {
    let Some(server) = Server::start() else {
        return;
    };
    let cases = [
        tables::CASES,
        capture::CASES,
        incoming::CASES,
        sending::CASES,
        conflicts::CASES,
        letters::CASES,
        random::CASES,
        crash::CASES,
        together::CASES,
        shared::CASES,
    ];
    let outcomes = stream::iter(cases.concat()).map(async |(sentence, show)| {
        let outcome = tokio::spawn(show(Place::postgres(&server))).await;
        outcome.map_err(|_| sentence)
    });
    let outcomes: Vec<Result<(), &str>> = outcomes.buffer_unordered(AT_A_TIME).collect().await;
    let failed: Vec<&str> = outcomes.iter().filter_map(|held| held.err()).collect();
    let held = outcomes.len() - failed.len();
    assert!(
        failed.is_empty(),
        "{held} promises hold, these do not: {failed:#?}"
    );
}
