//! `convertLead` of the SOAP API: what goes out, and how its answer is read.
//!
//! SOAP wants the session within the body. The body begins as the manifest says,
//! and the host puts the session where `{credential}` stands there.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::{Conversion, Converted};
use crate::fault::{Entry, Fault};
use crate::settings::Settings;

/// How a body begins in which the host fills in the session. `package.toml` has
/// the same text: a body that begins in any other way goes out as it is.
pub(super) const START: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
    <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
    xmlns=\"urn:partner.soap.sforce.com\"><s:Header><SessionHeader><sessionId>{credential}\
    </sessionId></SessionHeader>";

/// The request.
pub(super) fn envelope(leads: &[Conversion], settings: &Settings) -> Vec<u8> {
    let mut out = START.to_owned();
    for (name, pairs) in [
        ("CallOptions", Some(settings.call_options.as_str())),
        ("DuplicateRuleHeader", settings.duplicate_rule.as_deref()),
    ] {
        let Some(pairs) = pairs else { continue };
        let _written = write!(out, "<{name}>");
        // As in the header of a REST request: `a=b, c=d`, or with `; `.
        let pairs = pairs.split([',', ';']);
        for (key, value) in pairs.filter_map(|pair| pair.trim().split_once('=')) {
            push(&mut out, key, value);
        }
        let _written = write!(out, "</{name}>");
    }
    out.push_str("</s:Header><s:Body><convertLead>");
    for lead in leads {
        out.push_str("<leadConverts>");
        let flag = |flag: bool| Some(if flag { "true" } else { "false" });
        // In the order of the WSDL, which is that of the alphabet.
        for (name, value) in [
            ("accountId", lead.account.as_deref()),
            ("contactId", lead.contact.as_deref()),
            ("convertedStatus", Some(lead.status.as_str())),
            ("doNotCreateOpportunity", flag(lead.no_opportunity)),
            ("leadId", Some(lead.lead.as_str())),
            ("opportunityId", lead.opportunity.as_deref()),
            ("opportunityName", lead.opportunity_name.as_deref()),
            ("overwriteLeadSource", flag(lead.overwrite_lead_source)),
            ("ownerId", lead.owner.as_deref()),
            ("sendNotificationEmail", flag(lead.notify_owner)),
        ] {
            if let Some(value) = value {
                push(&mut out, name, value);
            }
        }
        out.push_str("</leadConverts>");
    }
    out.push_str("</convertLead></s:Body></s:Envelope>");
    out.into_bytes()
}

fn push(out: &mut String, name: &str, value: &str) {
    let _written = write!(out, "<{name}>");
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // XML has no way to write these.
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' => out.push(' '),
            c => out.push(c),
        }
    }
    let _written = write!(out, "</{name}>");
}

/// The results of an answer 200, one for each lead in their order; nothing if
/// it is not what is expected.
pub(super) fn results(body: &[u8], leads: &[Conversion]) -> Option<Vec<Converted>> {
    let text = std::str::from_utf8(body).ok()?;
    let found = elements(text, "result");
    if found.len() != leads.len() {
        return None;
    }
    let results = found.iter().zip(leads).map(|(result, lead)| {
        let errors = elements(result, "errors");
        let errors = errors.iter().map(|error| {
            let fields = elements(error, "fields");
            Entry::new(
                text_of(error, "statusCode").unwrap_or_default(),
                text_of(error, "message").unwrap_or_default(),
                fields
                    .iter()
                    .map(|field| unescaped(field).into_owned())
                    .collect(),
            )
        });
        // A lead that was not converted may not be named.
        let lead_id = text_of(result, "leadId").unwrap_or_else(|| lead.lead.clone());
        Some(Converted {
            lead_id,
            success: text_of(result, "success")? == "true",
            account_id: text_of(result, "accountId"),
            contact_id: text_of(result, "contactId"),
            opportunity_id: text_of(result, "opportunityId"),
            errors: Some(errors.collect()),
        })
    });
    results.collect()
}

/// What a fault says. Those of Salesforce bear its codes; anything else than a
/// fault is left to the status.
pub(super) fn fault(status: u16, body: &[u8]) -> Fault {
    let text = String::from_utf8_lossy(body);
    let Some(code) = text_of(&text, "faultcode") else {
        return Fault::read(status, body);
    };
    let code = code.strip_prefix("sf:").unwrap_or(&code);
    let message = text_of(&text, "faultstring").unwrap_or_default();
    let message = message
        .strip_prefix(code)
        .map_or(message.as_str(), |rest| rest.trim_start_matches([':', ' ']));
    Fault::of(
        400,
        Entry::new(code.to_owned(), message.to_owned(), Vec::new()),
    )
}

/// The text of the first element of this name; none if it is not there, empty,
/// or nil.
fn text_of(text: &str, name: &str) -> Option<String> {
    let inside = elements(text, name).into_iter().next()?;
    (!inside.is_empty()).then(|| unescaped(inside).into_owned())
}

/// What stands inside the elements of this name, which do not nest. The answers
/// hold no comments and no CDATA.
fn elements<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let closing = format!("</{name}>");
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('<') {
        rest = after;
        let Some(tag) = after.strip_prefix(name) else {
            continue;
        };
        if !tag.starts_with(['>', '/', ' ', '\t', '\r', '\n']) {
            continue;
        }
        let Some((attributes, inside)) = tag.split_once('>') else {
            break;
        };
        rest = inside;
        if attributes.ends_with('/') {
            found.push("");
        } else if let Some((inside, behind)) = inside.split_once(closing.as_str()) {
            found.push(inside);
            rest = behind;
        } else {
            break;
        }
    }
    found
}

/// Text with XML's five entities resolved; `&amp;` last, so that nothing is
/// resolved twice.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&");
    Cow::Owned(text)
}

#[cfg(test)]
mod tests;
