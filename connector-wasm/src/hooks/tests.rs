//! What is made of requests: acknowledged in Salesforce's own words, or refused, and
//! how often the org is asked.

use super::*;
use crate::bindings::exports::lockgate::connector::hooks::Header;
use crate::fake::{Fake, run};

/// A message with this inside its `notifications`.
pub(super) fn envelope(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n <soapenv:Body>\n  \
         <notifications xmlns=\"http://soap.sforce.com/2005/09/outbound\">{inside}\
         </notifications>\n </soapenv:Body>\n</soapenv:Envelope>\n"
    )
}

/// A notification of a lead with these fields beside its id.
pub(super) fn notification(id: &str, fields: &str) -> String {
    format!(
        "<Notification><Id>{id}</Id><sObject xsi:type=\"sf:Lead\" \
         xmlns:sf=\"urn:sobject.enterprise.soap.sforce.com\">{fields}</sObject></Notification>"
    )
}

const ORGANIZATION: &str = "<OrganizationId>00DdM00000vfgTuUAI</OrganizationId>";
const ACTION: &str = "<ActionId>04kdM00000000AB</ActionId>";

fn request(body: impl Into<Vec<u8>>) -> Request {
    Request {
        method: "POST".to_owned(),
        query: String::new(),
        headers: vec![Header {
            name: "content-type".to_owned(),
            value: "text/xml; charset=UTF-8".to_owned(),
        }],
        body: body.into(),
    }
}

/// A message of one lead.
fn message() -> String {
    let fields = "<sf:Id>00Q5J000004TNtzQAG</sf:Id><sf:Name>Müller &amp; Co</sf:Name>\
                  <sf:IsConverted>false</sf:IsConverted><sf:AnnualRevenue>1.5E7</sf:AnnualRevenue>\
                  <sf:Phone xsi:nil=\"true\"/>";
    envelope(&format!(
        "{ORGANIZATION}{ACTION}<SessionId>00DdM!a-session-of-the-org</SessionId>{}",
        notification("04l5J000004TNtz", fields)
    ))
}

/// An org of this id, with what is asked of it once.
fn org(id: &str) -> Fake {
    let organization = format!("{{\"done\":true,\"records\":[{{\"Id\":\"{id}\"}}]}}");
    Fake::new().answer(200, organization)
}

const LEAD: &str = r#"{"name":"Lead","fields":[{"name":"Name","type":"string"},
    {"name":"IsConverted","type":"boolean"},{"name":"AnnualRevenue","type":"currency"}]}"#;

fn accepted(outcome: Outcome) -> Acceptance {
    match outcome {
        Outcome::Accepted(acceptance) => acceptance,
        Outcome::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn refused(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal) => refusal,
        Outcome::Accepted(acceptance) => panic!("{acceptance:?}"),
    }
}

#[test]
fn a_message_of_the_org_becomes_an_event_and_is_acknowledged_word_for_word() {
    let fake = org("00DdM00000vfgTuUAI").answer(200, LEAD);
    let acceptance = accepted(run(receive(&fake.api(), &request(message()))).unwrap());
    let [Event::Message(told)] = &acceptance.events[..] else {
        panic!("{acceptance:?}");
    };
    assert_eq!(
        (told.id.as_str(), told.name.as_str()),
        ("04l5J000004TNtzQAG", "Lead")
    );
    assert_eq!(
        String::from_utf8_lossy(&told.payload),
        r#"{"Id":"00Q5J000004TNtzQAG","Name":"Müller & Co","IsConverted":false,"AnnualRevenue":1.5E7,"Phone":null}"#
    );
    assert_eq!(told.published_ms, 5_000);
    let answer = &acceptance.answer;
    assert_eq!(
        (answer.status, answer.content_type.as_str()),
        (200, "text/xml; charset=utf-8")
    );
    assert_eq!(
        String::from_utf8_lossy(&answer.body),
        "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\">\
         <soapenv:Body><notificationsResponse xmlns=\"http://soap.sforce.com/2005/09/outbound\">\
         <Ack>true</Ack></notificationsResponse></soapenv:Body></soapenv:Envelope>"
    );
    assert_eq!(
        fake.lines(),
        [
            "GET /services/data/v62.0/query?q=SELECT Id FROM Organization LIMIT 1",
            "GET /services/data/v62.0/sobjects/Lead/describe"
        ]
    );
    let logged = fake.0.logged.borrow().join("\n");
    assert!(!format!("{acceptance:?}{logged}").contains("a-session"));
    // What is known by now is not asked for again.
    accepted(run(receive(&fake.api(), &request(message()))).unwrap());
    assert!(fake.is_done());
}

#[test]
fn a_body_that_is_no_xml_is_refused_and_nothing_is_asked_of_the_org() {
    let fake = Fake::new();
    for (body, why) in [
        (
            b"{\"OrganizationId\": 1}".to_vec(),
            "it has text where elements belong",
        ),
        (b"\xff\xfe<\0".to_vec(), "the message is not in UTF-8"),
        (Vec::new(), "it is no outbound message"),
        (
            message().replace("<?xml", "<!DOCTYPE a><?xml").into_bytes(),
            "it has a document type",
        ),
    ] {
        let refusal = refused(run(receive(&fake.api(), &request(body))).unwrap());
        assert_eq!(refusal.answer.status, 400, "{why}");
        assert!(refusal.reason.ends_with(why), "{}", refusal.reason);
        assert!(!String::from_utf8_lossy(&refusal.answer.body).contains("Ack"));
    }
    let mut get = request(message());
    get.method = "GET".to_owned();
    let outcome = run(receive(&fake.api(), &get)).unwrap();
    assert_eq!(refused(outcome).answer.status, 405);
    let mut json = request(message());
    json.headers[0].value = "application/json".to_owned();
    let outcome = run(receive(&fake.api(), &json)).unwrap();
    assert_eq!(refused(outcome).answer.status, 415);
    assert!(fake.lines().is_empty());
}

#[test]
fn a_message_without_an_action_is_refused() {
    let fake = Fake::new();
    let body = message().replace(ACTION, "");
    let refusal = refused(run(receive(&fake.api(), &request(body))).unwrap());
    assert!(refusal.reason.ends_with("it has no ActionId"));
}

#[test]
fn a_message_of_another_org_is_refused_and_costs_a_call_in_five_minutes_at_most() {
    let fake = org("00D5J000004TNtz");
    for _ in 0..3 {
        let refusal = refused(run(receive(&fake.api(), &request(message()))).unwrap());
        assert_eq!(refusal.answer.status, 403);
        assert!(!refusal.reason.contains("00D"), "{}", refusal.reason);
    }
    assert_eq!(fake.lines().len(), 1);
    // The connection was authorised again, to the org of the message.
    fake.0.now_ms.set(5_000 + 5 * 60 * 1000);
    let organization = r#"{"done":true,"records":[{"Id":"00DdM00000vfgTu"}]}"#;
    let fake = fake.answer(200, organization).answer(200, LEAD);
    accepted(run(receive(&fake.api(), &request(message()))).unwrap());
    assert!(fake.is_done());
}

#[test]
fn without_a_description_fields_are_texts_and_a_passing_fault_is_left_to_the_sender() {
    let fake =
        org("00DdM00000vfgTuUAI").answer(404, r#"[{"errorCode":"NOT_FOUND","message":"x"}]"#);
    let acceptance = accepted(run(receive(&fake.api(), &request(message()))).unwrap());
    let [Event::Message(told)] = &acceptance.events[..] else {
        panic!("{acceptance:?}");
    };
    let payload = String::from_utf8_lossy(&told.payload);
    assert!(payload.contains(r#""IsConverted":"false""#), "{payload}");

    let fake = org("00DdM00000vfgTuUAI").lose(crate::fake::broken(true));
    let error = run(receive(&fake.api(), &request(message()))).unwrap_err();
    assert_eq!(error, Error::Unavailable(700));
}
