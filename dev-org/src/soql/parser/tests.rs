//! What parses, into what, and what is refused with which words.

use super::parse;
use crate::soql::ast::{Condition, Expr, FieldSet, LiteralKind, Right, SelectItem};
use crate::soql::error::QueryError;

fn filter(condition: &str) -> Condition {
    parse(&format!("SELECT Id FROM Account WHERE {condition}"))
        .unwrap()
        .filter
        .unwrap()
}

fn refused(text: &str) -> QueryError {
    parse(text).unwrap_err()
}

#[test]
fn keywords_are_case_insensitive_and_clauses_come_in_order() {
    let query = parse(
        "select Id, Name from Account a using scope mine where Name = 'x' with security_enforced \
         group by Name having count(Id) > 1 order by Name desc nulls last, Id limit 5 offset 10 \
         for view for reference all rows",
    )
    .unwrap();
    assert_eq!(query.from.text, "Account");
    assert_eq!(query.alias.unwrap().text, "a");
    assert_eq!((query.limit, query.offset), (Some(5), Some(10)));
    assert!(query.all_rows && query.having.is_some());
    assert!(query.order[0].descending && query.order[0].nulls_last);
    assert!(!query.order[1].descending && !query.order[1].nulls_last);
}

#[test]
fn every_kind_of_select_item_parses() {
    let query = parse(
        "SELECT Id, Owner.Name, MAX(Amount) top, toLabel(Status), FORMAT(MIN(CloseDate)) first, \
         FIELDS(CUSTOM), (SELECT Id FROM Contacts LIMIT 2), \
         TYPEOF What WHEN Account THEN Phone, Name WHEN Order THEN Status ELSE Name END \
         FROM Task",
    )
    .unwrap();
    assert_eq!(query.select.len(), 8);
    assert!(matches!(
        query.select[5],
        SelectItem::Fields(FieldSet::Custom, _)
    ));
    let SelectItem::Children(children) = &query.select[6] else {
        panic!("no subquery");
    };
    assert_eq!(children.from.text, "Contacts");
    let SelectItem::TypeOf(type_of) = &query.select[7] else {
        panic!("no TYPEOF");
    };
    assert_eq!(type_of.branches.len(), 2);
    assert_eq!(type_of.otherwise.len(), 1);
}

#[test]
fn a_count_without_a_field_stands_alone() {
    let query = parse("SELECT COUNT() FROM Account").unwrap();
    assert_eq!(query.select, vec![SelectItem::Count]);
    assert_eq!(
        refused("SELECT COUNT(), Id FROM Account").message,
        "COUNT() must be the only element in the SELECT list"
    );
}

#[test]
fn and_and_or_may_not_be_mixed_without_parentheses() {
    let text = "SELECT Id FROM Account WHERE A = 1 AND B = 2 OR C = 3";
    assert_eq!(
        refused(text).full_message(text),
        "\nAccount WHERE A = 1 AND B = 2 OR C = 3\n                              ^\nERROR at Row:1:Column:46\nunexpected token: 'OR'"
    );
    let Condition::And(parts) = filter("A = 1 AND (B = 2 OR C = 3) AND (NOT D = 4)") else {
        panic!("no AND");
    };
    assert!(matches!(parts[1], Condition::Or(_)));
    assert!(matches!(parts[2], Condition::Not(_)));
}

#[test]
fn every_operator_parses() {
    let operators = [
        "= 1",
        "!= 1",
        "<> 1",
        "< 1",
        "<= 1",
        "> 1",
        ">= 1",
        "LIKE 'a%'",
        "IN ('a', 'b')",
        "NOT IN ('a')",
        "IN (SELECT Id FROM Account)",
        "NOT IN (SELECT AccountId FROM Contact)",
        "INCLUDES ('a;b', 'c')",
        "EXCLUDES ('a')",
    ];
    for operator in operators {
        assert!(matches!(
            filter(&format!("F {operator}")),
            Condition::Test(_)
        ));
    }
}

#[test]
fn every_kind_of_literal_parses() {
    let literal = |text: &str| match filter(&format!("F = {text}")) {
        Condition::Test(test) => match test.right {
            Right::Compare(_, literal) => literal.kind,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!(literal("NULL"), LiteralKind::Null);
    assert_eq!(literal("true"), LiteralKind::Bool(true));
    assert_eq!(literal("-3"), LiteralKind::Int(-3));
    assert_eq!(literal("2.5"), LiteralKind::Double(2.5));
    assert_eq!(literal("USD5000.5"), LiteralKind::Currency(5000.5));
    assert_eq!(literal("1970-01-02"), LiteralKind::Date(1));
    assert_eq!(
        literal("1970-01-01T01:00:00+01:00"),
        LiteralKind::DateTime(0)
    );
    assert!(matches!(literal("LAST_N_DAYS:30"), LiteralKind::Range(_)));
    assert!(matches!(
        literal("THIS_FISCAL_QUARTER"),
        LiteralKind::Range(_)
    ));
}

#[test]
fn a_function_stands_on_the_left_and_in_group_by() {
    let query = parse(
        "SELECT CALENDAR_YEAR(convertTimezone(CreatedDate)) y, COUNT(Id) FROM Lead \
         WHERE CALENDAR_MONTH(CreatedDate) = 2 GROUP BY CALENDAR_YEAR(convertTimezone(CreatedDate))",
    )
    .unwrap();
    assert!(matches!(&query.group[0], Expr::Call(name, _) if name.text == "CALENDAR_YEAR"));
}

#[test]
fn a_star_is_an_unexpected_token() {
    let text = "SELECT * FROM Account";
    assert_eq!(
        refused(text).full_message(text),
        "\nSELECT * FROM Account\n       ^\nERROR at Row:1:Column:8\nunexpected token: '*'"
    );
}

#[test]
fn a_statement_that_breaks_off_is_refused_at_its_end() {
    for text in [
        "",
        "SELECT",
        "SELECT Id",
        "SELECT Id FROM",
        "SELECT Id FROM A WHERE",
        "SELECT Id FROM A LIMIT",
    ] {
        assert_eq!(refused(text).message, "unexpected token: '<EOF>'", "{text}");
    }
    assert_eq!(
        refused("SELECT Id FROM A WHERE (B = 1").message,
        "expecting a right parentheses, found '<EOF>'"
    );
}

#[test]
fn leftovers_are_refused() {
    assert_eq!(
        refused("SELECT Id FROM A LIMIT 1 WHERE B = 1").message,
        "unexpected token: 'WHERE'"
    );
    assert_eq!(
        refused("SELECT Id, FROM A").message,
        "unexpected token: 'FROM'"
    );
    assert_eq!(
        refused("SELECT Id FROM A WHERE B IS NULL").message,
        "unexpected token: 'IS'"
    );
    assert_eq!(
        refused("SELECT Id FROM A WHERE NOT B = 1 AND C = 2").message,
        "unexpected token: 'AND'"
    );
    assert_eq!(
        refused("SELECT Id FROM A WHERE B = LAST_N_DAYS").message,
        "unexpected token: 'LAST_N_DAYS'"
    );
}

#[test]
fn an_offset_above_2000_is_outside_the_valid_range() {
    assert!(parse("SELECT Id FROM A OFFSET 2000").is_ok());
    let error = refused("SELECT Id FROM A OFFSET 2001");
    assert_eq!(error.code, "NUMBER_OUTSIDE_VALID_RANGE");
    assert_eq!(error.message, "Maximum SOQL offset allowed is 2000");
}

#[test]
fn deep_nesting_is_refused_instead_of_exhausting_the_stack() {
    let text = format!("SELECT Id FROM A WHERE {}", "(".repeat(50_000));
    assert_eq!(refused(&text).message, "query is nested too deeply");
}
