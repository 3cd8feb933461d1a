//! Queues: put once with the reader's checkpoint, taken by one at a time, settled,
//! brought back.

use super::*;
use crate::store::{
    MAX_QUEUE_ID_BYTES, MAX_QUEUE_ITEM_BYTES, MAX_QUEUE_PROBLEM_BYTES, NewItem,
    QUEUE_ITEM_OVERHEAD_BYTES, QueueCounts, QueueKey, QueueOutcome, QueueProblem, QueuePut,
    QueueState, QueueTake, Settled, Taken, Which,
};

pub(super) const CASES: &[Case] = &[
    case!(what_is_put_is_new_once_also_after_it_is_done),
    case!(items_and_checkpoint_are_kept_together_or_not_at_all),
    case!(what_was_taken_is_nobody_elses_until_its_lease_ends),
    case!(a_clock_that_is_set_back_makes_nothing_wait_longer),
    case!(of_many_takers_at_a_time_each_item_has_one),
    case!(what_is_due_longest_comes_first_and_the_next_moment_is_told),
    case!(what_failed_is_due_again_when_it_is_said_to_be_and_its_tries_are_counted),
    case!(only_that_it_is_done_is_taken_from_one_whose_lease_has_ended),
    case!(dead_items_are_listed_brought_back_and_thrown_away),
    case!(a_listing_goes_on_behind_its_last_item),
    case!(a_full_queue_takes_nothing_new_until_something_is_done),
    case!(what_is_too_large_is_refused),
    case!(done_items_are_forgotten_when_they_are_old),
    case!(queues_of_other_names_and_connections_are_others),
    case!(a_queue_goes_with_its_connection_and_by_itself),
];

const LEASE_MS: u64 = 60_000;

fn queue(name: &str) -> QueueKey {
    QueueKey {
        connection: key("a", "one"),
        name: name.to_owned(),
    }
}

fn items(ids: &[&str]) -> Vec<NewItem> {
    let item = |id: &&str| NewItem {
        id: (*id).to_owned(),
        bytes: format!("bytes of {id}").into_bytes(),
    };
    ids.iter().map(item).collect()
}

fn putting(ids: &[&str], at_ms: u64) -> QueuePut {
    QueuePut {
        items: items(ids),
        checkpoint: None,
        at_ms,
        limit_bytes: u64::MAX,
    }
}

async fn with_queue(place: &Place) -> (Arc<dyn Store>, QueueKey) {
    let store = with_connections(place, &[("a", "one"), ("a", "two"), ("b", "one")]).await;
    (store, queue("q"))
}

async fn take(store: &Arc<dyn Store>, queue: &QueueKey, now_ms: u64, limit: u32) -> Taken {
    let take = QueueTake {
        now_ms,
        lease_ms: LEASE_MS,
        limit,
    };
    store.queue_take(queue, take).await.unwrap()
}

fn ids(taken: &Taken) -> Vec<&str> {
    taken.items.iter().map(|item| item.id.as_str()).collect()
}

fn settled(taken: &Taken, outcome: &QueueOutcome) -> Vec<Settled> {
    let settled = taken.items.iter().map(|item| Settled {
        id: item.id.clone(),
        leased_until_ms: item.leased_until_ms,
        outcome: outcome.clone(),
    });
    settled.collect()
}

async fn settle(
    store: &Arc<dyn Store>,
    queue: &QueueKey,
    taken: &Taken,
    outcome: QueueOutcome,
) -> u64 {
    let settled = settled(taken, &outcome);
    store.queue_settle(queue, &settled, 5_000).await.unwrap()
}

fn dead(problem: &str) -> QueueOutcome {
    QueueOutcome::Dead {
        problem: problem.to_owned(),
    }
}

async fn listed(store: &Arc<dyn Store>, queue: &QueueKey, state: QueueState) -> Vec<String> {
    let page = store.queue_list(queue, state, None, 1_000).await.unwrap();
    assert_eq!(page.next, None);
    page.items.into_iter().map(|item| item.id).collect()
}

async fn what_is_put_is_new_once_also_after_it_is_done(place: Place) {
    let (store, queue) = with_queue(&place).await;
    let empty = store.queue_counts(&queue).await.unwrap();
    assert_eq!(empty, QueueCounts::default());
    let put = store.queue_put(&queue, &putting(&["x", "y"], 10)).await;
    assert_eq!(put.unwrap(), 2);
    let put = store
        .queue_put(&queue, &putting(&["y", "z", "z"], 20))
        .await;
    assert_eq!(put.unwrap(), 1);
    let taken = take(&store, &queue, 100, 10).await;
    assert_eq!(ids(&taken), ["x", "y", "z"]);
    assert_eq!(taken.items[1].bytes, b"bytes of y");
    assert_eq!((taken.items[0].put_ms, taken.items[2].put_ms), (10, 20));
    assert_eq!(settle(&store, &queue, &taken, QueueOutcome::Done).await, 3);
    let again = store.queue_put(&queue, &putting(&["x", "z"], 30)).await;
    assert_eq!(again.unwrap(), 0);
    assert_eq!(
        take(&store, &queue, u64::MAX / 4, 10).await,
        Taken::default()
    );
    let counts = store.queue_counts(&queue).await.unwrap();
    let done = QueueCounts {
        done: 3,
        ..QueueCounts::default()
    };
    assert_eq!(counts, done);
}

async fn items_and_checkpoint_are_kept_together_or_not_at_all(place: Place) {
    let (store, queue) = with_queue(&place).await;
    assert_eq!(store.queue_checkpoint(&queue).await.unwrap(), None);
    let put = |ids: &[&str], checkpoint: &[u8]| QueuePut {
        checkpoint: Some(checkpoint.to_owned()),
        limit_bytes: 500,
        ..putting(ids, 10)
    };
    store.queue_put(&queue, &put(&["x"], b"one")).await.unwrap();
    // With nothing new the place moves on all the same.
    store.queue_put(&queue, &put(&["x"], b"two")).await.unwrap();
    store.queue_put(&queue, &putting(&["y"], 10)).await.unwrap();
    let too_many = put(&["v", "w", "z"], b"three");
    let full = store.queue_put(&queue, &too_many).await;
    assert!(
        matches!(full, Err(StoreError::QueueFull { limit: 500 })),
        "{full:?}"
    );
    let other = place.open().await;
    let kept = other.queue_checkpoint(&queue).await.unwrap();
    assert_eq!(kept.as_deref(), Some(&b"two"[..]));
    assert_eq!(
        listed(&other, &queue, QueueState::Waiting).await,
        ["x", "y"]
    );
}

async fn what_was_taken_is_nobody_elses_until_its_lease_ends(place: Place) {
    let (store, queue) = with_queue(&place).await;
    let other = place.open().await;
    store
        .queue_put(&queue, &putting(&["x", "y"], 10))
        .await
        .unwrap();
    let first = take(&store, &queue, 100, 1).await;
    assert_eq!((ids(&first), first.next_due_ms), (vec!["x"], Some(10)));
    let end = 100 + LEASE_MS;
    assert_eq!(first.items[0].leased_until_ms, end);
    let second = take(&other, &queue, 101, 10).await;
    assert_eq!((ids(&second), second.next_due_ms), (vec!["y"], Some(end)));
    assert_eq!(ids(&take(&other, &queue, end - 1, 10).await), [""; 0]);
    let late = take(&other, &queue, end, 10).await;
    assert_eq!((ids(&late), late.items[0].tries), (vec!["x"], 2));
    let counts = store.queue_counts(&queue).await.unwrap();
    assert_eq!((counts.waiting, counts.oldest_waiting_ms), (2, Some(10)));
}

async fn a_clock_that_is_set_back_makes_nothing_wait_longer(place: Place) {
    const HOUR_MS: u64 = 3_600_000;
    let (store, queue) = with_queue(&place).await;
    let ahead = 10 * HOUR_MS;
    // One whose lease lasts, one that is tried again in two hours, one that was just put.
    let both = putting(&["leased", "late"], ahead);
    store.queue_put(&queue, &both).await.unwrap();
    let taken = take(&store, &queue, ahead, 2).await;
    let late = Settled {
        outcome: QueueOutcome::Again {
            due_ms: ahead + 2 * HOUR_MS,
            problem: "busy".to_owned(),
        },
        ..settled(&taken, &QueueOutcome::Done).remove(1)
    };
    store.queue_settle(&queue, &[late], ahead).await.unwrap();
    let new = putting(&["new"], ahead);
    store.queue_put(&queue, &new).await.unwrap();
    // Clocks that are a little apart are no reason for anything.
    let near = take(&store, &queue, ahead - 60_000, 10).await;
    assert_eq!(near.items.len(), 0);

    let now = ahead - HOUR_MS;
    let taken = take(&store, &queue, now, 10).await;
    assert_eq!(ids(&taken), ["new"]);
    assert_eq!(settle(&store, &queue, &taken, QueueOutcome::Done).await, 1);
    assert_eq!(taken.next_due_ms, Some(now + LEASE_MS));
    let taken = take(&store, &queue, now + LEASE_MS, 10).await;
    assert_eq!(ids(&taken), ["leased"]);
    assert_eq!(settle(&store, &queue, &taken, QueueOutcome::Done).await, 1);
    assert_eq!(taken.next_due_ms, Some(now + 2 * HOUR_MS));
}

async fn of_many_takers_at_a_time_each_item_has_one(place: Place) {
    let (store, queue) = with_queue(&place).await;
    let names: Vec<String> = (0..40).map(|n| format!("item-{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    store.queue_put(&queue, &putting(&names, 10)).await.unwrap();
    let stores = [Arc::clone(&store), place.open().await];
    let takers: Vec<_> = (0..16)
        .map(|n| {
            let (store, queue) = (Arc::clone(&stores[n % 2]), queue.clone());
            tokio::spawn(async move { take(&store, &queue, 100, 3).await })
        })
        .collect();
    let mut all = Vec::new();
    for taker in takers {
        all.extend(taker.await.unwrap().items.into_iter().map(|item| item.id));
    }
    all.sort_unstable();
    assert_eq!(all, names);
}

async fn what_is_due_longest_comes_first_and_the_next_moment_is_told(place: Place) {
    let (store, queue) = with_queue(&place).await;
    for (id, at_ms) in [("late", 30), ("early", 10), ("middle", 20), ("last", 90)] {
        store
            .queue_put(&queue, &putting(&[id], at_ms))
            .await
            .unwrap();
    }
    let none = take(&store, &queue, 5, 10).await;
    assert_eq!((ids(&none), none.next_due_ms), (vec![], Some(10)));
    let taken = take(&store, &queue, 50, 10).await;
    assert_eq!(ids(&taken), ["early", "middle", "late"]);
    assert_eq!(taken.next_due_ms, Some(90));
}

async fn what_failed_is_due_again_when_it_is_said_to_be_and_its_tries_are_counted(place: Place) {
    let (store, queue) = with_queue(&place).await;
    store.queue_put(&queue, &putting(&["x"], 10)).await.unwrap();
    let first = take(&store, &queue, 10, 1).await;
    assert_eq!(first.items[0].tries, 1);
    let again = QueueOutcome::Again {
        due_ms: 300,
        problem: "it answered 500".to_owned(),
    };
    assert_eq!(settle(&store, &queue, &first, again).await, 1);
    let none = take(&store, &queue, 299, 1).await;
    assert_eq!((ids(&none), none.next_due_ms), (vec![], Some(300)));
    let second = take(&store, &queue, 300, 1).await;
    assert_eq!(second.items[0].tries, 2);
    let page = store.queue_list(&queue, QueueState::Waiting, None, 1);
    let item = page.await.unwrap().items.remove(0);
    assert_eq!(item.problem.as_deref(), Some("it answered 500"));
    let counts = store.queue_counts(&queue).await.unwrap();
    let problem = QueueProblem {
        text: "it answered 500".to_owned(),
        at_ms: 5_000,
    };
    assert_eq!(counts.last_problem, Some(problem));
}

async fn only_that_it_is_done_is_taken_from_one_whose_lease_has_ended(place: Place) {
    let (store, queue) = with_queue(&place).await;
    store
        .queue_put(&queue, &putting(&["x", "y"], 10))
        .await
        .unwrap();
    let slow = take(&store, &queue, 10, 2).await;
    let quick = take(&store, &queue, 10 + LEASE_MS, 2).await;
    assert_eq!(ids(&quick), ["x", "y"]);
    assert_eq!(settle(&store, &queue, &slow, dead("too slow")).await, 0);
    let again = QueueOutcome::Again {
        due_ms: 20,
        problem: "too slow".to_owned(),
    };
    assert_eq!(settle(&store, &queue, &slow, again).await, 0);
    assert_eq!(listed(&store, &queue, QueueState::Dead).await, [""; 0]);
    assert_eq!(store.queue_counts(&queue).await.unwrap().last_problem, None);
    assert_eq!(settle(&store, &queue, &slow, QueueOutcome::Done).await, 2);
    assert_eq!(settle(&store, &queue, &quick, dead("no")).await, 0);
    assert_eq!(settle(&store, &queue, &quick, QueueOutcome::Done).await, 0);
    assert_eq!(store.queue_counts(&queue).await.unwrap().done, 2);
}

async fn dead_items_are_listed_brought_back_and_thrown_away(place: Place) {
    let (store, queue) = with_queue(&place).await;
    store
        .queue_put(&queue, &putting(&["x", "y", "z"], 10))
        .await
        .unwrap();
    let taken = take(&store, &queue, 10, 10).await;
    let long = "no ".repeat(MAX_QUEUE_PROBLEM_BYTES) + "ä";
    assert_eq!(settle(&store, &queue, &taken, dead(&long)).await, 3);
    assert_eq!(take(&store, &queue, 1_000_000, 10).await, Taken::default());
    let page = store
        .queue_list(&queue, QueueState::Dead, None, 10)
        .await
        .unwrap();
    let x = &page.items[0];
    assert_eq!((x.bytes.as_slice(), x.due_ms), (&b"bytes of x"[..], 5_000));
    assert_eq!(x.problem.as_ref().unwrap().len(), MAX_QUEUE_PROBLEM_BYTES);

    let one = Which::One("y".to_owned());
    assert_eq!(store.queue_again(&queue, &one, 700).await.unwrap(), 1);
    assert_eq!(store.queue_again(&queue, &one, 700).await.unwrap(), 0);
    let taken = take(&store, &queue, 700, 10).await;
    assert_eq!((ids(&taken), taken.items[0].tries), (vec!["y"], 1));
    assert_eq!(store.queue_discard(&queue, &one, 800).await.unwrap(), 0);
    settle(&store, &queue, &taken, dead("still no")).await;

    assert_eq!(store.queue_discard(&queue, &one, 800).await.unwrap(), 1);
    // Its id stays known.
    let put = store.queue_put(&queue, &putting(&["y"], 900)).await;
    assert_eq!(put.unwrap(), 0);
    let all = store.queue_again(&queue, &Which::All, 900).await.unwrap();
    assert_eq!(all, 2);
    let taken = take(&store, &queue, 900, 10).await;
    assert_eq!(ids(&taken), ["x", "z"]);
    settle(&store, &queue, &taken, dead("no")).await;
    let all = store.queue_discard(&queue, &Which::All, 950).await.unwrap();
    assert_eq!(all, 2);
    let counts = store.queue_counts(&queue).await.unwrap();
    assert_eq!((counts.dead, counts.done, counts.used_bytes), (0, 0, 0));
}

async fn a_listing_goes_on_behind_its_last_item(place: Place) {
    let (store, queue) = with_queue(&place).await;
    // Put later, due earlier: a listing is in the order of putting.
    for (id, at_ms) in [("v", 50), ("w", 40), ("x", 30), ("y", 20)] {
        store
            .queue_put(&queue, &putting(&[id], at_ms))
            .await
            .unwrap();
    }
    let state = QueueState::Waiting;
    let first = store.queue_list(&queue, state, None, 3).await.unwrap();
    let names: Vec<&str> = first.items.iter().map(|item| item.id.as_str()).collect();
    assert_eq!(names, ["v", "w", "x"]);
    let second = store
        .queue_list(&queue, state, first.next, 3)
        .await
        .unwrap();
    assert_eq!((second.items[0].id.as_str(), second.next), ("y", None));
    assert_eq!(second.items.len(), 1);
    let none = store.queue_list(&queue, state, None, 0).await.unwrap();
    assert!(none.items.is_empty());
}

async fn a_full_queue_takes_nothing_new_until_something_is_done(place: Place) {
    let (store, queue) = with_queue(&place).await;
    let size = "bytes of x".len() as u64 + QUEUE_ITEM_OVERHEAD_BYTES;
    let put = |ids: &[&str]| QueuePut {
        limit_bytes: 2 * size,
        ..putting(ids, 10)
    };
    store.queue_put(&queue, &put(&["x", "y"])).await.unwrap();
    let counts = store.queue_counts(&queue).await.unwrap();
    assert_eq!(counts.used_bytes, 2 * size);
    let full = store.queue_put(&queue, &put(&["y", "z"])).await;
    assert!(
        matches!(full, Err(StoreError::QueueFull { .. })),
        "{full:?}"
    );
    // Nothing new costs nothing, and what begins below the limit is taken whole.
    assert_eq!(store.queue_put(&queue, &put(&["y"])).await.unwrap(), 0);
    let taken = take(&store, &queue, 10, 1).await;
    settle(&store, &queue, &taken, QueueOutcome::Done).await;
    let many = store.queue_put(&queue, &put(&["y", "z", "v", "w"])).await;
    assert_eq!(many.unwrap(), 3);
}

async fn what_is_too_large_is_refused(place: Place) {
    let (store, queue) = with_queue(&place).await;
    let with = |id: String, bytes: Vec<u8>, checkpoint: usize| QueuePut {
        items: vec![NewItem { id, bytes }],
        checkpoint: Some(vec![0; checkpoint]),
        ..putting(&[], 10)
    };
    let largest = vec![0; MAX_QUEUE_ITEM_BYTES];
    let fits = with("x".repeat(MAX_QUEUE_ID_BYTES), largest, 64 * 1024);
    assert_eq!(store.queue_put(&queue, &fits).await.unwrap(), 1);
    for wrong in [
        with("x".repeat(MAX_QUEUE_ID_BYTES + 1), Vec::new(), 1),
        with("x".to_owned(), vec![0; MAX_QUEUE_ITEM_BYTES + 1], 1),
        with("x".to_owned(), Vec::new(), 64 * 1024 + 1),
    ] {
        let error = store.queue_put(&queue, &wrong).await.unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
    }
    let long = self::queue(&"q".repeat(81));
    let error = store.queue_put(&long, &putting(&["x"], 1)).await;
    assert!(matches!(error, Err(StoreError::TooLarge { .. })));
}

async fn done_items_are_forgotten_when_they_are_old(place: Place) {
    let (store, queue) = with_queue(&place).await;
    store
        .queue_put(&queue, &putting(&["x", "y"], 10))
        .await
        .unwrap();
    let taken = take(&store, &queue, 10, 1).await;
    // At 5,000.
    settle(&store, &queue, &taken, QueueOutcome::Done).await;
    assert_eq!(store.queue_prune(&queue, 5_000).await.unwrap(), 0);
    assert_eq!(store.queue_prune(&queue, 5_001).await.unwrap(), 1);
    let put = store.queue_put(&queue, &putting(&["x", "y"], 10)).await;
    assert_eq!(put.unwrap(), 1);
}

async fn queues_of_other_names_and_connections_are_others(place: Place) {
    let (store, queue) = with_queue(&place).await;
    let others = [
        self::queue("other"),
        QueueKey {
            connection: key("a", "two"),
            name: "q".to_owned(),
        },
        QueueKey {
            connection: key("b", "one"),
            name: "q".to_owned(),
        },
    ];
    let put = QueuePut {
        checkpoint: Some(b"here".to_vec()),
        ..putting(&["x"], 10)
    };
    store.queue_put(&queue, &put).await.unwrap();
    for other in &others {
        assert_eq!(store.queue_checkpoint(other).await.unwrap(), None);
        assert_eq!(take(&store, other, 100, 1).await, Taken::default());
        let put = store.queue_put(other, &putting(&["x"], 10)).await;
        assert_eq!(put.unwrap(), 1);
    }
    let taken = take(&store, &queue, 100, 1).await;
    settle(&store, &queue, &taken, QueueOutcome::Done).await;
    for other in &others {
        assert_eq!(store.queue_counts(other).await.unwrap().waiting, 1);
    }
    let nowhere = QueueKey {
        connection: key("nobody", "one"),
        name: "q".to_owned(),
    };
    assert!(is_not_found(
        store.queue_put(&nowhere, &putting(&[], 1)).await
    ));
    assert!(is_not_found(store.queue_checkpoint(&nowhere).await));
    assert!(is_not_found(store.queue_counts(&nowhere).await));
    assert!(is_not_found(store.queue_settle(&nowhere, &[], 1).await));
}

async fn a_queue_goes_with_its_connection_and_by_itself(place: Place) {
    let (store, queue) = with_queue(&place).await;
    let put = QueuePut {
        checkpoint: Some(b"here".to_vec()),
        ..putting(&["x"], 10)
    };
    let other = self::queue("other");
    for queue in [&queue, &other] {
        store.queue_put(queue, &put).await.unwrap();
    }
    assert!(store.queue_erase(&queue).await.unwrap());
    assert!(!store.queue_erase(&queue).await.unwrap());
    assert_eq!(store.queue_checkpoint(&queue).await.unwrap(), None);
    assert_eq!(store.queue_put(&queue, &put).await.unwrap(), 1);
    store.erase_connection(&queue.connection).await.unwrap();
    let record = record("a", "one");
    store.insert_connection(&record).await.unwrap();
    for queue in [&queue, &other] {
        let counts = store.queue_counts(queue).await.unwrap();
        assert_eq!(counts, QueueCounts::default());
        assert_eq!(store.queue_checkpoint(queue).await.unwrap(), None);
    }
    store.queue_put(&queue, &put).await.unwrap();
    store.erase_tenant("a").await.unwrap();
    store.insert_connection(&record).await.unwrap();
    assert_eq!(listed(&store, &queue, QueueState::Waiting).await, [""; 0]);
}
