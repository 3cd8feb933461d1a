//! Requests in the caller's own words: raw, many in one, trees, and records by
//! keys and relationships; each with what it costs of the budget.

use dev_org::{FaultKind, FaultRule};
use lockgate::{Advice, Error};
use lockgate_tests::org::{Site, counted, create, query, refused};
use serde_json::{Value as Json, json};

fn outcomes(output: &Json, list: &str) -> Vec<String> {
    let results = output[list].as_array().unwrap().iter();
    results
        .map(|result| result["outcome"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_has_no_action_of_its_own_is_asked_for_in_the_callers_words() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let id = create(&crm, "Account", json!({"Name":"A & B"})).await;
    let soql = json!({ "method": "GET", "path": "/query", "query": { "q": "SELECT Id FROM Account WHERE Name = 'A & B'" } });
    let (output, calls) = counted(&site, &crm, "request", &soql).await;
    assert_eq!((&output["status"], calls), (&json!(200), 1), "{output}");
    assert_eq!(output["body"]["records"][0]["Id"], json!(id));

    // Validators of an answer, and what they are for.
    let path = format!("/sobjects/Account/{id}");
    let (output, _) = counted(
        &site,
        &crm,
        "request",
        &json!({ "method": "GET", "path": path }),
    )
    .await;
    let etag = output["etag"].as_str().unwrap();
    assert!(output["last_modified"].is_string(), "{output}");
    let again = json!({ "method": "GET", "path": path, "headers": { "If-None-Match": etag } });
    let (output, calls) = counted(&site, &crm, "request", &again).await;
    assert_eq!((&output["status"], calls), (&json!(304), 1));
    let stale = json!({ "method": "PATCH", "path": path, "body": { "Name": "C" },
        "headers": { "If-Match": "\"other\"" } });
    let (output, _) = counted(&site, &crm, "request", &stale).await;
    assert_eq!(output["status"], 412);
    let whole = format!("/services/data/v60.0{path}");
    let change = json!({ "method": "PATCH", "path": whole, "body": { "Name": "C" } });
    let (output, _) = counted(&site, &crm, "request", &change).await;
    assert_eq!(output, json!({ "status": 204, "body": null }));
    assert_eq!(
        query(&crm, "SELECT Name FROM Account").await[0]["Name"],
        "C"
    );

    let (output, _) = counted(
        &site,
        &crm,
        "request",
        &json!({ "method": "GET", "path": "/nowhere" }),
    )
    .await;
    assert_eq!(output["body"][0]["errorCode"], "NOT_FOUND");
    let revoke = json!({ "method": "POST", "path": "/services/oauth2/revoke" });
    assert_eq!(
        refused(&crm, "request", &revoke).await.code,
        "REQUEST_DENIED"
    );
    assert_eq!(site.count("POST", "revoke"), 0);
}

#[tokio::test]
async fn a_raw_write_whose_answer_was_lost_is_in_doubt_and_not_sent_twice() {
    let site = Site::start().await;
    let crm = site.crm().await;
    query(&crm, "SELECT Id FROM Account").await;
    let mut lost = FaultRule::next(1, "/sobjects/Account", FaultKind::Drop);
    lost.after = true;
    site.control.add_fault(lost);
    let input = json!({ "method": "POST", "path": "/sobjects/Account", "body": { "Name": "A" } });
    let error = crm.invoke("request", &input).await.unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome { .. }), "{error:?}");
    assert_eq!(site.count("POST", "/sobjects/Account"), 1);
    assert_eq!(query(&crm, "SELECT Id FROM Account").await.len(), 1);
}

#[tokio::test]
async fn requests_that_use_what_earlier_ones_answered_are_one_call() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let family = |last_name: &str, all_or_none: bool| {
        json!({ "all_or_none": all_or_none, "requests": [
            { "ref": "acme", "method": "POST", "url": "/sobjects/Account", "body": { "Name": "Acme" } },
            { "ref": "jane", "method": "POST", "url": "/sobjects/Contact",
              "body": { "LastName": last_name, "AccountId": "@{acme.id}" } },
            { "ref": "call", "method": "POST", "url": "/sobjects/Task",
              "body": { "Subject": "Call", "WhoId": "@{jane.id}" } },
            { "method": "GET", "url": "/sobjects/Account/@{acme.id}?fields=Name" },
        ] })
    };
    let (output, calls) = counted(&site, &crm, "composite", &family("Doe", true)).await;
    assert_eq!((&output["done"], calls), (&json!(4), 1), "{output}");
    assert_eq!(output["results"][3]["body"]["Name"], "Acme");
    assert_eq!(output["results"][3]["ref"], "r3");

    let too_long = "x".repeat(81);
    let (output, _) = counted(&site, &crm, "composite", &family(&too_long, true)).await;
    assert_eq!(
        outcomes(&output, "results"),
        ["rolled-back", "failed", "rolled-back", "rolled-back"]
    );
    let problem = &output["results"][1]["problems"][0];
    assert_eq!(problem["code"], "STRING_TOO_LONG", "{problem}");
    assert_eq!(query(&crm, "SELECT Id FROM Account").await.len(), 1);

    let (output, _) = counted(&site, &crm, "composite", &family(&too_long, false)).await;
    assert_eq!(
        outcomes(&output, "results"),
        ["done", "failed", "not-tried", "done"],
        "{output}"
    );
    assert_eq!(query(&crm, "SELECT Id FROM Account").await.len(), 2);
}

#[tokio::test]
async fn requests_that_know_nothing_of_one_another_are_one_call_and_can_be_halted() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let id = create(&crm, "Account", json!({"Name":"A"})).await;
    let requests = json!([
        { "method": "GET", "url": "/limits" },
        { "method": "PATCH", "url": format!("/services/data/v60.0/sobjects/Account/{id}"), "body": { "Name": "B" } },
        { "method": "GET", "url": "/sobjects/Nope__c/describe" },
        { "method": "DELETE", "url": format!("/sobjects/Account/{id}") },
    ]);
    let halted = json!({ "halt_on_error": true, "requests": requests });
    let (output, calls) = counted(&site, &crm, "composite-batch", &halted).await;
    assert_eq!(
        outcomes(&output, "results"),
        ["done", "done", "failed", "not-tried"],
        "{output}"
    );
    assert_eq!(calls, 1);
    assert_eq!(
        query(&crm, "SELECT Name FROM Account").await[0]["Name"],
        "B"
    );
    let (output, _) = counted(
        &site,
        &crm,
        "composite-batch",
        &json!({ "requests": requests }),
    )
    .await;
    assert_eq!(output["done"], 3);
    assert!(query(&crm, "SELECT Id FROM Account").await.is_empty());
}

#[tokio::test]
async fn a_tree_is_created_whole_or_not_at_all() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let family = |email: &str| {
        let contact = json!({ "ref": "jane", "fields": { "LastName": "Doe", "Email": email } });
        json!({ "object": "Account", "records": [
            { "ref": "acme", "fields": { "Name": "Acme" },
              "children": { "Contacts": { "object": "Contact", "records": [contact] } } },
            { "fields": { "Name": "Other" } },
        ] })
    };
    let (output, calls) = counted(&site, &crm, "save-tree", &family("jane@example.com")).await;
    assert_eq!((&output["saved"], calls), (&json!(3), 1), "{output}");
    let contacts = query(&crm, "SELECT AccountId FROM Contact").await;
    assert_eq!(contacts[0]["AccountId"], output["records"][0]["id"]);

    let (output, _) = counted(&site, &crm, "save-tree", &family("nobody")).await;
    assert_eq!(output["saved"], 0);
    assert_eq!(
        outcomes(&output, "records"),
        ["rolled-back", "failed", "rolled-back"],
        "{output}"
    );
    let problem = &output["records"][1]["problems"][0];
    assert_eq!(problem["code"], "INVALID_EMAIL_ADDRESS", "{problem}");
    assert_eq!(query(&crm, "SELECT Id FROM Account").await.len(), 2);
}

#[tokio::test]
async fn a_record_is_found_and_deleted_by_its_key() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let key = "a & b?";
    let id = create(&crm, "Account", json!({"Name":"A","External_Id__c":key})).await;
    let mut input = json!({ "object": "Account", "field": "External_Id__c", "value": key });
    let (found, calls) = counted(&site, &crm, "get-by-key", &input).await;
    assert_eq!((&found["record"]["Id"], calls), (&json!(id), 1), "{found}");
    let (gone, calls) = counted(&site, &crm, "delete-by-key", &input).await;
    assert_eq!((&gone["outcome"], calls), (&json!("deleted"), 1));
    let (found, _) = counted(&site, &crm, "get-by-key", &input).await;
    assert_eq!(found["record"], Json::Null);
    input["field"] = json!("Name");
    let problem = refused(&crm, "get-by-key", &input).await;
    assert_eq!(problem.advice, Advice::FixSchema, "{problem:?}");
}

#[tokio::test]
async fn a_record_is_changed_by_its_key_only_if_it_is_there() {
    let site = Site::start().await;
    let crm = site.crm().await;
    create(&crm, "Account", json!({"Name":"A","External_Id__c":"k"})).await;
    let mut input = json!({ "object": "Account", "field": "External_Id__c", "value": "k",
        "fields": { "Name": "B" } });
    let (changed, calls) = counted(&site, &crm, "update-by-key", &input).await;
    assert_eq!((&changed["outcome"], calls), (&json!("updated"), 1));
    input["value"] = json!("other");
    let (missed, _) = counted(&site, &crm, "update-by-key", &input).await;
    assert_eq!(missed["outcome"], "not-there");
    let accounts = query(&crm, "SELECT Name FROM Account").await;
    assert_eq!((accounts.len(), &accounts[0]["Name"]), (1, &json!("B")));
    input["field"] = json!("Name");
    let problem = refused(&crm, "update-by-key", &input).await;
    assert_eq!(problem.advice, Advice::FixSchema, "{problem:?}");
}

#[tokio::test]
async fn a_record_that_somebody_else_has_changed_is_not_overwritten() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let id = create(&crm, "Contact", json!({"LastName":"A"})).await;
    let read = query(&crm, "SELECT LastModifiedDate FROM Contact").await;
    let mut input = json!({ "object": "Contact", "id": id, "fields": { "LastName": "Mine" },
        "unchanged_since": read[0]["LastModifiedDate"] });
    let (changed, calls) = counted(&site, &crm, "update-if-unchanged", &input).await;
    assert_eq!((&changed["outcome"], calls), (&json!("updated"), 1));

    // Somebody else, a minute later.
    site.control.set_clock_offset_ms(60_000);
    let theirs = json!([{ "Id": id, "LastName": "Theirs" }]);
    let theirs = lockgate_tests::org::records(&theirs);
    crm.update("Contact", &theirs, Default::default())
        .await
        .unwrap();
    input["fields"] = json!({ "LastName": "Mine again" });
    let problem = refused(&crm, "update-if-unchanged", &input).await;
    assert_eq!(
        (problem.advice, problem.code.as_str()),
        (Advice::Refetch, "PRECONDITION_FAILED")
    );
    let now = query(&crm, "SELECT LastName, LastModifiedDate FROM Contact").await;
    assert_eq!(now[0]["LastName"], "Theirs");
    input["unchanged_since"] = now[0]["LastModifiedDate"].clone();
    let (changed, _) = counted(&site, &crm, "update-if-unchanged", &input).await;
    assert_eq!(changed["outcome"], "updated");
}

#[tokio::test]
async fn relationships_are_followed_to_their_last_page() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let account = create(&crm, "Account", json!({"Name":"A"})).await;
    let rows: Vec<Json> = (0..2_005)
        .map(|n| json!({ "LastName": format!("C{n}"), "AccountId": account }))
        .collect();
    let rows = lockgate_tests::org::records(&Json::Array(rows));
    let results = crm
        .create("Contact", &rows, Default::default())
        .await
        .unwrap();
    let first = results[0].id.clone().unwrap();
    let mut input =
        json!({ "object": "Account", "id": account, "relationship": "Contacts", "fields": ["Id"] });
    let (page, calls) = counted(&site, &crm, "related", &input).await;
    assert_eq!((&page["total"], calls), (&json!(2_005), 1));
    let mut n = page["records"].as_array().unwrap().len();
    input["next"] = page["next"].clone();
    while input["next"].is_string() {
        let (page, _) = counted(&site, &crm, "related", &input).await;
        n += page["records"].as_array().unwrap().len();
        input["next"] = page["next"].clone();
    }
    assert_eq!(n, 2_005);

    let mut input =
        json!({ "object": "Contact", "id": first, "relationship": "Account", "fields": ["Name"] });
    let (one, _) = counted(&site, &crm, "related", &input).await;
    assert_eq!(one["records"][0]["Name"], "A");
    input["relationship"] = json!("ReportsTo");
    input["fields"] = json!([]);
    let (none, _) = counted(&site, &crm, "related", &input).await;
    assert_eq!(none["records"], json!([]), "{none}");
    input["relationship"] = json!("Nope__r");
    let problem = refused(&crm, "related", &input).await;
    assert_eq!(problem.advice, Advice::FixSchema, "{problem:?}");
}
