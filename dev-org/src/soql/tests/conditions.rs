//! WHERE, ORDER BY, LIMIT and OFFSET.

use super::{Small, small, written};
use crate::soql::run;

#[test]
fn text_compares_without_case_and_missing_is_unequal() {
    let small = small();
    assert_eq!(small.accounts("Name = 'ACME'"), ["Acme"]);
    assert_eq!(small.accounts("Industry != 'technology'"), ["Bolt"]);
    assert_eq!(small.accounts("Industry = null"), ["Bolt"]);
    assert_eq!(small.accounts("Industry = ''"), ["Bolt"]);
    assert_eq!(small.accounts("Industry <> null"), ["Acme", "cargo"]);
    assert_eq!(
        small.accounts("Name > 'acme' AND Name <= 'Cargo'"),
        ["Bolt", "cargo"]
    );
}

#[test]
fn numbers_compare_and_missing_ones_never_do() {
    let small = small();
    assert_eq!(small.accounts("NumberOfEmployees > 5"), ["Acme"]);
    assert_eq!(small.accounts("NumberOfEmployees >= 5.0"), ["Acme", "Bolt"]);
    assert_eq!(
        small.accounts("NOT NumberOfEmployees > 5"),
        ["Bolt", "cargo"]
    );
    assert_eq!(small.accounts("AnnualRevenue = 1000000"), ["Acme"]);
    assert_eq!(small.accounts("AnnualRevenue > USD1000"), ["Acme"]);
}

#[test]
fn and_or_and_not_combine() {
    let small = small();
    assert_eq!(
        small.accounts("Industry = 'Technology' AND (Name = 'Acme' OR Name = 'Bolt')"),
        ["Acme"]
    );
    assert_eq!(
        small.accounts("(NOT Name = 'Acme') AND (NOT Name LIKE 'b%')"),
        ["cargo"]
    );
}

#[test]
fn like_knows_wildcards_and_escapes() {
    let small = small();
    assert_eq!(small.accounts("Name LIKE '%o%'"), ["Bolt", "cargo"]);
    assert_eq!(small.accounts("Name LIKE '_cme'"), ["Acme"]);
    assert!(small.accounts(r"Name LIKE '\_cme'").is_empty());
    assert_eq!(small.accounts("NOT Name LIKE '%o%'"), ["Acme"]);
}

#[test]
fn lists_may_hold_null() {
    let small = small();
    assert_eq!(small.accounts("Name IN ('acme', 'Nobody')"), ["Acme"]);
    assert_eq!(
        small.accounts("Name NOT IN ('acme', 'Nobody')"),
        ["Bolt", "cargo"]
    );
    assert_eq!(small.accounts("Industry IN (null)"), ["Bolt"]);
    assert_eq!(small.accounts("NumberOfEmployees IN (5, 6)"), ["Bolt"]);
}

#[test]
fn ids_are_found_by_fifteen_and_eighteen_characters() {
    let small = small();
    let acme = small.id("acme");
    let bolt = small.id("bolt");
    assert_eq!(small.accounts(&format!("Id = '{acme}'")), ["Acme"]);
    assert_eq!(small.accounts(&format!("Id = '{}'", &acme[..15])), ["Acme"]);
    assert_eq!(
        small.accounts(&format!("ParentId = '{}'", &acme[..15])),
        ["Bolt"]
    );
    assert_eq!(
        small.accounts(&format!("Id IN ('{bolt}', '{acme}')")),
        ["Acme", "Bolt"]
    );
    assert_eq!(small.accounts(&format!("Id > '{acme}'")), ["Bolt", "cargo"]);
    assert_eq!(
        small.accounts(&format!("Id != '{acme}'")),
        ["Bolt", "cargo"]
    );
    assert_eq!(small.accounts("External_Id__c = 'A-1'"), ["Acme"]);
}

#[test]
fn dates_compare_with_days_instants_and_literals() {
    let small = small();
    let deals = |condition: &str| {
        small
            .column(&format!(
                "SELECT Name FROM Opportunity WHERE {condition} ORDER BY Name"
            ))
            .len()
    };
    assert_eq!(deals("CloseDate = 2026-05-20"), 1);
    assert_eq!(deals("CloseDate = THIS_MONTH"), 1);
    assert_eq!(deals("CloseDate < THIS_YEAR"), 1);
    assert_eq!(deals("CloseDate = LAST_N_MONTHS:5"), 2);
    assert_eq!(deals("CloseDate > TODAY"), 1);
    assert_eq!(deals("CreatedDate = TODAY"), 3);
    assert_eq!(
        deals("CreatedDate > YESTERDAY AND CreatedDate < TOMORROW"),
        3
    );
    assert_eq!(deals("CreatedDate >= 2026-05-16T14:00:00+02:00"), 3);
    assert_eq!(deals("CreatedDate > 2026-05-16T12:00:00.000Z"), 0);
    assert_eq!(deals("CALENDAR_YEAR(CloseDate) = 2026"), 2);
    assert_eq!(deals("DAY_ONLY(CreatedDate) = 2026-05-16"), 3);
}

#[test]
fn several_values_of_one_field_are_included_or_excluded() {
    let small = small();
    let amounts = |condition: &str| {
        small.column(&format!(
            "SELECT Amount__c FROM Invoice__c WHERE Tags__c {condition}"
        ))
    };
    assert_eq!(amounts("INCLUDES ('export;recurring', 'None')"), [10.0]);
    assert_eq!(amounts("INCLUDES ('Disputed', 'Export')"), [10.0, 20.5]);
    assert_eq!(amounts("EXCLUDES ('Disputed')"), [10.0, 30.0]);
    assert_eq!(amounts("= null"), [30.0]);
}

#[test]
fn a_semi_join_finds_records_by_their_children_and_an_anti_join_the_others() {
    let small = small();
    assert_eq!(
        small.accounts("Id IN (SELECT AccountId FROM Contact)"),
        ["Acme"]
    );
    assert_eq!(
        small.accounts("Id NOT IN (SELECT AccountId FROM Opportunity WHERE Amount > 400)"),
        ["Bolt", "cargo"]
    );
    let names = small.column(
        "SELECT Name FROM Contact WHERE AccountId IN (SELECT Id FROM Account WHERE Name = 'Acme')",
    );
    assert_eq!(names, ["Ada Lovelace", "Bob Stone"]);
}

#[test]
fn order_puts_nulls_first_unless_told_otherwise() {
    let small = small();
    let names = |order: &str| small.column(&format!("SELECT Name FROM Account ORDER BY {order}"));
    assert_eq!(names("NumberOfEmployees"), ["cargo", "Bolt", "Acme"]);
    assert_eq!(names("NumberOfEmployees DESC"), ["cargo", "Acme", "Bolt"]);
    assert_eq!(
        names("NumberOfEmployees NULLS LAST"),
        ["Bolt", "Acme", "cargo"]
    );
    assert_eq!(names("Name DESC"), ["cargo", "Bolt", "Acme"]);
    assert_eq!(names("Id DESC"), ["cargo", "Bolt", "Acme"]);
    assert_eq!(
        names("Industry DESC NULLS LAST, Name DESC"),
        ["cargo", "Acme", "Bolt"]
    );
    assert_eq!(
        names("Parent.Name DESC NULLS LAST"),
        ["cargo", "Bolt", "Acme"]
    );
}

#[test]
fn a_picklist_sorts_in_the_order_of_its_values_in_setup() {
    let small = small();
    let names = small.column("SELECT Name FROM Opportunity ORDER BY StageName, Name");
    assert_eq!(names, ["Big deal", "Mid deal", "Small deal"]);
    let names = small.column("SELECT Name FROM Opportunity ORDER BY StageName DESC LIMIT 1");
    assert_eq!(names, ["Small deal"]);
}

#[test]
fn limit_and_offset_cut_after_the_order() {
    let small = small();
    let names = |rest: &str| small.column(&format!("SELECT Name FROM Account {rest}"));
    assert_eq!(names("ORDER BY Name DESC LIMIT 1"), ["cargo"]);
    assert_eq!(names("ORDER BY Name DESC LIMIT 1 OFFSET 1"), ["Bolt"]);
    assert_eq!(names("LIMIT 2 OFFSET 2"), ["cargo"]);
    assert!(names("OFFSET 3").is_empty());
    assert!(names("ORDER BY Name LIMIT 0").is_empty());
}

#[test]
fn only_query_all_and_all_rows_see_deleted_records() {
    let mut small = Small::new();
    let cy = small.id("cy").to_owned();
    small
        .org
        .delete(&small.who.clone(), "Contact", &cy)
        .unwrap();
    assert_eq!(small.answer("SELECT Id FROM Contact").unwrap().total(), 2);
    assert_eq!(
        small
            .answer("SELECT Id FROM Contact ALL ROWS")
            .unwrap()
            .total(),
        3
    );
    let text = "SELECT Name FROM Contact WHERE Name = 'Cy Young'";
    let all = run(&small.org, &small.who, text, true, "v60.0").unwrap();
    assert!(written(&small.org, &all).contains("Cy Young"));
}
