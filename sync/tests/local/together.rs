//! Programs that write while the sync works, and connections that break.

use std::sync::atomic::{AtomicUsize, Ordering};

use lockgate_sync::Value;

use crate::org::{Org, fields};
use crate::place::{KEYED, Place, on_every_database};

on_every_database!(
    programs_that_write_while_the_sync_works_lose_nothing,
    a_connection_that_broke_is_made_anew,
);

/// Writes of each program.
const WRITES: usize = 40;
const PROGRAMS: usize = 2;

async fn programs_that_write_while_the_sync_works_lose_nothing(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    let ids: Vec<String> = (0..4)
        .map(|_| org.create("Contact", fields(&[("LastName", "Doe")]), false))
        .collect();
    org.deliver(&database, 10).await;

    // Each program has a field of its own in rows that all of them write, and the org
    // has one, too: so there is no conflict, and nothing may be lost.
    let at_work = AtomicUsize::new(PROGRAMS);
    let columns = ["first_name", "score"];
    std::thread::scope(|scope| {
        for (program, column) in columns.iter().enumerate() {
            let (address, ids, at_work) = (place.address(), &ids, &at_work);
            scope.spawn(move || {
                let place = Place::at(address);
                for number in 0..WRITES {
                    let id = &ids[number % ids.len()];
                    place.sql(&format!("UPDATE contact SET {column} = '{number}' WHERE id = '{id}'"));
                    place.sql(&format!(
                        "INSERT INTO contact (local_key, last_name) VALUES ('{program}-{number}', 'new')"
                    ));
                }
                at_work.fetch_sub(1, Ordering::SeqCst);
            });
        }
        // The runtime's thread is this one; the work goes on while they write.
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let mut round = 0_usize;
                while at_work.load(Ordering::SeqCst) > 0 {
                    let id = &ids[round % ids.len()];
                    round += 1;
                    org.update(
                        "Contact",
                        id,
                        fields(&[("Email", &round.to_string())]),
                        false,
                    );
                    org.deliver(&database, 20).await;
                    org.send(&database).await;
                    org.read_again(&database).await;
                }
            });
        });
    });
    for _ in 0..4 {
        org.send(&database).await;
        org.deliver(&database, usize::MAX).await;
        org.read_again(&database).await;
    }
    assert_eq!(org.send(&database).await, []);

    assert_eq!(org.records.len(), ids.len() + PROGRAMS * WRITES);
    let here = place.rows("SELECT id, first_name, email FROM contact ORDER BY id");
    let text = |record: &lockgate_sync::Fields, field: &str| {
        let text = record.get(field).and_then(Value::as_text);
        text.unwrap_or("-").to_owned()
    };
    let there: Vec<String> = org
        .records
        .iter()
        .map(|((_, id), record)| {
            format!(
                "{id}|{}|{}",
                text(record, "FirstName"),
                text(record, "Email")
            )
        })
        .collect();
    assert_eq!(here, there);
    let last = WRITES - ids.len();
    for (number, id) in ids.iter().enumerate() {
        let row = format!("SELECT first_name, score FROM contact WHERE id = '{id}'");
        let number = last + number;
        assert_eq!(place.rows(&row), [format!("{number}|{number}")]);
    }
    assert_eq!(database.conflicts(0, 10).await.unwrap(), []);
}

async fn a_connection_that_broke_is_made_anew(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql("INSERT INTO account (name) VALUES ('Acme')");
    place.sql(place.either(
        // A file has no connection to break.
        "SELECT 1",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE application_name = 'lockgate-sync' AND datname = current_database()",
    ));
    // The first to notice may be told so; whoever tries again is served.
    if let Err(error) = database.outgoing(10).await {
        assert!(error.is_passing(), "{error:?}");
    }
    assert_eq!(org.send(&database).await.len(), 1);
    assert_ne!(place.one("SELECT id FROM account"), "-");
}
