//! Converting leads, which REST has no resource for: by SOAP, or through an
//! Apex REST class of the org if the settings name one.

mod soap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{at_most, told};
use crate::api::{Api, Ask, Kind, Path};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, Problem};
use crate::fault::{Effect, Entry, Fault, problem, refused};
use crate::host::{Host, Level, Method};
use crate::{names, wire};

/// Salesforce's bound of one conversion.
const MAX_LEADS: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LeadsInput {
    leads: Vec<Conversion>,
}

/// One lead, in our words and in Salesforce's.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Conversion {
    #[serde(rename(serialize = "leadId"))]
    lead: String,
    #[serde(rename(serialize = "convertedStatus"))]
    status: String,
    #[serde(default, rename(serialize = "accountId"))]
    account: Option<String>,
    #[serde(default, rename(serialize = "contactId"))]
    contact: Option<String>,
    #[serde(default, rename(serialize = "opportunityId"))]
    opportunity: Option<String>,
    #[serde(default, rename(serialize = "opportunityName"))]
    opportunity_name: Option<String>,
    #[serde(default, rename(serialize = "doNotCreateOpportunity"))]
    no_opportunity: bool,
    #[serde(default, rename(serialize = "ownerId"))]
    owner: Option<String>,
    #[serde(default, rename(serialize = "sendNotificationEmail"))]
    notify_owner: bool,
    #[serde(default, rename(serialize = "overwriteLeadSource"))]
    overwrite_lead_source: bool,
}

/// What became of one lead.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Converted {
    lead_id: String,
    success: bool,
    #[serde(default)]
    account_id: Option<String>,
    #[serde(default)]
    contact_id: Option<String>,
    #[serde(default)]
    opportunity_id: Option<String>,
    #[serde(default)]
    errors: Option<Vec<Entry>>,
}

/// Converts leads, each by itself.
pub(super) async fn convert<H: Host>(
    api: &Api<H>,
    mut input: LeadsInput,
) -> Result<Vec<u8>, Error> {
    at_most("leads", input.leads.len(), MAX_LEADS)?;
    for conversion in &mut input.leads {
        conversion.check().map_err(Error::Refused)?;
    }
    let mut ids: Vec<&str> = input.leads.iter().map(|lead| lead.lead.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() < input.leads.len() {
        return Err(wrong("a lead is named twice"));
    }
    if ids.is_empty() {
        return Ok(br#"{"converted":0,"leads":[]}"#.to_vec());
    }
    let results = match &api.settings.lead_conversion {
        Some(class) => by_class(api, class, &input.leads).await?,
        None => by_soap(api, &input.leads).await?,
    };
    let Some(told) = told_of(&input.leads, &results) else {
        api.host
            .log(Level::Error, "the answer to a write could not be read", &[]);
        return Err(Error::UnknownOutcome);
    };
    let converted = results.iter().filter(|result| result.success).count();
    Ok(json!({ "converted": converted, "leads": told })
        .to_string()
        .into_bytes())
}

async fn by_class<H: Host>(
    api: &Api<H>,
    class: &str,
    leads: &[Conversion],
) -> Result<Vec<Converted>, Error> {
    let body = json!({ "leadConverts": leads }).to_string();
    let mut ask = Ask::new(Method::Post, "", Kind::Write).body(body.into_bytes());
    ask.path = Path::Given(format!("/services/apexrest/{class}"));
    let answer = api.send(ask).await?;
    if answer.status == 200 {
        return Ok(wire::read(&answer.body).unwrap_or_default());
    }
    Err(explained(&Fault::read(answer.status, &answer.body)))
}

async fn by_soap<H: Host>(api: &Api<H>, leads: &[Conversion]) -> Result<Vec<Converted>, Error> {
    let version = api.version().await?;
    let mut ask = Ask::new(Method::Post, "", Kind::Write);
    ask.path = Path::Given(format!("/services/Soap/u/{version}"));
    ask.body = Some(soap::envelope(leads, &api.settings));
    ask.headers = [
        ("Accept", "text/xml"),
        ("Content-Type", "text/xml; charset=UTF-8"),
        ("SOAPAction", "\"\""),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    let answer = api.send(ask).await?;
    if answer.status == 200 {
        return Ok(soap::results(&answer.body, leads).unwrap_or_default());
    }
    Err(soap::fault(answer.status, &answer.body).error(Some("Lead"), Effect::Write))
}

impl Conversion {
    /// Checks the ids, and writes them with 18 characters.
    fn check(&mut self) -> Result<(), Problem> {
        self.lead = names::id(&self.lead)?;
        let others = [
            &mut self.account,
            &mut self.contact,
            &mut self.opportunity,
            &mut self.owner,
        ];
        for id in others.into_iter().flatten() {
            *id = names::id(id)?;
        }
        Ok(())
    }
}

/// In the order of the leads; nothing if one of them has no result.
fn told_of(leads: &[Conversion], results: &[Converted]) -> Option<Vec<Value>> {
    let told = leads.iter().map(|lead| {
        let same = |result: &&Converted| names::id(&result.lead_id).is_ok_and(|id| id == lead.lead);
        let result = results.iter().find(same)?;
        if result.success {
            return Some(json!({
                "lead": lead.lead,
                "outcome": "converted",
                "account": result.account_id,
                "contact": result.contact_id,
                "opportunity": result.opportunity_id,
            }));
        }
        let errors = result.errors.iter().flatten();
        let mut problems: Vec<Problem> = errors
            .map(|entry| entry.problem(400, Some("Lead")))
            .collect();
        if problems.is_empty() {
            problems.push(problem(
                Advice::CheckOutcome,
                "UNKNOWN_EXCEPTION",
                "Salesforce refused this lead and gave no reason",
            ));
        }
        Some(json!({
            "lead": lead.lead,
            "outcome": "failed",
            "problems": told::problems(&problems),
        }))
    });
    told.collect()
}

/// What the class as a whole refuses.
fn explained(fault: &Fault) -> Error {
    let mut problems = fault.all_problems(Some("Lead"));
    match (fault.code(), problems.pop()) {
        ("NOT_FOUND", Some(mut problem)) => {
            problem.advice = Advice::FixSchema;
            "the org has no Apex class at the path of the setting lead_conversion, or the \
             connected user may not use it"
                .clone_into(&mut problem.message);
            Error::Refused(problem)
        }
        // An exception that the class lets out undoes all it has done.
        ("APEX_ERROR", Some(mut problem)) => {
            problem.advice = Advice::FixRecord;
            Error::Refused(problem)
        }
        _ => fault.error(Some("Lead"), Effect::Write),
    }
}

fn wrong(message: &str) -> Error {
    refused(Advice::FixRecord, "INVALID_INPUT", message)
}
