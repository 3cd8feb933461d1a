//! Records that cannot be written as they are: each is told why, by either way,
//! and the others are written just as they came.

use lockgate::{Advice, Connection, Error, Outcome, Records, WriteOptions};
use lockgate_tests::org::{Site, ids, query, records};
use serde_json::{Value as Json, json};

const KEY: &str = "External_Id__c";
const WAYS: [&str; 2] = ["collections", "bulk"];

fn by(way: &str) -> WriteOptions {
    WriteOptions {
        way: Some(way.to_owned()),
        ..WriteOptions::default()
    }
}

/// Creates accounts, and gives for each what was done, or the code, the fields
/// and the advice.
async fn told(crm: &Connection, way: &str, rows: &Json) -> Vec<(String, Vec<String>, Advice)> {
    let results = crm.create("Account", &records(rows), by(way)).await;
    let mut told = Vec::new();
    for result in results.unwrap() {
        told.push(match result.outcome {
            Outcome::Failed { problems } => {
                let problem = problems.into_iter().next().unwrap();
                (problem.code, problem.fields, problem.advice)
            }
            outcome => (format!("{outcome:?}"), Vec::new(), Advice::FixRecord),
        });
    }
    told
}

#[tokio::test]
async fn each_wrong_record_is_told_its_code_and_field_and_the_sound_ones_are_written() {
    let site = Site::start().await;
    let crm = site.crm().await;
    crm.create(
        "Account",
        &records(&json!([{"Name": "old", KEY: "old"}])),
        by("collections"),
    )
    .await
    .unwrap();
    for (round, way) in WAYS.into_iter().enumerate() {
        let key = |name: &str| format!("{name} by {way}");
        let rows = json!([
            {"Name": key("first"), KEY: key("first")},
            {"Name": key("long"), "TickerSymbol": "x".repeat(21)},
            {"Name": key("type"), "NumberOfEmployees": "many"},
            {"Name": key("id"), "ParentId": "not an id"},
            {"Name": key("gone"), "ParentId": "001000000000001AAA"},
            {"Name": key("twin"), KEY: "old"},
            {KEY: key("nameless")},
            {"Name": key("last"), KEY: key("last")},
        ]);
        let told = told(&crm, way, &rows).await;
        let codes: Vec<&str> = told.iter().map(|(code, ..)| code.as_str()).collect();
        assert_eq!(codes.first(), Some(&"Created"), "{way}: {told:?}");
        assert_eq!(codes.last(), Some(&"Created"), "{way}: {told:?}");
        assert_eq!(codes[1], "STRING_TOO_LONG", "{way}");
        assert_eq!(told[1].1, ["TickerSymbol"], "{way}");
        assert!(codes[3].contains("MALFORMED_ID"), "{way}: {told:?}");
        assert_eq!(codes[5], "DUPLICATE_VALUE", "{way}");
        assert_eq!(told[5].2, Advice::ResolveDuplicate, "{way}");
        assert_eq!(codes[6], "REQUIRED_FIELD_MISSING", "{way}");
        assert_eq!(told[6].1, ["Name"], "{way}");
        let failed = codes.iter().filter(|code| **code != "Created").count();
        assert_eq!(failed, 6, "{way}: {told:?}");
        let there = query(&crm, "SELECT Name FROM Account").await;
        assert_eq!(there.len(), 1 + 2 * (round + 1), "{way}: {there:?}");
    }
}

#[tokio::test]
async fn an_unknown_field_is_named_and_no_record_of_it_is_taken_for_written() {
    let site = Site::start().await;
    let crm = site.crm().await;
    for way in WAYS {
        let rows = json!([{"Name": "A", "Nope__c": 1}, {"Name": "B", "Nope__c": 2}]);
        let outcome = crm.create("Account", &records(&rows), by(way)).await;
        let problems: Vec<_> = match outcome {
            Ok(results) => results
                .into_iter()
                .map(|result| match result.outcome {
                    Outcome::Failed { mut problems } => problems.remove(0),
                    outcome => panic!("{way}: {outcome:?}"),
                })
                .collect(),
            Err(Error::Refused { problem, .. }) => vec![*problem],
            Err(error) => panic!("{way}: {error:?}"),
        };
        for problem in problems {
            assert_eq!(problem.advice, Advice::FixSchema, "{way}: {problem:?}");
            assert_eq!(problem.fields, ["Nope__c"], "{way}: {problem:?}");
        }
    }
    assert!(query(&crm, "SELECT Id FROM Account").await.is_empty());
}

#[tokio::test]
async fn one_key_on_several_rows_of_an_upsert_makes_one_record_at_most() {
    let site = Site::start().await;
    let crm = site.crm().await;
    for way in WAYS {
        let rows = json!([
            {KEY: way, "Name": "A"},
            {KEY: format!("{way} other"), "Name": "B"},
            {KEY: way, "Name": "C"},
        ]);
        let results = crm.upsert("Account", KEY, &records(&rows), by(way)).await;
        let results = results.unwrap();
        assert!(results[1].is_ok(), "{way}: {results:?}");
        let soql = format!("SELECT Id, Name FROM Account WHERE {KEY} = '{way}'");
        let made = query(&crm, &soql).await;
        let told = [&results[0], &results[2]];
        assert!(made.len() <= 1, "{way}: {made:?}");
        for result in told.iter().filter(|result| result.is_ok()) {
            assert_eq!(result.id.as_deref(), made[0]["Id"].as_str(), "{way}");
        }
        if made.is_empty() {
            assert!(told.iter().all(|result| !result.is_ok()), "{way}: {told:?}");
        }
    }
}

#[tokio::test]
async fn quotes_line_breaks_and_blanks_come_back_as_they_went() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let texts = [
        "plain",
        "a \"quoted\" word, and a comma",
        "two\nlines",
        "two\r\nlines",
        "a lone \r return",
        " blanks around ",
        "\"",
        "\"\"",
        ",",
        "N/A",
        "=SUM(A1)",
        "ünï¢ödé 🚢 \u{2028} \u{feff}inside",
        "tab\tand \\ backslash \\n",
    ];
    for way in WAYS {
        let rows: Vec<Json> = texts
            .iter()
            .enumerate()
            .map(|(at, text)| json!({"Name": format!("{at}"), "Site": way, "Description": text}))
            .collect();
        let results = crm.create("Account", &records(&json!(rows)), by(way)).await;
        let made = ids(&results.unwrap());
        for read in ["rest", "bulk"] {
            let soql = format!("SELECT Id, Name, Description FROM Account WHERE Site = '{way}'");
            let options = lockgate::QueryOptions {
                way: Some(read.to_owned()),
                ..Default::default()
            };
            let pages = crm.query(&soql, options).await.unwrap();
            let mut found: Vec<Json> = pages.collect(100).await.unwrap().to_vec().unwrap();
            found.sort_by_key(|row| row["Name"].as_str().unwrap().parse::<usize>().unwrap());
            for (at, row) in found.iter().enumerate() {
                // Blanks at the ends are Salesforce's to trim.
                let text = row["Description"].as_str().unwrap().trim();
                assert_eq!(text, texts[at].trim(), "by {way}, read by {read}");
                assert_eq!(row["Id"].as_str(), Some(&*made[at]), "by {way}");
            }
            assert_eq!(found.len(), texts.len());
        }
    }
}

#[tokio::test]
async fn a_record_of_400_000_characters_is_refused_by_itself() {
    let site = Site::start().await;
    let crm = site.crm().await;
    for way in WAYS {
        let huge = "0123456789 \"x\"\n".repeat(400_000 / 15 + 1);
        let rows = json!([
            {"Name": format!("before by {way}")},
            {"Name": "huge", "Description": huge},
            {"Name": format!("behind by {way}")},
        ]);
        let told = told(&crm, way, &rows).await;
        assert_eq!((&*told[0].0, &*told[2].0), ("Created", "Created"), "{way}");
        assert_ne!(told[1].0, "Created", "{way}");
        assert_eq!(told[1].2, Advice::FixRecord, "{way}: {:?}", told[1]);
    }
    let there = query(&crm, "SELECT Name FROM Account WHERE Name = 'huge'").await;
    assert!(there.is_empty());
}

#[tokio::test]
async fn what_is_no_utf_8_or_no_json_never_reaches_the_sandbox() {
    for bytes in [
        &b"[{\"Name\":\"\xff\"}]"[..],
        b"[{\"Name\":\"\xc3\"}]",
        b"[{\"Name\":\"A\"}",
        b"{\"Name\":\"A\"}",
        b"<html></html>",
        b"",
    ] {
        let error = Records::from_json(bytes.to_vec()).unwrap_err();
        assert!(matches!(error, Error::Input(_)), "{error:?}");
    }
}
