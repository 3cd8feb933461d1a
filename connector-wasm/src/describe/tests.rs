//! Descriptions, and what they say about a refused field.

use super::*;
use crate::fake::{Fake, run};

/// A description with what matters here.
const CONTACT: &str = r#"{"name":"Contact","label":"Contact","custom":false,"createable":true,
  "updateable":true,"deletable":true,"queryable":true,"keyPrefix":"003","encoding":null,
  "childRelationships":[
    {"childSObject":"Task","field":"WhoId","relationshipName":"Tasks","cascadeDelete":true},
    {"childSObject":"AIInsight","field":"X","relationshipName":null}],
  "fields":[
    {"name":"Id","label":"Contact ID","type":"id","length":18,"nillable":false,"defaultedOnCreate":true,
     "createable":false,"updateable":false,"idLookup":true,"referenceTo":[],"picklistValues":[]},
    {"name":"LastName","label":"Last Name","type":"string","length":80,"nillable":false,
     "defaultedOnCreate":false,"createable":true,"updateable":true,"referenceTo":[],"picklistValues":[]},
    {"name":"AccountId","label":"Account ID","type":"reference","length":18,"nillable":true,
     "createable":true,"updateable":true,"referenceTo":["Account"],"picklistValues":[]},
    {"name":"Email","label":"Email","type":"email","length":80,"nillable":true,"createable":true,
     "updateable":true,"idLookup":true,"externalId":false,"referenceTo":[],"picklistValues":[]},
    {"name":"LeadSource","label":"Lead Source","type":"picklist","length":255,"nillable":true,
     "createable":true,"updateable":true,"restrictedPicklist":true,"referenceTo":[],
     "picklistValues":[{"active":true,"value":"Web"},{"active":false,"value":"Fax"}]},
    {"name":"Score__c","label":"Score","type":"double","length":0,"nillable":true,"custom":true,
     "createable":false,"updateable":false,"calculated":true,"referenceTo":[],"picklistValues":[]}]}"#;

fn contact() -> ObjectDescription {
    let fake = Fake::new().answer(200, CONTACT);
    let (description, prefix) = run(described(&fake.api(), "Contact", Age::Anew)).unwrap();
    assert_eq!(prefix.as_deref(), Some("003"));
    assert_eq!(
        fake.lines(),
        ["GET /services/data/v62.0/sobjects/Contact/describe"]
    );
    description
}

#[test]
fn a_description_tells_what_a_writer_must_know() {
    let description = contact();
    let field = |name: &str| {
        description
            .fields
            .iter()
            .find(|field| field.name == name)
            .unwrap()
            .clone()
    };
    let required: Vec<&str> = description
        .fields
        .iter()
        .filter(|field| field.required)
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(required, ["LastName"]);
    assert!(field("Email").external_id, "a standard key");
    assert_eq!(field("LeadSource").picklist, ["Web"]);
    assert!(field("LeadSource").restricted);
    assert_eq!(field("AccountId").references, ["Account"]);
    assert_eq!(
        description.children[0].relationship.as_deref(),
        Some("Tasks")
    );
    assert_eq!(description.children[1].relationship, None);
}

#[test]
fn an_object_that_is_not_there_is_a_matter_of_the_schema() {
    let fake = Fake::new().answer(
        404,
        r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#,
    );
    let Err(Error::Refused(problem)) = run(described(&fake.api(), "Nope__c", Age::Anew)) else {
        panic!("not refused");
    };
    assert_eq!(problem.advice, Advice::FixSchema);
    assert_eq!(problem.object.as_deref(), Some("Nope__c"));
    assert!(run(described(&Fake::new().api(), "../limits", Age::Anew)).is_err());
}

#[test]
fn all_objects_are_listed_with_what_the_user_may_do() {
    let fake = Fake::new().answer(
        200,
        r#"{"encoding":"UTF-8","maxBatchSize":200,"sobjects":[
            {"name":"Account","label":"Account","custom":false,"createable":true,"updateable":true,
             "deletable":true,"queryable":true,"keyPrefix":"001","urls":{}},
            {"name":"AccountChangeEvent","label":"x","keyPrefix":null,"createable":false,"queryable":false}]}"#,
    );
    let objects = run(global(&fake.api())).unwrap();
    assert_eq!(objects.len(), 2);
    assert!(objects[0].deletable && !objects[1].createable);
}

fn field_problem(fields: &[&str]) -> Problem {
    let mut problem = crate::fault::problem(
        Advice::FixSchema,
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        "Unable to create/update fields",
    );
    problem.fields = fields.iter().map(|&field| field.to_owned()).collect();
    problem
}

#[test]
fn a_hidden_field_is_named_and_permissions_are_said_to_be_the_likely_cause() {
    let mut problem = field_problem(&["Secret__c"]);
    explain(&mut problem, &contact(), std::iter::empty(), Access::Update);
    assert!(
        problem.message.starts_with("Secret__c cannot be seen"),
        "{}",
        problem.message
    );
    assert!(problem.message.contains("field-level security"));
    assert!(problem.message.contains("Salesforce says: Unable"));
}

#[test]
fn a_field_that_can_be_seen_but_not_edited_is_told_apart() {
    let mut problem = field_problem(&["Score__c"]);
    explain(&mut problem, &contact(), std::iter::empty(), Access::Update);
    assert!(
        problem
            .message
            .starts_with("Score__c can be seen but not edited")
    );
}

#[test]
fn where_salesforce_names_no_field_the_description_finds_it() {
    let mut problem = field_problem(&[]);
    let touched = ["LastName", "Account", "Parent__r", "Secret__c", "score__c"];
    explain(
        &mut problem,
        &contact(),
        touched.into_iter(),
        Access::Create,
    );
    assert_eq!(problem.fields, ["Secret__c", "score__c"]);
    assert_eq!(problem.object.as_deref(), Some("Contact"));
}
