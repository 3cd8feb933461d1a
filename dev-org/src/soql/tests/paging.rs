//! Answers page by page.

use serde_json::{Value as Json, json};

use super::{Small, small};
use crate::soql::{Answer, Page};

fn page(small: &Small, answer: &Answer, from: usize, size: usize) -> (Json, Vec<Answer>) {
    let mut out = Vec::new();
    let mut kept = Vec::new();
    let mut keep = |rest: Answer| {
        kept.push(rest);
        format!("/more/{}", kept.len())
    };
    let page = Page { from, size };
    let next = |next: usize| format!("/next/{next}");
    answer.write_page(&small.org, page, next, &mut keep, &mut out);
    (serde_json::from_slice(&out).unwrap(), kept)
}

#[test]
fn pages_follow_each_other_until_done() {
    let small = small();
    let answer = small
        .answer("SELECT Name FROM Account ORDER BY Name")
        .unwrap();
    let (first, _) = page(&small, &answer, 0, 2);
    assert_eq!(first["totalSize"], 3);
    assert_eq!(first["done"], false);
    assert_eq!(first["nextRecordsUrl"], "/next/2");
    assert_eq!(first["records"][1]["Name"], "Bolt");
    let (last, _) = page(&small, &answer, 2, 2);
    assert_eq!(last["done"], true);
    assert!(last.get("nextRecordsUrl").is_none());
    assert_eq!(last["records"].as_array().unwrap().len(), 1);
    assert_eq!(last["records"][0]["Name"], "cargo");
}

#[test]
fn an_empty_answer_and_a_count_are_done_at_once() {
    let small = small();
    let none = small
        .answer("SELECT Id FROM Account WHERE Name = 'x'")
        .unwrap();
    assert_eq!(
        page(&small, &none, 0, 2).0,
        json!({"totalSize": 0, "done": true, "records": []})
    );
    let count = small.answer("SELECT COUNT() FROM Account").unwrap();
    assert_eq!(
        page(&small, &count, 0, 2).0,
        json!({"totalSize": 3, "done": true, "records": []})
    );
}

#[test]
fn more_children_than_a_page_continue_elsewhere() {
    let small = small();
    let text = "SELECT Name, (SELECT Amount__c FROM Invoices__r) FROM Account WHERE Name = 'Acme'";
    let answer = small.answer(text).unwrap();
    let (first, kept) = page(&small, &answer, 0, 2);
    let children = &first["records"][0]["Invoices__r"];
    assert_eq!(children["totalSize"], 3);
    assert_eq!(children["done"], false);
    assert_eq!(children["nextRecordsUrl"], "/more/1");
    assert_eq!(children["records"].as_array().unwrap().len(), 2);
    let (rest, _) = page(&small, &kept[0], 2, 2);
    assert_eq!(rest["done"], true);
    assert_eq!(rest["records"][0]["Amount__c"], 30.0);
}

#[test]
fn an_answer_can_wait_and_move_between_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Answer>();
}
