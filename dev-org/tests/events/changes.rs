//! Change Data Capture: what each way to write a record becomes.

use dev_org::org::{Conversion, WriteOptions};
use dev_org::{EventSwitches, GapEvent};
use serde_json::{Value, json};

use super::client::{brief, contacts, of, start};
use super::support::{Session, read};

const DAY_MS: i64 = 86_400_000;

#[tokio::test]
async fn a_new_record_is_told_with_all_of_its_values_and_who_made_it() {
    let session = start().await;
    let body = json!({ "LastName": "Doe", "FirstName": "Jo", "MailingCity": "Lyon",
        "Birthdate": "1990-05-01" });
    let answer = session
        .send_as("acme", "POST", "/sobjects/Contact", &body)
        .await;
    let (_, made) = read(answer).await;
    let [event] = session.changes("Contact").try_into().unwrap();
    let header = &event["ChangeEventHeader"];
    assert_eq!(header["entityName"], "Contact");
    assert_eq!(header["recordIds"], json!([made["id"]]));
    assert_eq!(header["changeType"], "CREATE");
    assert_eq!(
        header["changeOrigin"],
        "com/salesforce/api/rest/60.0;client=acme"
    );
    assert_eq!(header["sequenceNumber"], 1);
    assert_eq!(header["commitUser"], event["CreatedById"]);
    assert_eq!(header["commitTimestamp"].as_i64().unwrap() % 1000, 0);
    assert!(header.get("changedFields").is_none());
    assert_eq!(
        event["Name"],
        json!({ "FirstName": "Jo", "LastName": "Doe" })
    );
    assert_eq!(event["MailingAddress"], json!({ "City": "Lyon" }));
    assert_eq!(event["Birthdate"], "1990-05-01");
    assert!(event["CreatedDate"].as_str().unwrap().ends_with("00Z"));
    for absent in ["Id", "SystemModstamp", "IsDeleted", "Phone", "LastName"] {
        assert!(event.get(absent).is_none(), "{absent} in {event}");
    }
}

#[tokio::test]
async fn an_update_tells_what_changed_and_what_was_cleared_and_nothing_else() {
    let session = start().await;
    let body = json!({ "LastName": "Doe", "Phone": "1", "Email": "a@example.com" });
    let id = session.made("Contact", body).await;
    let later = json!({ "FirstName": "Jo", "Phone": null, "Email": "a@example.com" });
    session.change("Contact", &id, later).await;
    // What stays as it was is no change, though it was written.
    session.change("Contact", &id, json!({})).await;
    let events = session.changes("Contact");
    assert_eq!(events.len(), 2);
    let event = &events[1];
    let header = &event["ChangeEventHeader"];
    assert_eq!(brief(header), of("UPDATE", "Contact", 1));
    let mut changed: Vec<&str> = header["changedFields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    changed.sort_unstable();
    assert_eq!(changed, ["LastModifiedDate", "Name.FirstName", "Phone"]);
    assert_eq!(event["Name"], json!({ "FirstName": "Jo" }));
    assert_eq!(event.get("Phone"), Some(&Value::Null));
    assert!(event.get("Email").is_none());
}

#[tokio::test]
async fn every_way_to_write_is_told_with_its_own_origin() {
    let session = start().await;
    let one = contacts(&["A"], false);
    session
        .send_as("coll", "POST", "/composite/sobjects", &one)
        .await;
    let part = json!({ "method": "POST", "url": "/services/data/v60.0/sobjects/Contact",
        "referenceId": "c", "body": { "LastName": "B" } });
    let composite = json!({ "allOrNone": true, "compositeRequest": [part] });
    session
        .send_as("comp", "POST", "/composite", &composite)
        .await;
    let graph = json!({ "graphs": [{ "graphId": "g", "compositeRequest": [part] }] });
    session
        .send_as("graph", "POST", "/composite/graph", &graph)
        .await;
    load(&session, "bulk", "LastName\nD\n").await;
    let lead = session
        .made("Lead", json!({ "LastName": "E", "Company": "F" }))
        .await;
    convert(&session, &lead).await;
    session.control.org(|org| {
        let who = org.user(dev_org::org::ADMIN).unwrap();
        let body = json!({ "LastName": "G" });
        org.create(
            &who,
            "Contact",
            body.as_object().unwrap(),
            &WriteOptions::default(),
        )
        .unwrap();
    });
    let events = session.changes("Contact");
    let origins: Vec<&str> = events
        .iter()
        .map(|event| event["ChangeEventHeader"]["changeOrigin"].as_str().unwrap())
        .collect();
    assert_eq!(
        origins,
        [
            "com/salesforce/api/rest/60.0;client=coll",
            "com/salesforce/api/rest/60.0;client=comp",
            "com/salesforce/api/rest/60.0;client=graph",
            "com/salesforce/api/bulkapi/60.0;client=bulk",
            "com/salesforce/api/soap/61.0;client=soap",
            "com/salesforce/api/soap/60.0;client=SfdcInternalAPI/",
        ]
    );
}

#[tokio::test]
async fn a_lead_conversion_is_four_events_of_one_transaction() {
    let session = start().await;
    let lead = session
        .made("Lead", json!({ "LastName": "Doe", "Company": "Acme" }))
        .await;
    let wanted = Conversion {
        lead,
        status: "Closed - Converted".to_owned(),
        ..Conversion::default()
    };
    session.control.org(|org| {
        let who = org.user(dev_org::org::ADMIN).unwrap();
        org.convert_lead(&who, &wanted, &WriteOptions::default())
            .unwrap();
    });
    let headers = session.headers();
    let told: Vec<_> = headers.iter().skip(1).map(brief).collect();
    let wanted = [
        of("CREATE", "Account", 1),
        of("CREATE", "Contact", 1),
        of("CREATE", "Opportunity", 1),
        of("UPDATE", "Lead", 1),
    ];
    assert_eq!(told, wanted);
    for (header, number) in headers.iter().skip(1).zip(1..) {
        assert_eq!(header["sequenceNumber"], number);
        assert_eq!(header["transactionKey"], headers[1]["transactionKey"]);
        assert_eq!(header["commitNumber"], headers[1]["commitNumber"]);
    }
    assert_ne!(headers[0]["transactionKey"], headers[1]["transactionKey"]);
}

#[tokio::test]
async fn what_is_undone_is_never_told() {
    let session = start().await;
    let refused = contacts(&["A", ""], true);
    session.send("POST", "/composite/sobjects", &refused).await;
    assert!(session.headers().is_empty());
    let kept = contacts(&["A", ""], false);
    session.send("POST", "/composite/sobjects", &kept).await;
    assert_eq!(session.changes("Contact").len(), 1);
}

#[tokio::test]
async fn the_same_change_of_many_records_is_told_once() {
    let session = start().await;
    let (_, made) = read(
        session
            .send(
                "POST",
                "/composite/sobjects",
                &contacts(&["A", "B", "C"], true),
            )
            .await,
    )
    .await;
    let ids: Vec<&str> = (0..3).map(|at| made[at]["id"].as_str().unwrap()).collect();
    let titles = ["Dr", "Dr", "Prof"];
    let records: Vec<Value> = ids
        .iter()
        .zip(titles)
        .map(|(id, title)| json!({ "attributes": { "type": "Contact" }, "Id": id, "Title": title }))
        .collect();
    session
        .send(
            "PATCH",
            "/composite/sobjects",
            &json!({ "records": records }),
        )
        .await;
    let path = format!("/composite/sobjects?ids={}", ids.join(","));
    session.request("DELETE", &path).send().await.unwrap();
    let told: Vec<_> = session.headers().iter().map(brief).collect();
    let wanted = [
        of("CREATE", "Contact", 1),
        of("CREATE", "Contact", 1),
        of("CREATE", "Contact", 1),
        of("UPDATE", "Contact", 2),
        of("UPDATE", "Contact", 1),
        of("DELETE", "Contact", 3),
    ];
    assert_eq!(told, wanted);
    // A delete says nothing but which records are gone.
    let last = session.changes("Contact").pop().unwrap();
    assert_eq!(last.as_object().unwrap().len(), 1);
    assert_eq!(last["ChangeEventHeader"]["recordIds"], json!(ids));
}

#[tokio::test]
async fn what_follows_from_a_write_is_part_of_its_transaction() {
    let session = start().await;
    let account = session.made("Account", json!({ "Name": "A" })).await;
    let child = json!({ "LastName": "B", "AccountId": account });
    session.made("Contact", child).await;
    session.remove("Account", &account).await;
    let headers = session.headers();
    let told: Vec<_> = headers.iter().skip(2).map(brief).collect();
    assert_eq!(
        told,
        [of("DELETE", "Account", 1), of("DELETE", "Contact", 1)]
    );
    assert_eq!(headers[2]["transactionKey"], headers[3]["transactionKey"]);
    assert_eq!(headers[3]["sequenceNumber"], 2);
}

#[tokio::test]
async fn only_objects_that_were_chosen_are_told_of() {
    let session = start().await;
    session.made("Invoice__c", json!({ "Name": "1" })).await;
    assert_eq!(session.kept("/data/Invoice__ChangeEvent").len(), 1);
    let events = session.control.events();
    let chosen = EventSwitches {
        objects: Some(vec!["account".to_owned()]),
        ..EventSwitches::default()
    };
    events.set(&chosen).unwrap();
    session.made("Contact", json!({ "LastName": "A" })).await;
    session.made("Account", json!({ "Name": "A" })).await;
    let told: Vec<_> = session.headers().iter().skip(1).map(brief).collect();
    assert_eq!(told, [of("CREATE", "Account", 1)]);
    for wrong in ["Nothing", "Low_Ink__e"] {
        let wrong = EventSwitches {
            objects: Some(vec![wrong.to_owned()]),
            ..EventSwitches::default()
        };
        assert!(events.set(&wrong).is_err());
    }
    assert!(events.kept("/data/contactChangeEvent").is_err());
}

#[tokio::test]
async fn replay_ids_grow_with_gaps_and_events_are_gone_after_three_days() {
    let session = start().await;
    for name in ["A", "B", "C", "D"] {
        session.made("Contact", json!({ "LastName": name })).await;
    }
    let kept = session.kept("/data/ContactChangeEvent");
    let ids: Vec<i64> = kept
        .iter()
        .map(|event| event["event"]["replayId"].as_i64().unwrap())
        .collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(ids.windows(2).any(|pair| pair[0] + 1 < pair[1]));
    session.control.set_clock_offset_ms(3 * DAY_MS - 60_000);
    assert_eq!(session.kept("/data/ContactChangeEvent").len(), 4);
    session.control.set_clock_offset_ms(3 * DAY_MS);
    assert!(session.kept("/data/ContactChangeEvent").is_empty());
}

#[tokio::test]
async fn gaps_are_told_when_a_test_wants_them() {
    let session = start().await;
    let events = session.control.events();
    let gaps = EventSwitches {
        gaps: Some(vec!["Contact".to_owned()]),
        ..EventSwitches::default()
    };
    events.set(&gaps).unwrap();
    let id = session.made("Contact", json!({ "LastName": "A" })).await;
    session.remove("Contact", &id).await;
    let gap = |change: &str, ids: &[&str]| GapEvent {
        object: "Account".to_owned(),
        change: change.to_owned(),
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
    };
    events.gap(&gap("UPDATE", &["001*"])).unwrap();
    events.gap(&gap("OVERFLOW", &[])).unwrap();
    assert!(events.gap(&gap("SNAPSHOT", &[])).is_err());
    let headers = session.headers();
    let told: Vec<_> = headers.iter().map(brief).collect();
    let wanted = [
        of("GAP_CREATE", "Contact", 1),
        of("GAP_DELETE", "Contact", 1),
        of("GAP_UPDATE", "Account", 1),
        of("GAP_OVERFLOW", "Account", 1),
    ];
    assert_eq!(told, wanted);
    assert_eq!(headers[2]["recordIds"], json!(["001*"]));
    assert_eq!(headers[3]["recordIds"], json!(["000000000000000AAA"]));
    let first = &session.changes("Contact")[0];
    assert_eq!(first.as_object().unwrap().len(), 1, "{first}");
}

/// Loads contacts by a bulk job.
async fn load(session: &Session, client: &str, csv: &str) {
    let job = json!({ "operation": "insert", "object": "Contact" });
    let answer = session.send_as(client, "POST", "/jobs/ingest", &job).await;
    let (_, job) = read(answer).await;
    let path = format!("/jobs/ingest/{}", job["id"].as_str().unwrap());
    let put = session
        .request("PUT", &format!("{path}/batches"))
        .header("content-type", "text/csv")
        .body(csv.to_owned());
    assert_eq!(put.send().await.unwrap().status(), 201);
    let ready = json!({ "state": "UploadComplete" });
    assert_eq!(session.send("PATCH", &path, &ready).await.status(), 200);
    session.control.bulk().settled().await;
}

/// Converts a lead by SOAP.
async fn convert(session: &Session, lead: &str) {
    let envelope = format!(
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header><SessionHeader><sessionId>{}</sessionId></SessionHeader><CallOptions><client>soap</client></CallOptions></s:Header><s:Body><convertLead><leadConverts><leadId>{lead}</leadId><convertedStatus>Closed - Converted</convertedStatus></leadConverts></convertLead></s:Body></s:Envelope>"#,
        session.token
    );
    let request = session
        .http
        .post(format!("{}/services/Soap/u/61.0", session.base))
        .header("content-type", "text/xml")
        .body(envelope);
    assert_eq!(request.send().await.unwrap().status(), 200);
}
