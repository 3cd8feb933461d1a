//! Both kinds of notes, written and read, against real-shaped answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::actions::tests::invoked;
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, Problem};
use crate::fake::{Fake, broken};

const ACCOUNT: &str = "0015J000004TNtzQAG";
const NOTE: &str = "0025J000004TNtzQAG";
const CONTENT: &str = "0695J000004TNtzQAG";
const VERSION: &str = "0685J000004TNtzQAG";
const LINK: &str = "06A5J000004TNtzUAG";
const ROLLED_BACK: &str =
    "The transaction was rolled back since another operation in the same transaction failed.";

fn saved(id: &str) -> Value {
    json!({ "id": id, "success": true, "errors": [] })
}

fn composite(parts: &[(u16, Value)]) -> String {
    let parts = parts.iter().enumerate().map(|(at, (status, body))| {
        json!({ "body": body, "httpHeaders": {}, "httpStatusCode": status, "referenceId": format!("r{at}") })
    });
    json!({ "compositeResponse": parts.collect::<Vec<_>>() }).to_string()
}

fn note(id: &str, created: &str, body: &str) -> Value {
    json!({ "attributes": { "type": "Note" }, "Id": id, "ParentId": ACCOUNT, "Title": "Old", "Body": body,
        "IsPrivate": true, "OwnerId": null, "CreatedDate": created, "LastModifiedDate": created })
}

fn link(id: &str, created: &str) -> Value {
    json!({ "attributes": { "type": "ContentDocumentLink" }, "Id": id, "LinkedEntityId": ACCOUNT,
        "ContentDocumentId": CONTENT, "ContentDocument": { "Title": "New", "OwnerId": null,
        "CreatedDate": created, "LastModifiedDate": created, "LatestPublishedVersionId": VERSION,
        "LatestPublishedVersion": { "TextPreview": "Tom &amp; A" } } })
}

fn page(records: &[Value]) -> (u16, Value) {
    (
        200,
        json!({ "totalSize": records.len(), "done": true, "records": records }),
    )
}

fn save(fake: &Fake, input: &Value) -> Result<Value, Error> {
    invoked(fake, "save-note", &input.to_string())
}

fn refusal(outcome: Result<Value, Error>) -> Problem {
    match outcome.unwrap_err() {
        Error::Refused(problem) => problem,
        error => panic!("{error:?}"),
    }
}

#[test]
fn a_new_note_is_one_call_of_either_kind() {
    let made = composite(&[(201, saved(CONTENT)), (201, saved(LINK))]);
    let fake = Fake::new()
        .answer(201, saved(NOTE).to_string())
        .answer(200, made);
    let mut input = json!({ "kind": "note", "parent_id": ACCOUNT, "title": "T", "text": "Tom & 'Ann'\n2",
        "is_private": true });
    let output = save(&fake, &input).unwrap();
    assert_eq!(
        output,
        json!({ "id": NOTE, "kind": "note", "outcome": "created" })
    );
    let body: Value = serde_json::from_str(&fake.body(0)).unwrap();
    let expected =
        json!({ "Title": "T", "Body": "Tom & 'Ann'\n2", "IsPrivate": true, "ParentId": ACCOUNT });
    assert_eq!(body, expected);

    input["kind"] = json!("content-note");
    input["is_private"] = json!(false);
    let output = save(&fake, &input).unwrap();
    assert_eq!(
        output,
        json!({ "id": CONTENT, "kind": "content-note", "outcome": "created" })
    );
    assert_eq!(
        fake.lines(),
        [
            "POST /services/data/v62.0/sobjects/Note",
            "POST /services/data/v62.0/composite"
        ]
    );
    let body: Value = serde_json::from_str(&fake.body(1)).unwrap();
    assert_eq!(body["allOrNone"], true);
    let parts = &body["compositeRequest"];
    assert_eq!(
        parts[0]["body"]["Content"],
        STANDARD.encode("Tom &amp; &#39;Ann&#39;<br>2")
    );
    assert_eq!(
        parts[1]["body"],
        json!({ "ContentDocumentId": "@{r0.id}", "LinkedEntityId": ACCOUNT, "ShareType": "V" })
    );
}

#[test]
fn a_content_note_whose_link_is_refused_is_not_there_and_the_link_is_to_blame() {
    let undone = json!([{ "errorCode": "PROCESSING_HALTED", "message": ROLLED_BACK }]);
    let no = json!([{ "errorCode": "INSUFFICIENT_ACCESS", "message": "no" }]);
    let fake = Fake::new().answer(200, composite(&[(400, undone), (403, no)]));
    let input = json!({ "kind": "content-note", "parent_id": ACCOUNT, "title": "T", "text": "x" });
    let problem = refusal(save(&fake, &input));
    assert_eq!(
        (problem.advice, problem.code.as_str()),
        (Advice::AskPermission, "INSUFFICIENT_ACCESS")
    );
    assert_eq!(problem.object.as_deref(), Some("ContentDocumentLink"));

    // Said to be done, and not legibly what; then nothing said at all.
    let fake = Fake::new().answer(200, composite(&[(201, json!({})), (201, saved(LINK))]));
    assert!(matches!(save(&fake, &input), Err(Error::UnknownOutcome)));
    let fake = Fake::new().lose(broken(true));
    assert!(matches!(save(&fake, &input), Err(Error::UnknownOutcome)));
    assert_eq!(fake.lines().len(), 1);
}

#[test]
fn the_id_of_a_note_tells_its_kind_and_only_what_is_given_changes() {
    let fake = Fake::new().answer(204, "").answer(204, "");
    let output = save(&fake, &json!({ "id": NOTE, "is_private": false })).unwrap();
    assert_eq!(
        output,
        json!({ "id": NOTE, "kind": "note", "outcome": "updated" })
    );
    let output = save(&fake, &json!({ "id": CONTENT, "text": "a<b" })).unwrap();
    assert_eq!(output["kind"], "content-note");
    assert_eq!(
        fake.lines(),
        [
            format!("PATCH /services/data/v62.0/sobjects/Note/{NOTE}"),
            format!("PATCH /services/data/v62.0/sobjects/ContentNote/{CONTENT}"),
        ]
    );
    assert_eq!(fake.body(0), r#"{"IsPrivate":false}"#);
    assert_eq!(
        fake.body(1),
        format!(r#"{{"Content":"{}"}}"#, STANDARD.encode("a&lt;b"))
    );
}

#[test]
fn a_note_that_cannot_be_is_refused_before_it_is_sent() {
    for input in [
        json!({ "title": "T", "parent_id": ACCOUNT }),
        json!({ "kind": "note", "title": "T" }),
        json!({ "kind": "note", "title": " ", "parent_id": ACCOUNT }),
        json!({ "kind": "content-note", "text": "x" }),
        json!({ "kind": "content-note", "title": "T", "text": "a\u{0}b" }),
        json!({ "kind": "content-note", "title": "T", "parent_id": ACCOUNT, "is_private": true }),
        json!({ "kind": "content-note", "title": "@{r1.id}", "parent_id": ACCOUNT }),
        json!({ "id": CONTENT, "is_private": true, "title": "T" }),
        json!({ "id": NOTE, "kind": "content-note", "title": "T" }),
        json!({ "id": NOTE, "parent_id": ACCOUNT, "title": "T" }),
        json!({ "id": NOTE }),
        json!({ "id": ACCOUNT, "title": "T" }),
    ] {
        let problem = refusal(save(&Fake::new(), &input));
        assert_eq!(problem.advice, Advice::FixRecord, "{input}");
    }
}

#[test]
fn notes_of_both_kinds_come_newest_first_and_pages_follow_one_another() {
    let (early, late) = (
        "2026-05-01T07:00:00.000+0000",
        "2026-05-01T08:00:00.000+0000",
    );
    let answer = composite(&[
        page(&[
            note(NOTE, early, "a\r\nb"),
            note("0025J000004TNtyQAG", early, ""),
        ]),
        page(&[link(LINK, late), link("06A5J000004TNtyUAG", early)]),
    ]);
    let fake = Fake::new()
        .answer(200, answer)
        .answer(200, "<p>Tom &amp; Ann</p>");
    let input = json!({ "parent_ids": [ACCOUNT], "limit": 2 });
    let output = invoked(&fake, "notes-of", &input.to_string()).unwrap();
    let notes = &output["notes"];
    assert_eq!(notes.as_array().unwrap().len(), 2);
    assert_eq!(
        notes[0],
        json!({ "kind": "content-note", "id": CONTENT, "parent_id": ACCOUNT, "title": "New",
            "text": "Tom & Ann", "is_preview": false, "is_private": false, "owner_id": null,
            "created": late, "changed": late })
    );
    assert_eq!(
        (&notes[1]["id"], &notes[1]["text"]),
        (&json!(NOTE), &json!("a\nb"))
    );
    assert_eq!(notes[1]["is_private"], true);
    assert_eq!(output["next"], format!("note/{NOTE}/{early}"));
    let text = format!("GET /services/data/v62.0/sobjects/ContentVersion/{VERSION}/VersionData");
    assert_eq!(fake.lines(), ["POST /services/data/v62.0/composite", &text]);

    let fake = Fake::new().answer(200, composite(&[page(&[]), page(&[link(LINK, early)])]));
    let input = json!({ "parent_ids": [ACCOUNT], "next": output["next"], "preview": true });
    let output = invoked(&fake, "notes-of", &input.to_string()).unwrap();
    assert_eq!(output["next"], Value::Null);
    assert_eq!(output["notes"][0]["text"], "Tom & A");
    assert_eq!(output["notes"][0]["is_preview"], true);
    let body: Value = serde_json::from_str(&fake.body(0)).unwrap();
    let asked = |at: usize| {
        let url = body["compositeRequest"][at]["url"]
            .as_str()
            .unwrap()
            .replace("%20", " ");
        let url = url
            .replace("%3C", "<")
            .replace("%3D", "=")
            .replace("%3A", ":");
        url.replace("%27", "'")
            .replace("%2E", ".")
            .replace("%2B", "+")
    };
    let at = "2026-05-01T07:00:00.000+00:00";
    assert!(
        asked(0).contains(&format!("CreatedDate < {at} OR ")),
        "{}",
        asked(0)
    );
    assert!(asked(0).contains(&format!("Id < '{NOTE}'")), "{}", asked(0));
    // At the same moment content notes come after notes.
    assert!(
        asked(1).contains(&format!("ContentDocument.CreatedDate <= {at} ORDER")),
        "{}",
        asked(1)
    );
    assert!(asked(1).contains("TextPreview"), "{}", asked(1));
}

#[test]
fn a_note_beside_two_records_is_read_once_and_one_that_is_gone_has_no_text() {
    let moment = "2026-05-01T07:00:00.000+0000";
    let mut gone = link("06A5J000004TNtxUAG", moment);
    gone["ContentDocument"]["LatestPublishedVersionId"] = json!("0685J000004TNtyQAG");
    let links = [link(LINK, moment), link("06A5J000004TNtyUAG", moment), gone];
    let missing =
        r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#;
    let fake = Fake::new()
        .answer(200, composite(&[page(&links)]))
        .answer(404, missing)
        .answer(200, "one");
    let input = json!({ "parent_ids": [ACCOUNT], "kind": "content-note" });
    let output = invoked(&fake, "notes-of", &input.to_string()).unwrap();
    let texts: Vec<&Value> = output["notes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| &n["text"])
        .collect();
    assert_eq!(texts, [&json!("one"), &json!("one"), &Value::Null]);
    assert_eq!(fake.lines().len(), 3);
    assert_eq!(*fake.0.reserved.borrow(), [2]);
}

#[test]
fn a_kind_that_cannot_be_asked_for_fails_the_whole_rather_than_giving_half() {
    let no = json!([{ "errorCode": "INVALID_TYPE", "message": "sObject type 'Note' is not supported." }]);
    let fake = Fake::new().answer(200, composite(&[(400, no), page(&[])]));
    let input = json!({ "parent_ids": [ACCOUNT] });
    let problem = refusal(invoked(&fake, "notes-of", &input.to_string()));
    assert_eq!(
        (problem.advice, problem.code.as_str()),
        (Advice::FixSchema, "INVALID_TYPE")
    );
    for bad in [
        json!({ "parent_ids": ["x"] }),
        json!({ "parent_ids": [ACCOUNT], "next": "note/x" }),
        json!({ "parent_ids": [ACCOUNT], "next": format!("note/{NOTE}/2026' OR Id != '") }),
        json!({ "parent_ids": vec![ACCOUNT; 201] }),
    ] {
        let problem = refusal(invoked(&Fake::new(), "notes-of", &bad.to_string()));
        assert_eq!(problem.advice, Advice::FixRecord, "{bad}");
    }
    let none = invoked(&Fake::new(), "notes-of", r#"{"parent_ids":[]}"#).unwrap();
    assert_eq!(none, json!({ "notes": [], "next": null }));
}

#[test]
fn no_note_is_passed_over_where_salesforce_cuts_a_page_short() {
    let moment = |minute: u8| format!("2026-05-01T07:{minute:02}:00.000+0000");
    let mut cut = page(&[note(NOTE, &moment(8), "")]);
    cut.1["done"] = json!(false);
    let links = page(&[link(LINK, &moment(9)), link(LINK, &moment(7))]);
    let fake = Fake::new().answer(200, composite(&[cut, links]));
    let input = json!({ "parent_ids": [ACCOUNT], "preview": true });
    let output = invoked(&fake, "notes-of", &input.to_string()).unwrap();
    let created: Vec<&Value> = output["notes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| &note["created"])
        .collect();
    // The link of minute 7 waits: a note of minute 7 or 8 may be missing.
    assert_eq!(created, [&json!(moment(9)), &json!(moment(8))]);
    assert_eq!(output["next"], format!("note/{NOTE}/{}", moment(8)));
}
