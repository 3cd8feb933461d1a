//! What ingest jobs do to records.

use serde_json::json;

use super::client::{keys, new, start};
use super::support::{code, read};

#[tokio::test]
async fn an_insert_job_goes_from_open_to_complete_and_every_request_counts() {
    let session = start().await;
    let used = session.control.quota().used;
    let job = session.new_job("ingest", &new("insert", "account")).await;
    let id = job["id"].as_str().unwrap();
    assert!(id.starts_with("750") && id.len() == 18);
    assert_eq!(job["state"], "Open");
    assert_eq!(job["object"], "Account");
    assert_eq!(job["apiVersion"].to_string(), "60.0");
    assert_eq!(
        job["contentUrl"],
        format!("services/data/v60.0/jobs/ingest/{id}/batches")
    );
    assert_eq!(
        keys(&job),
        [
            "id",
            "operation",
            "object",
            "createdById",
            "createdDate",
            "systemModstamp",
            "state",
            "concurrencyMode",
            "contentType",
            "apiVersion",
            "contentUrl",
            "lineEnding",
            "columnDelimiter",
        ]
    );

    let (status, body) = session.put(id, "Name,Phone\nAcme,1\nBeta,2\n").await;
    assert_eq!((status, body), (201, json!(null)));
    let (status, job) = session.set_state("ingest", id, "UploadComplete").await;
    assert_eq!((status, &job["state"]), (200, &json!("UploadComplete")));
    session.control.bulk().settled().await;
    let job = session.job("ingest", id).await;
    assert_eq!(job["state"], "JobComplete");
    assert_eq!(job["jobType"], "V2Ingest");
    assert_eq!(job["numberRecordsProcessed"], 2);
    assert_eq!(job["numberRecordsFailed"], 0);
    assert_eq!(job["retries"], 0);
    for key in [
        "totalProcessingTime",
        "apiActiveProcessingTime",
        "apexProcessingTime",
    ] {
        assert!(job[key].is_u64(), "{key}");
    }
    // Four so far: create, upload, close, poll.
    assert_eq!(session.control.quota().used, used + 4);
    assert_eq!(session.select("SELECT Id FROM Account").await.len(), 2);
}

#[tokio::test]
async fn results_show_ids_and_the_columns_that_were_sent() {
    let session = start().await;
    let csv = "Name,Key__c\nAcme,1\n,2\nBeta,3\n";
    let done = session.load(new("insert", "Account"), csv).await;
    assert_eq!(done.state(), "JobComplete");
    assert_eq!(done.job["numberRecordsFailed"], 1);
    let successful = session.result(&done.id, "successfulResults").await;
    assert!(successful.starts_with("\"sf__Id\",\"sf__Created\",Name,Key__c\n"));
    assert!(successful.contains(&format!(
        "\"{}\",\"true\",\"Acme\",\"1\"\n",
        done.id_of("1")
    )));
    let failed = session.result(&done.id, "failedResults").await;
    assert_eq!(
        failed,
        "\"sf__Id\",\"sf__Error\",Name,Key__c\n\"\",\"REQUIRED_FIELD_MISSING:Required fields are \
         missing: [Name]:Name --\",\"\",\"2\"\n"
    );
    assert_eq!(done.unprocessed, "Name,Key__c\n");
}

#[tokio::test]
async fn results_are_not_in_the_order_of_the_data() {
    let session = start().await;
    let done = session
        .load(new("insert", "Account"), "Name\nfirst\nsecond\n")
        .await;
    let names: Vec<&str> = done.successful.iter().map(|row| row[2].as_str()).collect();
    assert_eq!(names, ["second", "first"]);
}

#[tokio::test]
async fn failed_rows_have_no_id_before_version_53() {
    let session = start().await;
    let done = session.load(new("insert", "Account"), "Name\n\"\"\n").await;
    let url = format!(
        "{}/services/data/v52.0/jobs/ingest/{}/failedResults/",
        session.base, done.id
    );
    let request = session.http.get(url).bearer_auth(&session.token);
    let text = request.send().await.unwrap().text().await.unwrap();
    assert!(
        text.starts_with("\"sf__Error\",Name\n\"REQUIRED_"),
        "{text}"
    );
}

#[tokio::test]
async fn an_update_ignores_what_is_empty_and_clears_what_says_so() {
    let session = start().await;
    let done = session
        .load(
            new("insert", "Account"),
            "Name,Phone,Fax,Website\nA,1,2,N/A\n",
        )
        .await;
    let id = done.id_of("A");
    let csv = format!("Id,Name,Phone,Fax\n{id},,#N/A,3\n");
    let done = session.load(new("update", "Account"), &csv).await;
    assert_eq!(done.successful[0][1], "false");
    let account = &session
        .select("SELECT Name, Phone, Fax, Website FROM Account")
        .await[0];
    assert_eq!(account["Name"], "A");
    assert_eq!(account["Phone"], json!(null));
    assert_eq!(account["Fax"], "3");
    assert_eq!(account["Website"], "N/A", "is text like any other");
}

#[tokio::test]
async fn an_update_names_the_rows_it_could_not_find() {
    let session = start().await;
    let csv = "Id,Name\n0010000000000000AA,gone\nnonsense,bad\n,none\n";
    let done = session.load(new("update", "Account"), csv).await;
    assert_eq!(
        done.error_of("gone"),
        "MALFORMED_ID:Account ID: id value of incorrect type: 0010000000000000AA:Id --"
    );
    assert!(done.error_of("bad").starts_with("MALFORMED_ID:"));
    assert!(done.error_of("none").starts_with("MISSING_ARGUMENT:"));
    let known = session
        .load(new("insert", "Contact"), "LastName\nC\n")
        .await;
    let id = known.id_of("C");
    let csv = format!("Id,Name\n{id},gone\n");
    let done = session.load(new("update", "Account"), &csv).await;
    assert_eq!(
        done.error_of("gone"),
        "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--"
    );
    assert_eq!(done.failed[0][0], id);
}

#[tokio::test]
async fn an_upsert_creates_and_changes_by_its_key() {
    let session = start().await;
    let job =
        json!({ "operation": "upsert", "object": "Account", "externalIdFieldName": "Key__c" });
    let done = session
        .load(job.clone(), "Key__c,Name\nk1,One\nk2,Two\n")
        .await;
    assert_eq!(done.job["externalIdFieldName"], "Key__c");
    assert!(done.successful.iter().all(|row| row[1] == "true"));
    let done = session
        .load(job, "Key__c,Name\nk1,Uno\nk3,Three\n,Nameless\n")
        .await;
    let created = |key: &str| {
        let row = done.successful.iter().find(|row| row[2] == key).unwrap();
        row[1].clone()
    };
    assert_eq!(
        (created("k1").as_str(), created("k3").as_str()),
        ("false", "true")
    );
    assert_eq!(
        done.error_of("Nameless"),
        "MISSING_ARGUMENT:Key__c not specified:Key__c --"
    );
    let names = session
        .select("SELECT Name FROM Account ORDER BY Key__c")
        .await;
    assert_eq!(names[0]["Name"], "Uno");
    assert_eq!(names.len(), 3);
}

#[tokio::test]
async fn an_upsert_by_id_creates_the_rows_without_one() {
    let session = start().await;
    let job = json!({ "operation": "upsert", "object": "Account", "externalIdFieldName": "Id" });
    let done = session.load(job.clone(), "Id,Name\n,New\n").await;
    let id = done.id_of("New").to_owned();
    let done = session.load(job, &format!("Id,Name\n{id},Old\n")).await;
    assert_eq!(
        done.successful,
        [[id.as_str(), "false", id.as_str(), "Old"]]
    );
}

#[tokio::test]
async fn a_key_that_is_there_twice_in_the_data_or_in_the_org_is_refused() {
    let session = start().await;
    session
        .load(new("insert", "Account"), "Name,Key__c\nA,twin\nB,twin\n")
        .await;
    let job =
        json!({ "operation": "upsert", "object": "Account", "externalIdFieldName": "Key__c" });
    let done = session
        .load(job, "Key__c,Name\ntwin,T\nsame,S1\nSAME,S2\nonly,O\n")
        .await;
    assert!(done.error_of("T").starts_with("DUPLICATE_EXTERNAL_ID:"));
    assert_eq!(
        done.error_of("S1"),
        "DUPLICATE_VALUE:Duplicate external id specified: same:Key__c --"
    );
    assert!(done.error_of("S2").starts_with("DUPLICATE_VALUE:"));
    assert_eq!(done.successful.len(), 1);
}

#[tokio::test]
async fn a_delete_takes_ids_and_nothing_else() {
    let session = start().await;
    let done = session.load(new("insert", "Account"), "Name\nA\nB\n").await;
    let csv = format!("Id\n{}\n", done.id_of("A"));
    let done = session.load(new("delete", "Account"), &csv).await;
    assert_eq!(done.successful[0][1], "false");
    let again = session.load(new("delete", "Account"), &csv).await;
    assert_eq!(again.failed[0][1], "ENTITY_IS_DELETED:entity is deleted:--");
    let done = session
        .load(new("delete", "Account"), "Id,Name\n001,A\n")
        .await;
    assert_eq!(done.state(), "Failed");
    assert_eq!(session.select("SELECT Id FROM Account").await.len(), 1);
}

#[tokio::test]
async fn a_hard_delete_needs_its_permission_and_passes_the_recycle_bin() {
    let session = start().await;
    let done = session.load(new("insert", "Account"), "Name\nA\nB\n").await;
    let csv = format!("Id\n{}\n", done.id_of("A"));
    let job = new("hardDelete", "Account");
    let (status, body) = read(session.send("POST", "/jobs/ingest", &job).await).await;
    assert_eq!((status, code(&body)), (400, "FEATURENOTENABLED"));
    session
        .control
        .org(|org| org.change_user("admin@example.com", |user| user.bulk_hard_delete = true));
    session.load(job, &csv).await;
    let soft = format!("Id\n{}\n", done.id_of("B"));
    session.load(new("delete", "Account"), &soft).await;
    let request = session
        .request("GET", "/queryAll")
        .query(&[("q", "SELECT Name FROM Account")]);
    let (_, all) = read(request.send().await.unwrap()).await;
    assert_eq!(all["totalSize"], 1);
    assert_eq!(all["records"][0]["Name"], "B");
}

#[tokio::test]
async fn parents_are_named_by_their_external_id() {
    let session = start().await;
    session
        .load(new("insert", "Account"), "Name,Key__c\nAcme,a1\n")
        .await;
    let csv = "LastName,Account.Key__c,Owner.Username\n\
               One,a1,leads@example.com\n\
               Two,nope,\n";
    let done = session.load(new("insert", "Contact"), csv).await;
    assert_eq!(
        done.error_of("Two"),
        "INVALID_FIELD:Foreign key external ID: nope not found for field Key__c in entity \
         Account:--"
    );
    let contacts = session
        .select("SELECT Account.Name, Owner.Username FROM Contact")
        .await;
    assert_eq!(contacts[0]["Account"]["Name"], "Acme");
    assert_eq!(contacts[0]["Owner"]["Username"], "leads@example.com");
}

#[tokio::test]
async fn a_parent_of_several_kinds_needs_its_type_in_the_header() {
    let session = start().await;
    let leads = "LastName,Company,Email\nL,C,lead@example.com\n";
    session.load(new("insert", "Lead"), leads).await;
    for header in ["Lead:Who.Email", "Who:Lead.Email"] {
        let csv = format!("Subject,{header}\nCall,lead@example.com\n");
        let done = session.load(new("insert", "Task"), &csv).await;
        assert_eq!(done.job["numberRecordsFailed"], 0, "{:?}", done.failed);
    }
    let csv = "Subject,Who.Email\nCall,lead@example.com\n";
    let done = session.load(new("insert", "Task"), csv).await;
    assert_eq!(
        done.error(),
        "InvalidBatch : Field name not found : Who.Email"
    );
    let csv = "LastName,Account:Account.Key__c\nA,1\n";
    let done = session.load(new("insert", "Contact"), csv).await;
    assert_eq!(done.state(), "Failed", "one kind of parent has no type");
    let csv = "LastName,Account.Phone\nA,1\n";
    let done = session.load(new("insert", "Contact"), csv).await;
    assert_eq!(
        done.error(),
        "InvalidBatch : Field name provided, Phone is not an External ID or indexed field for \
         Account"
    );
    let csv = "LastName,Account.Owner.Username\nA,1\n";
    let done = session.load(new("insert", "Contact"), csv).await;
    assert_eq!(done.state(), "Failed", "no grandparents");
}

#[tokio::test]
async fn rows_meet_the_rules_of_every_write() {
    let session = start().await;
    let csv = "LastName,Email,Birthdate\n\
               Date,,05/01/2026\n\
               Mail,nonsense,\n\
               Day,,1940-06-07Z\n";
    let done = session.load(new("insert", "Contact"), csv).await;
    assert_eq!(
        done.error_of("Date"),
        "INVALID_TYPE_ON_FIELD_IN_RECORD:Birthdate: value not of required type: \
         05/01/2026:Birthdate --"
    );
    assert!(
        done.error_of("Mail")
            .starts_with("INVALID_EMAIL_ADDRESS:Email: invalid email address: nonsense:Email --")
    );
    assert_eq!(done.successful.len(), 1);
    let csv = "Name,Flag__c\na,YES\nb,0\nc,maybe\n";
    let done = session.load(new("insert", "Account"), csv).await;
    assert!(
        done.error_of("c")
            .starts_with("INVALID_TYPE_ON_FIELD_IN_RECORD:")
    );
    let flagged = session
        .select("SELECT Name FROM Account WHERE Flag__c = true")
        .await;
    assert_eq!(flagged.len(), 1);
}

#[tokio::test]
async fn a_field_that_is_hidden_is_not_found_and_a_locked_one_refuses_its_rows() {
    let session = start().await;
    session.control.org(|org| {
        org.change_user("admin@example.com", |user| {
            user.hide_field("Account", "Phone");
            user.lock_field("Account", "Fax");
        });
    });
    let done = session
        .load(new("insert", "Account"), "Name,Phone\nA,1\n")
        .await;
    assert_eq!(done.state(), "Failed");
    assert_eq!(done.error(), "InvalidBatch : Field name not found : Phone");
    assert_eq!(done.job["numberRecordsProcessed"], 0);
    assert_eq!(done.unprocessed, "Name,Phone\nA,1\n");
    let done = session
        .load(new("insert", "Account"), "Name,Fax\nA,1\nB,\n")
        .await;
    assert!(
        done.error_of("A")
            .starts_with("INVALID_FIELD_FOR_INSERT_UPDATE:Unable to create/update fields: Fax.")
    );
    assert_eq!(done.id_of("B").len(), 18, "an empty value sets nothing");
}

#[tokio::test]
async fn an_alert_of_a_duplicate_rule_blocks_since_no_header_can_allow_it() {
    let session = start().await;
    let csv = "LastName,Email\nTwin,twin@example.com\n";
    session.load(new("insert", "Contact"), csv).await;
    let done = session.load(new("insert", "Contact"), csv).await;
    assert!(done.error_of("Twin").starts_with("DUPLICATES_DETECTED:"));
}

#[tokio::test]
async fn leads_are_assigned_only_when_the_job_names_a_rule() {
    let session = start().await;
    let rules = session
        .select("SELECT Id FROM AssignmentRule WHERE SobjectType = 'Lead'")
        .await;
    let rule = rules[0]["Id"].as_str().unwrap();
    let csv = "LastName,Company\nA,B\n";
    session.load(new("insert", "Lead"), csv).await;
    let job = json!({ "operation": "insert", "object": "Lead", "assignmentRuleId": rule });
    let done = session.load(job, csv).await;
    assert_eq!(done.job["assignmentRuleId"], rule);
    let leads = session
        .select("SELECT Owner.Username FROM Lead ORDER BY Id")
        .await;
    assert_eq!(leads[0]["Owner"]["Username"], "admin@example.com");
    assert_eq!(leads[1]["Owner"]["Username"], "leads@example.com");
}

#[tokio::test]
async fn a_job_of_many_batches_writes_all_its_rows_and_takes_them_from_the_limits() {
    let session = start().await;
    let mut csv = "Name,Key__c\n".to_owned();
    for row in 0..10_050 {
        csv.push_str(&format!("Account {row},{row}\n"));
    }
    let done = session.load(new("insert", "Account"), &csv).await;
    assert_eq!(done.job["numberRecordsProcessed"], 10_050);
    assert_eq!(done.successful.len(), 10_050);
    let keys: std::collections::HashSet<&str> =
        done.successful.iter().map(|row| row[3].as_str()).collect();
    assert_eq!(keys.len(), 10_050, "each row once");
    let usage = session.control.bulk().usage();
    assert_eq!((usage.batches.used, usage.rows.used), (2, 10_050));
    let (_, limits) = read(session.get("/limits").await).await;
    assert_eq!(limits["DailyBulkApiBatches"]["Remaining"], 14_998);
}
