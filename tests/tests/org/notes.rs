//! Notes of both kinds, written and read as one thing.

use lockgate::Advice;
use lockgate_tests::org::{Site, counted, create, query, refused};
use serde_json::{Value as Json, json};

const TEXT: &str = "Tom & Ann's \"plan\" <now>\n\nGröße: 5 &amp; 6";

fn texts(page: &Json) -> Vec<&str> {
    let notes = page["notes"].as_array().unwrap().iter();
    notes.map(|note| note["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_note_of_either_kind_is_written_in_one_call_changed_and_read_as_plain_text() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let account = create(&crm, "Account", json!({"Name":"A"})).await;
    let mut ids = Vec::new();
    for (minute, kind) in [(0, "note"), (1, "content-note")] {
        site.control.set_clock_offset_ms(minute * 60_000);
        let input = json!({ "kind": kind, "parent_id": account, "title": kind, "text": "old" });
        let (made, calls) = counted(&site, &crm, "save-note", &input).await;
        assert_eq!((&made["outcome"], calls), (&json!("created"), 1), "{made}");
        let input = json!({ "id": made["id"], "text": TEXT });
        let (changed, calls) = counted(&site, &crm, "save-note", &input).await;
        let expected = json!({ "id": made["id"], "kind": kind, "outcome": "updated" });
        assert_eq!((&changed, calls), (&expected, 1));
        ids.push(made["id"].clone());
    }

    let input = json!({ "parent_ids": [account] });
    let (page, calls) = counted(&site, &crm, "notes-of", &input).await;
    assert_eq!(texts(&page), [TEXT, TEXT], "{page}");
    assert_eq!((&page["next"], calls), (&Json::Null, 2));
    let newest = &page["notes"][0];
    assert_eq!(
        (&newest["kind"], &newest["id"]),
        (&json!("content-note"), &ids[1])
    );
    assert_eq!(newest["parent_id"], json!(account));
    assert_eq!(newest["is_preview"], false);

    // What other clients see of it.
    let notes = query(&crm, "SELECT Title, FileType FROM ContentNote").await;
    assert_eq!(notes[0]["Title"], "content-note");
    let notes = query(&crm, "SELECT Body FROM Note").await;
    assert_eq!(notes[0]["Body"], TEXT);
}

#[tokio::test]
async fn the_notes_of_many_records_come_page_by_page_and_each_once() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let first = create(&crm, "Account", json!({"Name":"A"})).await;
    let second = create(&crm, "Contact", json!({"LastName":"C"})).await;
    let other = create(&crm, "Account", json!({"Name":"Other"})).await;
    let mut expected = Vec::new();
    for n in 0..12_u8 {
        // Some at the same moment as others.
        site.control.set_clock_offset_ms(i64::from(n) / 3 * 60_000);
        let kind = ["note", "content-note"][usize::from(n % 2 == 0)];
        let parent = [&first, &second][usize::from(n % 5 == 0)];
        let text = format!("text {n}");
        let input = json!({ "kind": kind, "parent_id": parent, "title": "T", "text": text });
        crm.invoke("save-note", &input).await.unwrap();
        expected.push(text);
    }
    let input = json!({ "kind": "note", "parent_id": other, "title": "T", "text": "another's" });
    crm.invoke("save-note", &input).await.unwrap();

    let parents = json!([first, second]);
    let (all, _) = counted(&site, &crm, "notes-of", &json!({ "parent_ids": parents })).await;
    let mut input = json!({ "parent_ids": parents, "limit": 5 });
    let mut found = Vec::new();
    let mut n_pages = 0;
    loop {
        let (page, _) = counted(&site, &crm, "notes-of", &input).await;
        found.extend(page["notes"].as_array().unwrap().iter().cloned());
        n_pages += 1;
        if n_pages == 1 {
            // Written meanwhile: newer than where the pages are.
            let late = json!({ "kind": "note", "parent_id": first, "title": "T", "text": "late" });
            crm.invoke("save-note", &late).await.unwrap();
        }
        if page["next"].is_null() {
            break;
        }
        input["next"] = page["next"].clone();
    }
    assert_eq!(n_pages, 3);
    assert_eq!(Json::Array(found.clone()), all["notes"]);
    let created = |note: &Json| note["created"].as_str().unwrap().to_owned();
    assert!(found.is_sorted_by(|newer, older| created(newer) >= created(older)));
    let mut texts: Vec<&str> = found
        .iter()
        .map(|note| note["text"].as_str().unwrap())
        .collect();
    texts.sort_unstable();
    expected.sort_unstable();
    assert_eq!(texts, expected);

    let input = json!({ "parent_ids": parents, "kind": "content-note", "preview": true });
    let (page, calls) = counted(&site, &crm, "notes-of", &input).await;
    assert_eq!((page["notes"].as_array().unwrap().len(), calls), (6, 1));
    assert_eq!(page["notes"][0]["is_preview"], true);
}

#[tokio::test]
async fn a_content_note_that_cannot_be_tied_to_its_record_is_not_left_behind() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let input = json!({ "kind": "content-note", "parent_id": "001000000000001AAA", "title": "T" });
    let problem = refused(&crm, "save-note", &input).await;
    assert_eq!(
        problem.object.as_deref(),
        Some("ContentDocumentLink"),
        "{problem:?}"
    );
    let notes = query(&crm, "SELECT Id FROM ContentNote").await;
    assert_eq!(notes.len(), 0);

    // Beside no record it is its owner's alone.
    let input = json!({ "kind": "content-note", "title": "T", "text": "mine", "is_private": true });
    let (made, calls) = counted(&site, &crm, "save-note", &input).await;
    assert_eq!((&made["kind"], calls), (&json!("content-note"), 1));
    let missing = json!({ "id": "002000000000001AAA", "title": "T" });
    let problem = refused(&crm, "save-note", &missing).await;
    assert_eq!(problem.advice, Advice::Refetch, "{problem:?}");
}
