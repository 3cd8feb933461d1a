//! Aggregate functions, GROUP BY and HAVING.

use serde_json::{Value as Json, json};

use super::{Small, small};

/// The groups without their attributes.
fn groups(small: &Small, text: &str) -> Vec<Json> {
    let mut records = small.records(text);
    for record in &mut records {
        let removed = record.as_object_mut().unwrap().shift_remove("attributes");
        assert_eq!(removed, Some(json!({"type": "AggregateResult"})));
    }
    records
}

#[test]
fn functions_without_an_alias_are_numbered() {
    let small = small();
    assert_eq!(
        small.json("SELECT COUNT(Id), SUM(Amount), MAX(Amount) top, AVG(Amount), MIN(Name) FROM Opportunity"),
        r#"[{"attributes":{"type":"AggregateResult"},"expr0":3,"expr1":900.0,"top":500.0,"expr2":300.0,"expr3":"Big deal"}]"#
    );
}

#[test]
fn groups_have_their_key_by_field_name_or_alias() {
    let small = small();
    assert_eq!(
        groups(
            &small,
            "SELECT StageName, COUNT(Id) n FROM Opportunity GROUP BY StageName ORDER BY COUNT(Id) DESC"
        ),
        [
            json!({"StageName": "Prospecting", "n": 2}),
            json!({"StageName": "Closed Won", "n": 1})
        ]
    );
    assert_eq!(
        groups(
            &small,
            "SELECT Account.Name who, SUM(Amount) FROM Opportunity GROUP BY Account.Name ORDER BY Account.Name"
        ),
        [
            json!({"who": "Acme", "expr0": 600.0}),
            json!({"who": "Bolt", "expr0": 300.0})
        ]
    );
}

#[test]
fn missing_values_are_a_group_and_are_not_counted() {
    let small = small();
    assert_eq!(
        groups(
            &small,
            "SELECT Industry, COUNT(Id) a, COUNT(NumberOfEmployees) b, SUM(NumberOfEmployees) c FROM Account GROUP BY Industry ORDER BY Industry"
        ),
        [
            json!({"Industry": null, "a": 1, "b": 1, "c": 5}),
            json!({"Industry": "Technology", "a": 2, "b": 1, "c": 100}),
        ]
    );
    assert_eq!(
        groups(
            &small,
            "SELECT COUNT_DISTINCT(AccountId) n, COUNT(AccountId) FROM Contact"
        ),
        [json!({"n": 1, "expr0": 2})]
    );
}

#[test]
fn an_aggregate_over_no_rows_is_one_row_and_a_group_by_none() {
    let small = small();
    assert_eq!(
        groups(
            &small,
            "SELECT COUNT(Id), SUM(Amount) FROM Opportunity WHERE Name = 'None'"
        ),
        [json!({"expr0": 0, "expr1": null})]
    );
    assert!(
        groups(
            &small,
            "SELECT COUNT(Id) FROM Opportunity WHERE Name = 'None' GROUP BY StageName"
        )
        .is_empty()
    );
}

#[test]
fn having_filters_groups() {
    let small = small();
    let text = "SELECT StageName FROM Opportunity GROUP BY StageName HAVING COUNT(Id) > 1 AND StageName LIKE 'p%'";
    assert_eq!(groups(&small, text), [json!({"StageName": "Prospecting"})]);
}

#[test]
fn dates_group_by_their_parts() {
    let small = small();
    assert_eq!(
        groups(
            &small,
            "SELECT CALENDAR_YEAR(CloseDate) y, CALENDAR_MONTH(CloseDate), SUM(Amount) FROM Opportunity GROUP BY CALENDAR_YEAR(CloseDate), CALENDAR_MONTH(CloseDate) ORDER BY CALENDAR_YEAR(CloseDate), CALENDAR_MONTH(CloseDate)"
        ),
        [
            json!({"y": 2025, "expr0": 12, "expr1": 300.0}),
            json!({"y": 2026, "expr0": 1, "expr1": 100.0}),
            json!({"y": 2026, "expr0": 5, "expr1": 500.0}),
        ]
    );
    assert_eq!(
        groups(
            &small,
            "SELECT DAY_ONLY(CreatedDate) d FROM Opportunity GROUP BY DAY_ONLY(CreatedDate)"
        ),
        [json!({"d": "2026-05-16"})]
    );
}

#[test]
fn rollup_adds_subtotals_and_a_total() {
    let small = small();
    assert_eq!(
        groups(
            &small,
            "SELECT StageName, GROUPING(StageName) g, SUM(Amount) s FROM Opportunity GROUP BY ROLLUP(StageName) ORDER BY GROUPING(StageName), StageName"
        ),
        [
            json!({"StageName": "Prospecting", "g": 0, "s": 800.0}),
            json!({"StageName": "Closed Won", "g": 0, "s": 100.0}),
            json!({"StageName": null, "g": 1, "s": 900.0}),
        ]
    );
}

#[test]
fn what_is_neither_grouped_nor_aggregated_is_refused() {
    let small = small();
    for (text, complaint) in [
        (
            "SELECT Name, COUNT(Id) FROM Account",
            "Field must be grouped or aggregated: Name",
        ),
        (
            "SELECT COUNT(Id) FROM Account GROUP BY Name ORDER BY Industry",
            "Ordered field must be grouped or aggregated: Industry",
        ),
        (
            "SELECT COUNT(Id) FROM Account GROUP BY AnnualRevenue",
            "field 'AnnualRevenue' can not be grouped in a query call",
        ),
        (
            "SELECT SUM(Name) FROM Account",
            "field Name does not support aggregate operator SUM",
        ),
        (
            "SELECT COUNT(Id) n, MAX(Name) n FROM Account",
            "duplicate alias: n",
        ),
        (
            "SELECT MAX(CreatedDate) FROM Account LIMIT 1",
            "Non-grouped query that uses overall aggregate functions cannot also use LIMIT",
        ),
        (
            "SELECT Name, (SELECT Id FROM Contacts) FROM Account GROUP BY Name",
            "Grouped query cannot use child relationships in the SELECT list",
        ),
    ] {
        assert_eq!(
            small.complaint(text),
            ("MALFORMED_QUERY", complaint.to_owned()),
            "{text}"
        );
    }
}
