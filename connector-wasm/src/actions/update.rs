//! Changing one record under a condition: only if there is one with this key,
//! or only if nobody has changed it meanwhile.

use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::UtcOffset;
use time::format_description::well_known::{Rfc2822, Rfc3339};

use super::related;
use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::body::{KeyedBy, read_rows};
use crate::fault::{Effect, Fault, problem, refused};
use crate::host::{Answer, Host, Method};
use crate::names;
use crate::soql;
use crate::wire::{self, RowResult};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ByKeyInput<'a> {
    object: String,
    field: String,
    value: String,
    #[serde(borrow)]
    fields: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnchangedInput<'a> {
    object: String,
    id: String,
    #[serde(borrow)]
    fields: &'a RawValue,
    unchanged_since: String,
}

/// Changes the one record with this key, and creates none.
pub(super) async fn by_key<H: Host>(api: &Api<H>, input: ByKeyInput<'_>) -> Result<Vec<u8>, Error> {
    let (object, field) = (&input.object, &input.field);
    let path = related::key_path(object, field, &input.value)?;
    let ask = Ask::new(Method::Patch, path, Kind::Write)
        .pair("updateOnly", "true")
        .body(body(input.fields)?);
    let answer = api.send(ask).await?;
    if answer.status < 300 {
        return updated(&answer);
    }
    if related::is_missing(&answer) {
        related::check_key_field(api, object, field).await?;
        return Ok(br#"{"outcome":"not-there"}"#.to_vec());
    }
    Err(related::key_refusal(&answer, object, field, Effect::Write))
}

/// Changes a record unless somebody has changed it since.
pub(super) async fn if_unchanged<H: Host>(
    api: &Api<H>,
    input: UnchangedInput<'_>,
) -> Result<Vec<u8>, Error> {
    names::object(&input.object)?;
    let id = names::id(&input.id).map_err(Error::Refused)?;
    let since = http_date(&input.unchanged_since).ok_or_else(|| {
        wrong("unchanged_since is a moment such as 2026-05-01T07:25:37.000+0000: the record's LastModifiedDate")
    })?;
    let path = format!("/sobjects/{}/{id}", input.object);
    let mut ask = Ask::new(Method::Patch, path, Kind::Write).body(body(input.fields)?);
    ask.headers.push(("If-Unmodified-Since".to_owned(), since));
    let answer = api.send(ask).await?;
    match answer.status {
        ..300 => updated(&answer),
        412 => {
            let mut changed = problem(
                Advice::Refetch,
                "PRECONDITION_FAILED",
                &format!(
                    "not written: the record has changed since {}; read it again, and decide anew",
                    input.unchanged_since
                ),
            );
            changed.object = Some(input.object);
            Err(Error::Refused(changed))
        }
        status => {
            let fault = Fault::read(status, &answer.body);
            Err(fault.error(Some(&input.object), Effect::Write))
        }
    }
}

/// What a success says, unless something on the way has answered.
fn updated(answer: &Answer) -> Result<Vec<u8>, Error> {
    let done = || Ok(br#"{"outcome":"updated"}"#.to_vec());
    if answer.status == 204 {
        return done();
    }
    let result = wire::read::<RowResult>(&answer.body).filter(|result| result.success);
    match result {
        Some(result) if answer.status == 201 || result.created == Some(true) => {
            let id = result.id.unwrap_or_default();
            Err(refused(
                Advice::FixSchema,
                "UNSUPPORTED_API_VERSION",
                &format!(
                    "there was no such record, and {id} was created: the API version that is \
                     spoken does not know updateOnly; choose a newer one, and delete that record"
                ),
            ))
        }
        Some(_) => done(),
        None => Err(Error::UnknownOutcome),
    }
}

/// The fields as the body of a record's own route.
fn body(fields: &RawValue) -> Result<Vec<u8>, Error> {
    let rows = format!("[{}]", fields.get());
    let row = read_rows(rows.as_bytes(), KeyedBy::Nothing)?.pop();
    let row = row.ok_or_else(|| wrong("fields are a JSON object"))?;
    row.map(|row| row.alone()).map_err(Error::Refused)
}

/// A moment of ISO 8601 in the form that HTTP gives dates, to the second below.
fn http_date(text: &str) -> Option<String> {
    let moment = OffsetDateTime::parse(&soql::moment(text)?, &Rfc3339).ok()?;
    let date = moment.to_offset(UtcOffset::UTC).format(&Rfc2822).ok()?;
    Some(format!("{}GMT", date.strip_suffix("+0000")?))
}

fn wrong(message: &str) -> Error {
    refused(Advice::FixRecord, "INVALID_INPUT", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::actions::tests::invoked;
    use crate::fake::Fake;

    const SINCE: &str = "2026-05-01T07:25:37.999+0000";
    const ACCOUNT: &str = "0015J000004TNtzQAG";

    #[test]
    fn a_moment_becomes_a_date_of_http() {
        for (moment, date) in [
            (SINCE, "Fri, 01 May 2026 07:25:37 GMT"),
            ("2026-05-01T00:25:37+02:00", "Thu, 30 Apr 2026 22:25:37 GMT"),
        ] {
            assert_eq!(http_date(moment).as_deref(), Some(date));
        }
        assert_eq!(http_date("2026-05-01"), None);
        assert_eq!(http_date("2026-02-30T07:25:37Z"), None);
    }

    #[test]
    fn a_record_is_changed_by_its_key_and_never_created() {
        let missing =
            r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#;
        let fake = Fake::new()
            .answer(
                200,
                r#"{"id":"0015J000004TNtzQAG","success":true,"errors":[],"created":false}"#,
            )
            .answer(204, "");
        let input = json!({ "object": "Account", "field": "Key__c", "value": "a/1",
            "fields": { "attributes": { "type": "Account" }, "Name": "B" } })
        .to_string();
        for _ in 0..2 {
            let output = invoked(&fake, "update-by-key", &input).unwrap();
            assert_eq!(output, json!({ "outcome": "updated" }));
        }
        assert_eq!(
            fake.lines()[0],
            "PATCH /services/data/v62.0/sobjects/Account/Key__c/a%2F1?updateOnly=true"
        );
        assert_eq!(fake.body(0), r#"{"Name":"B"}"#);

        let described = r#"{"name":"Account","label":"Account","fields":[{"name":"Key__c","label":"Key",
            "type":"string","externalId":true,"nillable":true,"createable":true,"updateable":true}]}"#;
        let fake = Fake::new().answer(404, missing).answer(200, described);
        let output = invoked(&fake, "update-by-key", &input).unwrap();
        assert_eq!(output, json!({ "outcome": "not-there" }));
    }

    #[test]
    fn an_org_that_creates_all_the_same_is_told_on_and_a_page_for_people_is_no_answer() {
        let created = r#"{"id":"0015J000004TNtzQAG","success":true,"errors":[],"created":true}"#;
        let fake = Fake::new().answer(201, created).answer(200, "<html>");
        let input = json!({ "object": "Account", "field": "Key__c", "value": "1", "fields": {} })
            .to_string();
        let error = invoked(&fake, "update-by-key", &input).unwrap_err();
        let Error::Refused(problem) = error else {
            panic!("{error:?}")
        };
        assert_eq!(problem.code, "UNSUPPORTED_API_VERSION");
        assert!(problem.message.contains(ACCOUNT), "{problem:?}");
        let error = invoked(&fake, "update-by-key", &input).unwrap_err();
        assert!(matches!(error, Error::UnknownOutcome), "{error:?}");
    }

    #[test]
    fn a_record_that_changed_meanwhile_is_not_written_and_to_be_read_again() {
        let fake = Fake::new().answer(204, "").answer(412, "");
        let input = json!({ "object": "Account", "id": ACCOUNT, "fields": { "Name": "B" },
            "unchanged_since": SINCE })
        .to_string();
        let output = invoked(&fake, "update-if-unchanged", &input).unwrap();
        assert_eq!(output, json!({ "outcome": "updated" }));
        let since = fake.header(0, "If-Unmodified-Since");
        assert_eq!(since.as_deref(), Some("Fri, 01 May 2026 07:25:37 GMT"));
        let error = invoked(&fake, "update-if-unchanged", &input).unwrap_err();
        let Error::Refused(problem) = error else {
            panic!("{error:?}")
        };
        assert_eq!(problem.advice, Advice::Refetch);
        assert_eq!(problem.code, "PRECONDITION_FAILED");
        assert!(problem.message.contains(SINCE), "{problem:?}");
    }

    #[test]
    fn what_is_no_record_or_no_moment_is_refused_before_it_is_sent() {
        for (fields, since) in [("[]", SINCE), ("{},{}", SINCE), ("{}", "yesterday")] {
            let input = format!(
                r#"{{"object":"Account","id":"{ACCOUNT}","fields":{fields},"unchanged_since":"{since}"}}"#
            );
            let error = invoked(&Fake::new(), "update-if-unchanged", &input).unwrap_err();
            assert!(matches!(error, Error::Refused(_)), "{input}: {error:?}");
        }
    }
}
