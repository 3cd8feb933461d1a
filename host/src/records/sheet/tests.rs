//! Lines as they are written, and as they are found again.

use proptest::prelude::*;

use super::*;

const NULL: &str = "#N/A";

fn given(json: &str) -> Given {
    Given::counted(Bytes::copy_from_slice(json.as_bytes())).unwrap()
}

fn sheet(names: &[&str]) -> Sheet {
    let mut sheet = Sheet::new(NULL.to_owned());
    assert!(sheet.widen(names.iter().map(|name| (*name).to_owned()).collect()));
    sheet
}

/// Adds records, all of them.
fn add(sheet: &mut Sheet, json: &str) -> Option<usize> {
    sheet.add(&given(json), 0)
}

fn text(sheet: &mut Sheet) -> String {
    String::from_utf8(sheet.file().unwrap().to_vec()).unwrap()
}

/// Searches a table: its header, and its rows.
fn find(sheet: &mut Sheet, table: &str, telling: &Telling) -> Found {
    let (mut spans, mut at) = (Vec::new(), 0);
    let mut width = None;
    let text = table.as_bytes();
    while let Next::Row { end, .. } = csv_skim::row(text, at, true, &mut spans).unwrap() {
        width.get_or_insert(spans.len());
        at = end;
    }
    let rows = spans.split_off(width.unwrap());
    let names: Vec<String> = spans
        .iter()
        .map(|span| String::from_utf8(span.of(text).value().into_owned()).unwrap())
        .collect();
    sheet.find(&names, (text, &rows), telling)
}

const IDS: Telling = Telling {
    id: 0,
    cells: Vec::new(),
    records: false,
};

fn ids(found: &Found) -> Vec<Option<&str>> {
    found.written.ids().collect()
}

#[test]
fn a_record_is_a_line_with_its_values_under_their_names() {
    let mut sheet = sheet(&["A", "B", "C\"D"]);
    let records = r#"[
        {"A":"x","B":1.50,"C\"D":true},
        {"B":"say \"hi\",\nthere","A":"\u00e9"},
        {}, {"B":null}, {"A":""}, {"B":-1e5,"A":false}
    ]"#;
    // A name with an escape in it has no column.
    assert_eq!(add(&mut sheet, records), None);
    let records = records.replace(",\"C\\\"D\":true", "");
    assert_eq!(add(&mut sheet, &records), Some(6));
    assert_eq!(
        text(&mut sheet),
        "\"A\",\"B\",\"C\"\"D\"\n\"x\",1.50,\n\"é\",\"say \"\"hi\"\",\nthere\",\n,,\n,#N/A,\n\
         #N/A,,\nfalse,-1e5,\n"
    );
}

#[test]
fn a_line_with_nothing_in_its_only_column_is_a_line_all_the_same() {
    let mut sheet = sheet(&["A"]);
    assert_eq!(add(&mut sheet, r#"[{},{"A":"x"}]"#), Some(2));
    assert!(sheet.widen(vec!["B".to_owned()]));
    assert_eq!(add(&mut sheet, r#"[{"B":2}]"#), Some(1));
    assert_eq!(text(&mut sheet), "\"A\",\"B\"\n\"\",\n\"x\",\n,2\n");
}

#[test]
fn what_has_no_place_in_a_line_leaves_the_sheet_as_it_was() {
    let mut sheet = sheet(&["A", "B"]);
    assert_eq!(add(&mut sheet, r#"[{"A":1}]"#), Some(1));
    for unfit in [
        r#"{"C":1}"#,
        r#"{"a":1}"#,
        r#"{"A":{}}"#,
        r#"{"A":[1]}"#,
        r##"{"A":"#N/A"}"##,
        r#"{"A":1,"A":2}"#,
        r#"{"B":1,"A":2,"B":3}"#,
        r#"{"A":"\ud800"}"#,
        "7",
        "[]",
    ] {
        let records = format!(r#"[{{"B":"first"}},{unfit}]"#);
        assert_eq!(add(&mut sheet, &records), None, "{unfit}");
        // What is not asked for is not looked at.
        assert_eq!(sheet.add(&given(&records), 2), Some(0));
    }
    assert_eq!(sheet.lines.len(), 1);
    assert_eq!(text(&mut sheet), "\"A\",\"B\"\n1,\n");
    assert_eq!(add(&mut Sheet::new(NULL.to_owned()), "[{}]"), None);
}

#[test]
fn columns_are_added_as_long_as_there_is_room_and_their_names_differ() {
    let mut sheet = sheet(&["A"]);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    for refused in [
        names(&["a"]),
        names(&["B", "b"]),
        names(&["B".repeat(256).as_str()]),
        (1..=MAX_COLUMNS).map(|n| n.to_string()).collect(),
    ] {
        assert!(!sheet.widen(refused));
    }
    for n in 1..MAX_WIDENED {
        assert!(sheet.widen(vec![n.to_string()]));
    }
    assert!(!sheet.widen(names(&["B"])));
    assert!(sheet.file().is_some());
    assert_eq!(add(&mut sheet, "[{}]"), None);
}

#[test]
fn a_sheet_is_full_at_its_bounds_and_goes_on_in_the_next_one() {
    let many = format!("[{}]", vec![r#"{"A":1}"#; MAX_LINES + 3].join(","));
    let mut full = sheet(&["A"]);
    assert_eq!(add(&mut full, &many), Some(MAX_LINES));
    assert_eq!(add(&mut full, &many), Some(0));
    let mut next = sheet(&["A"]);
    assert_eq!(next.add(&given(&many), MAX_LINES), Some(3));

    let long = format!(
        r#"[{{"A":"{0}"}},{{"A":"{0}"}}]"#,
        "x".repeat(MAX_BYTES / 2)
    );
    let mut full = sheet(&["A"]);
    assert_eq!(add(&mut full, &long), Some(1));
    let longer = format!(r#"[{{"A":"{}"}}]"#, "x".repeat(MAX_BYTES));
    assert_eq!(add(&mut full, &longer), Some(0));
    assert_eq!(add(&mut sheet(&["A"]), &longer), Some(1));
}

#[test]
fn lines_are_found_by_what_they_say_each_once_in_any_order() {
    let mut sheet = sheet(&["Name", "Age"]);
    let records =
        r#"[{"Name":"a","Age":1},{"Name":"b"},{"Age":1,"Name":"a"},{"Name":"a\"b","Age":null}]"#;
    add(&mut sheet, records);
    sheet.let_file_go();
    assert_eq!(sheet.file(), None);
    let table = "id,age,NAME,more\n\
                 4,#N/A,\"a\"\"b\",x\n1,\"1\",\"a\",\n9,2,a,\n2,,b,\n3,1,a,\n8,1,a,\n";
    let found = find(&mut sheet, table, &IDS);
    assert_eq!(found.lines, [3, 2, 1, 0]);
    assert_eq!(ids(&found), [Some("4"), Some("1"), Some("2"), Some("3")]);
    // Another table tells of the rest, unless all are lost again.
    assert_eq!(find(&mut sheet, table, &IDS).lines, [0_u32; 0]);
    sheet.lose_all();
    assert_eq!(find(&mut sheet, table, &IDS).lines, [3, 2, 1, 0]);
}

#[test]
fn rows_tell_what_is_wanted_of_them() {
    let mut sheet = sheet(&["T", "N", "B", "M"]);
    let records = [
        r#"{"T":"a\"b","N":1.50,"B":true}"#,
        r#"{"T":null,"N":null}"#,
        r#"{"M":"x"}"#,
        r#"{"M":1}"#,
    ];
    add(&mut sheet, &format!("[{}]", records.join(",")));
    let table = "sf__Error,sf__Id,T,N,B,M\nE:1,,\"a\"\"b\",1.50,true,\nE:2,,,#N/A,,\n,5,,,,x\n";
    let telling = Telling {
        id: 1,
        cells: vec![0],
        records: true,
    };
    let found = find(&mut sheet, table, &telling);
    assert_eq!(found.lines, [0, 1, 2]);
    assert_eq!(found.cells, ["E:1", "E:2", ""]);
    assert_eq!(ids(&found), [None, None, Some("5")]);
    let told: Vec<Option<&str>> = found.records.iter().map(Option::as_deref).collect();
    // What a column has texts and numbers in, cannot be told.
    assert_eq!(told, [Some(records[0]), Some(records[1]), None]);
}

#[test]
fn null_beyond_the_columns_that_have_a_bit_for_it_is_not_made_up() {
    let names: Vec<String> = (0..70).map(|n| format!("c{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut sheet = sheet(&names);
    add(&mut sheet, r#"[{"c69":null,"c0":1},{"c63":null,"c69":2}]"#);
    let table = "id,c0,c69\na,1,\nb,,2\n";
    let telling = Telling {
        id: 0,
        cells: Vec::new(),
        records: true,
    };
    let records = find(&mut sheet, table, &telling).records;
    assert_eq!(records, [None, Some(r#"{"c63":null,"c69":2}"#.to_owned())]);
}

#[test]
fn lines_that_are_alike_are_each_found_once_near_and_far() {
    let mut sheet = sheet(&["A"]);
    let letters = ["x", "y", "x", "x", "y", "z", "x"];
    let records = letters.map(|letter| format!(r#"{{"A":"{letter}"}}"#));
    add(&mut sheet, &format!("[{}]", records.join(",")));
    for order in ["xyxxyzx", "zyyxxxx", "xxxxyyz", "xzxyxyx"] {
        sheet.lose_all();
        let rows: Vec<String> = order
            .chars()
            .map(|letter| format!("i,{letter}\n"))
            .collect();
        let found = find(&mut sheet, &format!("id,a\n{}i,x\n", rows.concat()), &IDS);
        let told = found.lines.iter().map(|line| letters[*line as usize]);
        assert_eq!(told.collect::<String>(), order);
        let mut lines = found.lines;
        lines.sort_unstable();
        assert_eq!(lines, [0, 1, 2, 3, 4, 5, 6], "{order}");
    }
}

proptest! {
    #[test]
    fn what_goes_out_as_a_file_is_found_in_it_and_is_the_same_record(
        rows in proptest::collection::vec(
            (proptest::option::of("[a-c\",\n\\\\é]{1,3}"), proptest::option::of(any::<i8>())),
            1..20,
        ),
    ) {
        let record = |(text, number): &(Option<String>, Option<i8>)| {
            serde_json::json!({ "T": text, "N": number }).to_string()
        };
        let records: Vec<String> = rows.iter().map(record).collect();
        let mut sheet = sheet(&["T", "N"]);
        prop_assert_eq!(add(&mut sheet, &format!("[{}]", records.join(","))), Some(rows.len()));
        let table = text(&mut sheet);
        let telling = Telling { id: 0, cells: Vec::new(), records: true };
        let found = find(&mut sheet, &table, &telling);
        prop_assert_eq!(found.lines.len(), rows.len());
        for (line, told) in found.lines.iter().zip(found.records) {
            prop_assert_eq!(Some(&records[*line as usize]), told.as_ref());
        }
    }
}
