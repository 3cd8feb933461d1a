//! Whatever the org refuses, the caller is told what to do about it, in
//! Salesforce's own words and with its fields.

use dev_org::{Config, FaultKind, FaultRule};
use lockgate::{Advice, Blame, Connection, Error, Outcome, Problem, QueryOptions, WriteOptions};
use lockgate_tests::org::{Site, create, demo_org, get, records};
use serde_json::{Value as Json, json};

const RULES: &str = r#"
[[validation]]
object = "Opportunity"
name = "Amount_is_not_negative"
when = [{ field = "Amount", is = "less", value = 0 }]
message = "Amount must not be negative."
field = "Amount"
"#;

async fn site() -> (Site, Connection) {
    let schema = format!("{}\n{RULES}", dev_org::schema::DEMO);
    let site = Site::with(Config {
        schema: Some(schema),
        ..demo_org()
    })
    .await;
    let crm = site.crm().await;
    (site, crm)
}

fn refused(status: u16, code: &str, message: &str) -> FaultKind {
    FaultKind::Error {
        status,
        code: Some(code.to_owned()),
        message: Some(message.to_owned()),
        body: None,
    }
}

async fn problem(crm: &Connection, object: &str, row: Json) -> Problem {
    let rows = records(&json!([row]));
    let results = crm
        .create(object, &rows, WriteOptions::default())
        .await
        .unwrap();
    let Outcome::Failed { problems } = &results[0].outcome else {
        panic!("{row} was written")
    };
    problems[0].clone()
}

#[tokio::test]
async fn rules_of_the_org_come_back_with_code_field_message_and_advice() {
    let (_site, crm) = site().await;
    let deal = json!({"Name":"D","StageName":"Prospecting","CloseDate":"2030-01-01","Amount":-1});
    let told = problem(&crm, "Opportunity", deal).await;
    assert_eq!(told.code, "FIELD_CUSTOM_VALIDATION_EXCEPTION");
    assert_eq!(
        (told.advice, told.message.as_str()),
        (Advice::FixRecord, "Amount must not be negative.")
    );
    assert_eq!(told.fields, ["Amount"]);

    let cases = [
        (
            "Account",
            json!({"Phone":"1"}),
            "REQUIRED_FIELD_MISSING",
            "Name",
        ),
        (
            "Account",
            json!({"Name":"x".repeat(256)}),
            "STRING_TOO_LONG",
            "Name",
        ),
        (
            "Contact",
            json!({"LastName":"D","Email":"nonsense"}),
            "INVALID_EMAIL_ADDRESS",
            "Email",
        ),
        (
            "Invoice__c",
            json!({"Amount__c":1,"Status__c":"Lost"}),
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Status__c",
        ),
    ];
    for (object, row, code, field) in cases {
        let told = problem(&crm, object, row).await;
        assert_eq!(
            (told.code.as_str(), told.advice),
            (code, Advice::FixRecord),
            "{told:?}"
        );
        assert_eq!(told.fields, [field], "{told:?}");
    }
    create(&crm, "Account", json!({"Name":"A","External_Id__c":"k"})).await;
    let told = problem(&crm, "Account", json!({"Name":"B","External_Id__c":"k"})).await;
    assert_eq!(
        (told.code.as_str(), told.advice),
        ("DUPLICATE_VALUE", Advice::ResolveDuplicate)
    );
    let told = problem(
        &crm,
        "Contact",
        json!({"LastName":"D","AccountId":"001000000000000AAA"}),
    )
    .await;
    assert_eq!(told.advice, Advice::Refetch, "{told:?}");
}

#[tokio::test]
async fn refusals_of_the_org_itself_come_with_their_advice() {
    let (site, crm) = site().await;
    let cases = [
        (
            400,
            "STORAGE_LIMIT_EXCEEDED",
            "storage limit exceeded",
            Advice::WaitForQuota,
        ),
        (
            403,
            "INSUFFICIENT_ACCESS_OR_READONLY",
            "insufficient access rights on object id",
            Advice::AskPermission,
        ),
        (
            400,
            "ENTITY_IS_LOCKED",
            "the record is in an approval",
            Advice::AskPermission,
        ),
        (
            400,
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            "trigger: execution of BeforeInsert",
            Advice::FixRecord,
        ),
        (
            400,
            "SOME_CODE_OF_THE_NEXT_RELEASE",
            "we changed it",
            Advice::FixRecord,
        ),
    ];
    for (status, code, message, advice) in cases {
        site.control.add_fault(FaultRule::next(
            1,
            "/sobjects/Account",
            refused(status, code, message),
        ));
        let told = problem(&crm, "Account", json!({"Name":"A"})).await;
        assert_eq!((told.code.as_str(), told.advice), (code, advice));
        assert_eq!(told.message, message);
    }
}

#[tokio::test]
async fn a_locked_row_is_written_again_and_told_as_retryable_if_it_stays_locked() {
    let (site, crm) = site().await;
    let id = create(&crm, "Account", json!({"Name":"A"})).await;
    let row = records(&json!([{"Id":id,"Phone":"1"}]));
    let busy = refused(
        400,
        "UNABLE_TO_LOCK_ROW",
        "unable to obtain exclusive access to this record",
    );
    site.control
        .add_fault(FaultRule::next(1, "/sobjects/Account/001", busy));
    let results = crm
        .update("Account", &row, WriteOptions::default())
        .await
        .unwrap();
    assert_eq!(results[0].outcome, Outcome::Updated);
    assert_eq!(
        get(&crm, "Account", &[&id], &["Phone"]).await[0]["Phone"],
        json!("1")
    );

    site.control.lock_rows(&[&id]);
    let results = crm
        .update("Account", &row, WriteOptions::default())
        .await
        .unwrap();
    let Outcome::Failed { problems } = &results[0].outcome else {
        panic!("a locked row was written")
    };
    assert_eq!(problems[0].advice, Advice::Retry);
    assert!(problems[0].advice.is_retryable());
    site.control.unlock_all_rows();
    let results = crm
        .update("Account", &row, WriteOptions::default())
        .await
        .unwrap();
    assert!(results[0].is_ok());
}

#[tokio::test]
async fn a_user_without_the_right_is_told_to_ask_and_the_request_is_not_repeated() {
    let (site, crm) = site().await;
    site.control.clear_requests();
    let denied = refused(
        403,
        "API_DISABLED_FOR_ORG",
        "API is not enabled for this Organization or Partner",
    );
    site.control.add_fault(FaultRule::next(5, "/query", denied));
    let error = crm
        .query("SELECT Id FROM Account", QueryOptions::default())
        .await
        .unwrap_err();
    let Error::Refused { problem, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(problem.advice, Advice::AskPermission);
    assert_eq!(
        (error.blame(), error.is_retryable()),
        (Blame::Upstream, false)
    );
    assert_eq!(site.count("GET", "/query"), 1);
}

#[tokio::test]
async fn a_query_that_runs_too_long_is_an_error_and_no_empty_answer() {
    let (site, crm) = site().await;
    let message = "Your query request was running for too long.";
    let fault = refused(400, "QUERY_TIMEOUT", message);
    site.control.add_fault(FaultRule::next(1, "/query", fault));
    let soql = "SELECT Id FROM Account";
    let error = crm.query(soql, QueryOptions::default()).await.unwrap_err();
    let Error::Refused { problem, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (
            problem.advice,
            problem.code.as_str(),
            problem.message.as_str()
        ),
        (Advice::Retry, "QUERY_TIMEOUT", message)
    );
    assert_eq!(lockgate_tests::org::query(&crm, soql).await.len(), 0);
}
