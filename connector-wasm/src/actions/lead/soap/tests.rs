//! What goes out as XML, and what comes back.

use serde_json::{Value, json};

use super::*;
use crate::actions::invoke;
use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::fake::{Fake, broken, run};

const INPUT: &str = r#"{"leads":[
    {"lead":"00QdM00003kRs59","status":"Closed & <Won>","account":"001dM00003kRs59","no_opportunity":true},
    {"lead":"00QdM00001wBXYD","status":"Closed"}]}"#;

fn converted(fake: &Fake, settings: &str) -> Result<Value, Error> {
    let api = fake.api_with(settings);
    run(invoke(&api, "convert-leads", INPUT.as_bytes()))
        .map(|output| serde_json::from_slice(&output).unwrap())
}

fn answer(results: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"><soapenv:Header><LimitInfoHeader><limitInfo><current>5</current><limit>100</limit></limitInfo></LimitInfoHeader></soapenv:Header><soapenv:Body><convertLeadResponse>{results}</convertLeadResponse></soapenv:Body></soapenv:Envelope>"#
    )
}

#[test]
fn a_body_begins_as_the_manifest_says_so_that_the_host_fills_in_the_session() {
    let manifest = include_str!("../../../../package.toml");
    assert!(manifest.contains(&format!("start = '''{START}'''\n")));
    assert_eq!(START.matches("{credential}").count(), 1);
}

#[test]
fn leads_go_out_in_the_order_of_the_wsdl_and_come_back_each_with_its_outcome() {
    let results = r#"<result><accountId>001dM00003kRs59QAC</accountId><contactId>003dM00001wBXYDQA4</contactId><leadId>00QdM00003kRs59UAC</leadId><opportunityId xsi:nil="true"/><success>true</success></result><result><accountId xsi:nil="true"/><contactId xsi:nil="true"/><errors xsi:type="Error"><fields>Status</fields><message>not &lt;this&gt; &amp;lt; one</message><statusCode>INVALID_STATUS</statusCode></errors><leadId xsi:nil="true"/><opportunityId xsi:nil="true"/><success>false</success></result>"#;
    let fake = Fake::new().answer(200, answer(results));
    let settings = r#"{"duplicate_rule":{"allow_save":true},"call_options":{"client":"acme/x"}}"#;
    let output = converted(&fake, settings).unwrap();
    assert_eq!(fake.lines(), ["POST /services/Soap/u/62.0"]);
    assert_eq!(
        fake.body(0),
        format!(
            "{START}<CallOptions><client>acme/x</client></CallOptions><DuplicateRuleHeader><allowSave>true</allowSave></DuplicateRuleHeader></s:Header><s:Body><convertLead><leadConverts><accountId>001dM00003kRs59QAC</accountId><convertedStatus>Closed &amp; &lt;Won&gt;</convertedStatus><doNotCreateOpportunity>true</doNotCreateOpportunity><leadId>00QdM00003kRs59UAC</leadId><overwriteLeadSource>false</overwriteLeadSource><sendNotificationEmail>false</sendNotificationEmail></leadConverts><leadConverts><convertedStatus>Closed</convertedStatus><doNotCreateOpportunity>false</doNotCreateOpportunity><leadId>00QdM00001wBXYDUA4</leadId><overwriteLeadSource>false</overwriteLeadSource><sendNotificationEmail>false</sendNotificationEmail></leadConverts></convertLead></s:Body></s:Envelope>"
        )
    );
    assert_eq!(fake.header(0, "SOAPAction").as_deref(), Some("\"\""));
    assert_eq!(
        fake.header(0, "Content-Type").as_deref(),
        Some("text/xml; charset=UTF-8")
    );
    assert_eq!(output["converted"], 1);
    assert_eq!(
        output["leads"][0],
        json!({ "lead": "00QdM00003kRs59UAC", "outcome": "converted", "account": "001dM00003kRs59QAC",
            "contact": "003dM00001wBXYDQA4", "opportunity": null })
    );
    let problem = &output["leads"][1]["problems"][0];
    assert_eq!(problem["code"], "INVALID_STATUS");
    assert_eq!(problem["message"], "not <this> &lt; one");
    assert_eq!(problem["fields"], json!(["Status"]));
}

#[test]
fn what_cannot_be_read_may_have_happened() {
    let one = "<result><leadId>00QdM00003kRs59UAC</leadId><success>true</success></result>";
    let swapped =
        format!("<result><leadId>00QdM00001wBXYDUA4</leadId><success>true</success></result>{one}");
    for lost in [
        String::new(),
        "<html>".to_owned(),
        answer(""),
        answer(one),
        answer("<result><success>true</success></result><result/>"),
        answer("<result><success>true</success></result><result>"),
    ] {
        let fake = Fake::new().answer(200, lost.clone());
        assert_eq!(converted(&fake, "{}"), Err(Error::UnknownOutcome), "{lost}");
    }
    // By the ids where they are told.
    let output = converted(&Fake::new().answer(200, answer(&swapped)), "{}").unwrap();
    assert_eq!(output["converted"], 2);
    for fake in [
        Fake::new().answer(500, "<h1>Server Error</h1>"),
        Fake::new().lose(broken(true)),
    ] {
        assert_eq!(converted(&fake, "{}"), Err(Error::UnknownOutcome));
    }
}

#[test]
fn a_fault_is_told_with_salesforces_own_code() {
    let fault = |code: &str, message: &str| {
        format!(
            "<soapenv:Envelope><soapenv:Body><soapenv:Fault><faultcode>{code}</faultcode><faultstring>{message}</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
        )
    };
    let body = fault(
        "sf:INSUFFICIENT_ACCESS",
        "INSUFFICIENT_ACCESS: no &amp; never",
    );
    match converted(&Fake::new().answer(500, body), "{}").unwrap_err() {
        Error::Refused(problem) => {
            assert_eq!(problem.advice, Advice::AskPermission);
            assert_eq!(problem.code, "INSUFFICIENT_ACCESS");
            assert_eq!(problem.message, "no & never");
        }
        error => panic!("{error:?}"),
    }
    let body = fault("soapenv:Client", "not well formed");
    let error = converted(&Fake::new().answer(500, body), "{}").unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
}
