//! The `convertLead` call on the wire: up to a hundred leads, each with its
//! own result, in the order in which they were asked for.

use super::xml::{Element, escaped};
use crate::events::Origin;
use crate::fault::Fault;
use crate::org::{Conversion, Converted, WriteOptions};
use crate::state::Shared;
use crate::user::User;

/// Most leads in one call.
const MOST: usize = 100;

/// Converts the leads; an error refuses the call as a whole.
pub(super) fn run(
    shared: &Shared,
    who: &User,
    call: &Element,
    allow_duplicates: bool,
    origin: &Origin,
) -> Result<String, (&'static str, String)> {
    let wanted: Vec<&Element> = call
        .children
        .iter()
        .filter(|child| child.name == "leadConverts")
        .collect();
    if wanted.len() > MOST {
        return Err((
            "EXCEEDED_ID_LIMIT",
            format!("record limit reached. cannot submit more than {MOST} records into this call"),
        ));
    }
    let options = WriteOptions {
        allow_duplicates,
        ..WriteOptions::default()
    };
    let mut out = String::new();
    for one in wanted {
        let conversion = read(one);
        let done = shared
            .org_mut_as(origin.clone())
            .convert_lead(who, &conversion, &options);
        write(&mut out, &conversion, done);
    }
    Ok(out)
}

fn read(one: &Element) -> Conversion {
    let text = |name: &str| one.text_of(name).map(str::to_owned);
    let flag = |name: &str| matches!(one.text_of(name), Some("true" | "1"));
    Conversion {
        lead: text("leadId").unwrap_or_default(),
        status: text("convertedStatus").unwrap_or_default(),
        account: text("accountId"),
        contact: text("contactId"),
        opportunity: text("opportunityId"),
        opportunity_name: text("opportunityName"),
        no_opportunity: flag("doNotCreateOpportunity"),
        owner: text("ownerId"),
        overwrite_source: flag("overwriteLeadSource"),
    }
}

fn write(out: &mut String, asked: &Conversion, done: Result<Converted, Fault>) {
    let (ids, fault) = match done {
        Ok(converted) => (converted, None),
        Err(fault) => {
            let lead = asked.lead.as_str().into();
            let nothing = Converted {
                lead,
                account: None,
                contact: None,
                opportunity: None,
            };
            (nothing, Some(fault))
        }
    };
    out.push_str("<result>");
    element(out, "accountId", ids.account.as_deref());
    element(out, "contactId", ids.contact.as_deref());
    if let Some(fault) = &fault {
        out.push_str("<errors>");
        for field in &fault.fields {
            element(out, "fields", Some(field));
        }
        element(out, "message", Some(&fault.message));
        element(out, "statusCode", Some(fault.code));
        out.push_str("</errors>");
    }
    element(out, "leadId", Some(&ids.lead));
    element(out, "opportunityId", ids.opportunity.as_deref());
    let success = fault.is_none().to_string();
    element(out, "success", Some(&success));
    out.push_str("</result>");
}

fn element(out: &mut String, name: &str, text: Option<&str>) {
    match text {
        Some(text) => out.extend(["<", name, ">", &escaped(text), "</", name, ">"]),
        None => out.extend(["<", name, " xsi:nil=\"true\"/>"]),
    }
}
