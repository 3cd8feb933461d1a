//! The SOAP API, of which only that is built which REST does not have: `login`,
//! `logout` and `convertLead`.

mod convert;
mod login;
pub(crate) mod xml;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use hyper::header::HeaderValue;

use self::xml::{Element, escaped};
use super::data::admit::{self, Refused};
use crate::events::Origin;
use crate::http::{answer, body};
use crate::state::Shared;

const XML: HeaderValue = HeaderValue::from_static("text/xml;charset=UTF-8");

/// Namespaces that every answer declares. The faults' own comes with them.
const ENVELOPE: &str = r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com" xmlns:sf="urn:fault.partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">"#;

/// The type of a fault that has none of its own.
const UNEXPECTED: &str = "UnexpectedErrorFault";

/// `POST /services/Soap/u/60.0`, with or without the organization's id.
pub(super) async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, stream) = request.into_parts();
    if head.method != hyper::Method::POST {
        return answer::empty(405);
    }
    let Ok(bytes) = body::read(&head.headers, stream, body::LIMIT).await else {
        return fault("soapenv:Client", "The request body cannot be read", None);
    };
    let text = String::from_utf8_lossy(&bytes);
    let Some(envelope) = Element::parse(&text).filter(|root| root.name == "Envelope") else {
        let message = "content is not allowed in prolog or the envelope is not well formed";
        return fault("soapenv:Client", message, None);
    };
    let header = envelope.child("Header");
    let part = |name: &str| header.and_then(|header| header.child(name));
    let operation = envelope
        .child("Body")
        .and_then(|body| body.children.first());
    if let Some(call) = operation.filter(|call| call.name == "login") {
        let version = head.uri.path().split('/').nth(4).unwrap_or_default();
        return match login::run(&shared, call, version) {
            Ok(result) => done("loginResponse", &result, ""),
            Err((code, message)) => exception("LoginFault", code, &message),
        };
    }
    let token = part("SessionHeader").and_then(|header| header.text_of("sessionId"));
    let token = token.unwrap_or_default();
    let caller = match admit::admit_token(&shared, token) {
        Ok(caller) => caller,
        Err(refused) => return refuse(&shared, &refused),
    };
    let response = match operation {
        Some(call) if call.name == "logout" => {
            shared.oauth().revoke(token);
            done("logoutResponse", "", &limits(&shared))
        }
        Some(call) if call.name == "convertLead" => {
            let allow = part("DuplicateRuleHeader")
                .and_then(|header| header.text_of("allowSave"))
                .is_some_and(|value| value == "true");
            let version = head.uri.path().split('/').nth(4).unwrap_or_default();
            let client = part("CallOptions").and_then(|header| header.text_of("client"));
            let version = version.parse().unwrap_or(0.0);
            let origin = Origin::api(&caller.user, "soap", version, client);
            match convert::run(&shared, &caller.user, call, allow, &origin) {
                Ok(results) => done("convertLeadResponse", &results, &limits(&shared)),
                Err((code, message)) => exception(UNEXPECTED, code, &message),
            }
        }
        other => {
            let name = other.map_or("", |other| other.name.as_str());
            let message =
                format!("No operation available for request {{urn:partner.soap.sforce.com}}{name}");
            fault("soapenv:Client", &message, None)
        }
    };
    caller.sign(&shared, response)
}

/// What SOAP says of the daily limit, in the answer's header.
fn limits(shared: &Shared) -> String {
    let now_ms = shared.clock.now_ms();
    let mut usage = shared.usage();
    format!(
        "<soapenv:Header><LimitInfoHeader><limitInfo><current>{}</current><limit>{}</limit><type>API REQUESTS</type></limitInfo></LimitInfoHeader></soapenv:Header>",
        usage.used(now_ms),
        usage.max
    )
}

fn done(name: &str, inside: &str, header: &str) -> Response {
    let text = format!(
        "{ENVELOPE}{header}<soapenv:Body><{name}>{inside}</{name}></soapenv:Body></soapenv:Envelope>"
    );
    answer::with_type(200, XML, Body::from(text))
}

fn refuse(shared: &Shared, refused: &Refused) -> Response {
    let message = match refused.code {
        "INVALID_SESSION_ID" => "Invalid Session ID found in SessionHeader: Illegal Session",
        _ => &refused.message,
    };
    refused.sign(shared, exception(UNEXPECTED, refused.code, message))
}

/// A fault of this type with one of Salesforce's codes.
fn exception(kind: &str, code: &str, message: &str) -> Response {
    let detail = format!(
        r#"<sf:{kind} xsi:type="sf:{kind}"><sf:exceptionCode>{code}</sf:exceptionCode><sf:exceptionMessage>{}</sf:exceptionMessage></sf:{kind}>"#,
        escaped(message)
    );
    fault(
        &format!("sf:{code}"),
        &format!("{code}: {message}"),
        Some(&detail),
    )
}

/// Every fault answers 500, also those that the client has made.
fn fault(code: &str, message: &str, detail: Option<&str>) -> Response {
    let detail = detail.map_or_else(String::new, |detail| format!("<detail>{detail}</detail>"));
    let text = format!(
        "{ENVELOPE}<soapenv:Body><soapenv:Fault><faultcode>{code}</faultcode><faultstring>{}</faultstring>{detail}</soapenv:Fault></soapenv:Body></soapenv:Envelope>",
        escaped(message)
    );
    answer::with_type(500, XML, Body::from(text))
}
