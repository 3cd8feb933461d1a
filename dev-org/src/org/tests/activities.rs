//! Leads, tasks, notes and files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::{AutoAssign, LEAD_OWNER};
use super::*;

fn options(auto_assign: AutoAssign) -> WriteOptions {
    WriteOptions {
        auto_assign,
        ..WriteOptions::default()
    }
}

#[test]
fn a_lead_is_assigned_by_rule_unless_the_request_says_no() {
    let (mut org, admin) = org();
    let assignee = org.user(LEAD_OWNER).unwrap();
    let lead = body(json!({"LastName": "L", "Company": "C"}));
    for (auto_assign, owner) in [
        (AutoAssign::Unsaid, &assignee.id),
        (AutoAssign::On, &assignee.id),
        (AutoAssign::Off, &admin.id),
    ] {
        let id = org
            .create(&admin, "Lead", &lead, &options(auto_assign))
            .unwrap();
        assert_eq!(field(&org, &admin, "Lead", &id, "OwnerId"), json!(&**owner));
        assert_eq!(
            field(&org, &admin, "Lead", &id, "Status"),
            json!("Open - Not Contacted")
        );
    }
    let rule = AutoAssign::Rule("01Q000000000001AAA".into());
    assert!(org.create(&admin, "Lead", &lead, &options(rule)).is_err());
}

#[test]
fn a_converted_lead_cannot_be_changed() {
    let (mut org, admin) = org();
    let lead = json!({"LastName": "L", "Company": "C", "IsConverted": true});
    let id = create(&mut org, &admin, "Lead", lead).unwrap();
    let fault = update(&mut org, &admin, "Lead", &id, json!({"Title": "T"})).unwrap_err();
    assert_eq!(fault.code, "CANNOT_UPDATE_CONVERTED_LEAD");
}

#[test]
fn a_task_has_defaults_and_counts_to_the_account_of_what_it_is_about() {
    let (mut org, admin) = org();
    let account = account(&mut org, &admin);
    let deal = json!({"Name": "D", "StageName": "Prospecting", "CloseDate": "2026-06-01",
        "AccountId": &*account});
    let deal = create(&mut org, &admin, "Opportunity", deal).unwrap();
    let task = json!({"WhatId": &*deal, "ActivityDate": "2026-04-01"});
    let task = create(&mut org, &admin, "Task", task).unwrap();
    let record = org.read(&admin, "Task", &task, None, "v60.0").unwrap();
    assert_eq!(record["Status"], json!("Not Started"));
    assert_eq!(record["Priority"], json!("Normal"));
    assert_eq!(record["AccountId"], json!(&*account));
    assert_eq!(record["IsClosed"], json!(false));
    let overdue = |org: &Org| field(org, &admin, "Opportunity", &deal, "HasOverdueTask");
    assert_eq!(overdue(&org), json!(true));
    update(
        &mut org,
        &admin,
        "Task",
        &task,
        json!({"Status": "Completed"}),
    )
    .unwrap();
    assert_eq!(field(&org, &admin, "Task", &task, "IsClosed"), json!(true));
    assert_eq!(overdue(&org), json!(false));
    let fault = update(
        &mut org,
        &admin,
        "Task",
        &task,
        json!({"TaskSubtype": "Call"}),
    );
    assert_eq!(fault.unwrap_err().code, "INVALID_FIELD_FOR_INSERT_UPDATE");
}

#[test]
fn a_tasks_who_is_a_person_and_its_what_is_not() {
    let (mut org, admin) = org();
    let account = account(&mut org, &admin);
    let lead = json!({"LastName": "L", "Company": "C"});
    let lead = create(&mut org, &admin, "Lead", lead).unwrap();
    let contact = json!({"LastName": "C", "AccountId": &*account});
    let contact = create(&mut org, &admin, "Contact", contact).unwrap();
    for person in [&lead, &contact] {
        create(&mut org, &admin, "Task", json!({"WhoId": &**person})).unwrap();
        let fault = create(&mut org, &admin, "Task", json!({"WhatId": &**person}));
        assert_eq!(fault.unwrap_err().code, "FIELD_INTEGRITY_EXCEPTION");
    }
    let fault = create(&mut org, &admin, "Task", json!({"WhoId": &*account}));
    assert_eq!(fault.unwrap_err().code, "FIELD_INTEGRITY_EXCEPTION");
    let both = json!({"WhoId": &*lead, "WhatId": &*account});
    let fault = create(&mut org, &admin, "Task", both).unwrap_err();
    assert_eq!(fault.code, "FIELD_INTEGRITY_EXCEPTION");
}

#[test]
fn a_content_note_is_a_document_with_a_version_for_each_text() {
    let (mut org, admin) = org();
    let text = |html: &str| STANDARD.encode(html);
    let note = json!({"Title": "N", "Content": text("<p>Hello &amp; welcome</p>")});
    let id = create(&mut org, &admin, "ContentNote", note).unwrap();
    assert_eq!(&id[..3], "069");
    let record = org.read(&admin, "ContentNote", &id, None, "v60.0").unwrap();
    assert_eq!(record["TextPreview"], json!("Hello &amp; welcome"));
    assert_eq!(record["FileType"], json!("SNOTE"));
    assert_eq!(
        record["Content"],
        json!(format!(
            "/services/data/v60.0/sobjects/ContentNote/{id}/Content"
        ))
    );
    assert_eq!(
        field(&org, &admin, "ContentDocument", &id, "Title"),
        json!("N")
    );
    update(
        &mut org,
        &admin,
        "ContentNote",
        &id,
        json!({"Content": text("two")}),
    )
    .unwrap();
    let latest = field(
        &org,
        &admin,
        "ContentDocument",
        &id,
        "LatestPublishedVersionId",
    );
    let latest = latest.as_str().unwrap();
    assert_eq!(
        field(&org, &admin, "ContentVersion", latest, "VersionNumber"),
        json!("2")
    );
    let bytes = org
        .blob(&admin, "ContentVersion", latest, "VersionData")
        .unwrap();
    assert_eq!(bytes, &b"two"[..]);
    let account = account(&mut org, &admin);
    let link = json!({"ContentDocumentId": &*id, "LinkedEntityId": &*account, "ShareType": "V"});
    create(&mut org, &admin, "ContentDocumentLink", link).unwrap();
    org.delete(&admin, "ContentNote", &id).unwrap();
    for object in ["ContentDocument", "ContentNote"] {
        assert!(org.read(&admin, object, &id, None, "v60.0").is_err());
    }
    assert_eq!(org.table_of("ContentDocumentLink").live_len(), 0);
    let fault = create(
        &mut org,
        &admin,
        "ContentNote",
        json!({"Title": "N", "Content": "?"}),
    );
    assert_eq!(fault.unwrap_err().fields, ["Content"]);
}

#[test]
fn a_version_without_a_document_makes_one() {
    let (mut org, admin) = org();
    let account = account(&mut org, &admin);
    let file = json!({"PathOnClient": "report.pdf", "VersionData": STANDARD.encode("pdf"),
        "FirstPublishLocationId": &*account});
    let version = create(&mut org, &admin, "ContentVersion", file).unwrap();
    let record = org
        .read(&admin, "ContentVersion", &version, None, "v60.0")
        .unwrap();
    assert_eq!(record["Title"], json!("report.pdf"));
    assert_eq!(record["FileExtension"], json!("pdf"));
    assert_eq!(record["ContentSize"], json!(3));
    let document = record["ContentDocumentId"].as_str().unwrap();
    let latest = field(
        &org,
        &admin,
        "ContentDocument",
        document,
        "LatestPublishedVersionId",
    );
    assert_eq!(latest, json!(&*version));
    assert_eq!(org.table_of("ContentDocumentLink").live_len(), 2);
}
