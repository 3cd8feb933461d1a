//! Leads become accounts, contacts and deals by SOAP.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::{Value, json};
use support::{Session, read, start};

const CONVERTED: &str = "<convertedStatus>Closed - Converted</convertedStatus>";

fn envelope(token: &str, body: &str) -> String {
    format!(
        r#"<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:urn="urn:partner.soap.sforce.com"><soapenv:Header><urn:SessionHeader><urn:sessionId>{token}</urn:sessionId></urn:SessionHeader></soapenv:Header><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"#
    )
}

impl Session {
    async fn lead(&self) -> String {
        let body = json!({ "LastName": "Doe", "FirstName": "Jo", "Company": "Acme & Co",
            "Email": "jo@example.com", "LeadSource": "Web", "Industry": "Banking" });
        let (status, body) = read(self.send("POST", "/sobjects/Lead", &body).await).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    async fn soap(&self, token: &str, body: &str) -> (u16, String) {
        let request = self
            .http
            .post(format!("{}/services/Soap/u/60.0", self.base))
            .header("content-type", "text/xml; charset=UTF-8")
            .header("soapaction", "\"\"")
            .body(envelope(token, body));
        let response = request.send().await.unwrap();
        assert!(
            response.headers()["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/xml")
        );
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn convert(&self, parts: &str) -> String {
        let call = format!(
            "<urn:convertLead><urn:leadConverts>{parts}</urn:leadConverts></urn:convertLead>"
        );
        let (status, text) = self.soap(&self.token, &call).await;
        assert_eq!(status, 200, "{text}");
        text
    }
}

fn part<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

#[tokio::test]
async fn a_lead_becomes_an_account_a_contact_and_a_deal() {
    let session = start().await;
    let lead = session.lead().await;
    let task = json!({ "Subject": "Call", "WhoId": lead });
    let (_, task) = read(session.send("POST", "/sobjects/Task", &task).await).await;
    let used = session.control.quota().used;
    let answer = session
        .convert(&format!(
            "<leadId>{lead}</leadId>{CONVERTED}<opportunityName>Big</opportunityName>"
        ))
        .await;
    assert_eq!(session.control.quota().used, used + 1);
    assert_eq!(part(&answer, "success"), Some("true"));
    assert!(answer.contains("<limitInfo><current>"));
    let account = part(&answer, "accountId").unwrap();
    let contact = part(&answer, "contactId").unwrap();
    let deal = part(&answer, "opportunityId").unwrap();
    assert_eq!(part(&answer, "leadId"), Some(lead.as_str()));
    let found = session.record("Account", account).await;
    assert_eq!(
        (&found["Name"], &found["Industry"]),
        (&json!("Acme & Co"), &json!("Banking"))
    );
    let found = session.record("Contact", contact).await;
    assert_eq!(
        (&found["Name"], &found["AccountId"]),
        (&json!("Jo Doe"), &json!(account))
    );
    let found = session.record("Opportunity", deal).await;
    assert_eq!(
        (&found["Name"], &found["StageName"]),
        (&json!("Big"), &json!("Prospecting"))
    );
    let closed = session.record("Lead", &lead).await;
    assert_eq!(closed["IsConverted"], true);
    assert_eq!(closed["ConvertedContactId"], json!(contact));
    assert_eq!(closed["Status"], "Closed - Converted");
    assert_eq!(closed["OwnerId"], found["OwnerId"]);
    let task = session.record("Task", task["id"].as_str().unwrap()).await;
    assert_eq!(
        (&task["WhoId"], &task["WhatId"]),
        (&json!(contact), &json!(deal))
    );
}

#[tokio::test]
async fn a_converted_lead_is_closed_for_good() {
    let session = start().await;
    let lead = session.lead().await;
    let parts = format!("<leadId>{lead}</leadId>{CONVERTED}");
    session.convert(&parts).await;
    let patch = json!({ "Title": "CEO" });
    let path = format!("/sobjects/Lead/{lead}");
    let (status, body) = read(session.send("PATCH", &path, &patch).await).await;
    assert_eq!(
        (status, body[0]["errorCode"].as_str()),
        (400, Some("CANNOT_UPDATE_CONVERTED_LEAD"))
    );
    let again = session.convert(&parts).await;
    assert_eq!(part(&again, "success"), Some("false"));
    assert_eq!(
        part(&again, "statusCode"),
        Some("CANNOT_UPDATE_CONVERTED_LEAD")
    );
}

#[tokio::test]
async fn known_records_are_used_and_a_deal_is_left_out_on_request() {
    let session = start().await;
    let lead = session.lead().await;
    let post = async |object: &str, body: Value| {
        let path = format!("/sobjects/{object}");
        let (_, body) = read(session.send("POST", &path, &body).await).await;
        body["id"].as_str().unwrap().to_owned()
    };
    let account = post("Account", json!({ "Name": "Known" })).await;
    let contact = post(
        "Contact",
        json!({ "LastName": "Known", "AccountId": account }),
    )
    .await;
    let known = format!("<accountId>{account}</accountId><contactId>{contact}</contactId>");
    let answer = session
        .convert(&format!(
            "<leadId>{lead}</leadId>{CONVERTED}{known}<doNotCreateOpportunity>true</doNotCreateOpportunity><overwriteLeadSource>true</overwriteLeadSource>"
        ))
        .await;
    assert_eq!(part(&answer, "accountId"), Some(account.as_str()));
    assert!(answer.contains(r#"<opportunityId xsi:nil="true"/>"#));
    let contact = session.record("Contact", &contact).await;
    assert_eq!(
        (&contact["LastName"], &contact["LeadSource"]),
        (&json!("Known"), &json!("Web"))
    );
}

#[tokio::test]
async fn a_conversion_that_fails_leaves_nothing_behind() {
    let session = start().await;
    let lead = session.lead().await;
    for (parts, code) in [
        ("<convertedStatus>Nope</convertedStatus>", "INVALID_STATUS"),
        (
            "<convertedStatus>Closed - Converted</convertedStatus><contactId>003000000000001AAA</contactId>",
            "REQUIRED_FIELD_MISSING",
        ),
        (
            "<convertedStatus>Closed - Converted</convertedStatus><ownerId>005000000000001AAA</ownerId>",
            "INVALID_CROSS_REFERENCE_KEY",
        ),
        (
            "<convertedStatus>Closed - Converted</convertedStatus><opportunityId>006000000000001AAA</opportunityId>",
            "INVALID_CROSS_REFERENCE_KEY",
        ),
    ] {
        let answer = session
            .convert(&format!("<leadId>{lead}</leadId>{parts}"))
            .await;
        assert_eq!(part(&answer, "statusCode"), Some(code), "{answer}");
    }
    let (_, count) = read(session.get("/query?q=SELECT+COUNT()+FROM+Account").await).await;
    assert_eq!(count["totalSize"], 0);
    assert_eq!(session.record("Lead", &lead).await["IsConverted"], false);
}

#[tokio::test]
async fn soap_faults_answer_500_with_a_code() {
    let session = start().await;
    let (status, text) = session.soap("nope", "<convertLead/>").await;
    assert_eq!(
        (status, part(&text, "faultcode")),
        (500, Some("sf:INVALID_SESSION_ID"))
    );
    assert_eq!(part(&text, "sf:exceptionCode"), Some("INVALID_SESSION_ID"));
    let (status, text) = session.soap(&session.token, "<merge/>").await;
    assert_eq!(
        (status, part(&text, "faultcode")),
        (500, Some("soapenv:Client"))
    );
    let (status, _) = session.soap(&session.token, "<convertLead>").await;
    assert_eq!(status, 500);
    let many = "<leadConverts/>".repeat(101);
    let call = format!("<convertLead>{many}</convertLead>");
    let (status, text) = session.soap(&session.token, &call).await;
    assert_eq!(
        (status, part(&text, "sf:exceptionCode")),
        (500, Some("EXCEEDED_ID_LIMIT"))
    );
    let used = session.control.quota();
    session.control.set_quota_max(used.used);
    let (status, text) = session.soap(&session.token, "<convertLead/>").await;
    assert_eq!(
        (status, part(&text, "sf:exceptionCode")),
        (500, Some("REQUEST_LIMIT_EXCEEDED"))
    );
}
