//! Which records go into the files that the host makes, and into which of them.

use super::*;

#[test]
fn later_batches_add_columns_to_the_file_that_is_there() {
    let fake = started(Fake::new());
    let fake = fake.answer(200, info("JobComplete", 4, 0)).answer(
        200,
        "sf__Id,sf__Created,Name,City,Size\n1,true,A,,\n2,true,B,x,\n3,true,C,,7\n4,true,A,,\n",
    );
    let writer = creator(&fake);
    for json in [
        r#"[{"Name":"A"}]"#,
        r#"[{"name":"B","City":"x"}]"#,
        "[]",
        r#"[{"Size":7,"Name":"C"},{"Name":"A"}]"#,
    ] {
        assert_eq!(run(writer.push(json.as_bytes())), Ok(Vec::new()));
    }
    let results = finish(&writer).unwrap();
    assert_eq!(
        told(&results),
        ["created 1", "created 2", "created 3", "created 4"]
    );
    assert_eq!(
        files(&fake),
        ["\"Name\",\"City\",\"Size\"\n\"A\",,\n\"B\",\"x\",\n\"C\",,7\n\"A\",,\n"]
    );
    assert_eq!(fake.0.n_read.get(), 0);
}

#[test]
fn records_that_must_be_read_end_the_file_and_all_that_follow_are_read() {
    let fake = started(started(Fake::new()));
    let fake = done(fake, &["A", "B"]);
    let fake = fake.answer(200, info("JobComplete", 2, 0)).answer(
        200,
        "sf__Id,sf__Created,Name,Parent.Key__c\n001C,true,C,k\n001D,true,D,\n",
    );
    let writer = creator(&fake);
    let parent = r#"[{"Name":"C","Parent":{"Key__c":"k"}}]"#;
    for json in [&*named(&["A", "B"]), parent, &*named(&["D"])] {
        assert_eq!(run(writer.push(json.as_bytes())), Ok(Vec::new()));
    }
    assert_eq!(fake.0.n_read.get(), 2);
    let results = finish(&writer).unwrap();
    let wanted = ["A", "B", "C", "D"].map(|name| format!("created 001{name}"));
    assert_eq!(told(&results), wanted);
    assert_eq!(rows(&results), [0, 1, 2, 3]);
    assert_eq!(
        files(&fake),
        [
            "\"Name\"\n\"A\"\n\"B\"\n",
            "\"Name\",\"Parent.Key__c\"\n\"C\",\"k\"\n\"D\",\n"
        ]
    );
    assert!(fake.is_done());
}

#[test]
fn what_must_be_read_is_told_by_its_columns() {
    let is_read = |json: &str| {
        let fake = Fake::new();
        run(creator(&fake).push(json.as_bytes())).unwrap();
        fake.0.n_read.get() > 0
    };
    for json in [
        r#"[{"Name":"A","attributes":{"type":"Account"}}]"#,
        r#"[{"Name":"A","attributes":"x"}]"#,
        r#"[{"Name":"A","Owner":{"Alias":"a"}}]"#,
        r#"[{"Name":"A","Tags":["a"]}]"#,
        r#"[{"Name":"A","ParentId":"0015J000004TNtzQAG"}]"#,
        r#"[{"Name":"A","ParentId":null}]"#,
        r#"[{"Name":"A"},{"Trip__c":"001dM00003kRs59QAC"}]"#,
        r##"[{"Name":"#N/A"}]"##,
        r#"[{"Name":"A","Name":"B"}]"#,
        r#"[{"Name":"A","NAME":"B"}]"#,
        r#"[{"N\u0061me":"A"}]"#,
        r#"[{}]"#,
        r#"[1]"#,
    ] {
        assert!(is_read(json), "{json}");
    }
    for json in [
        "[]",
        r#"[{"Name":"A","Size__c":7,"Is__c":true,"Description":"a"}]"#,
        r#"[{"Name":"A","Size__c":null},{"Size__c":7}]"#,
        r#"[{"Name":"A","Status__c":"new"},{"Status__c":"eighteen-characters"}]"#,
        r#"[{"Name":"A"},{}]"#,
    ] {
        assert!(!is_read(json), "{json}");
    }
}

#[test]
fn only_new_records_of_a_write_without_a_name_go_unread() {
    let is_read = |operation: Operation, options: WriteOptions, json: &str| {
        // A dry run asks what the object is, which does not matter here.
        let fake = Fake::new().lose(broken(false));
        let writer = open(Rc::new(fake.api()), "Account", operation, options).unwrap();
        let _answer = run(writer.push(json.as_bytes()));
        fake.0.n_read.get() > 0
    };
    let key = || Operation::Upsert("Key__c".to_owned());
    let ids = r#"["0015J000004TNtzQAG"]"#;
    let hard = WriteOptions {
        way: Some("hard-delete".to_owned()),
        ..options(None)
    };
    assert!(!is_read(Operation::Create, options(None), PLAIN));
    assert!(is_read(Operation::Create, options(Some("n")), PLAIN));
    assert!(is_read(key(), options(None), r#"[{"Key__c":7}]"#));
    assert!(is_read(Operation::Delete, options(None), ids));
    assert!(is_read(Operation::Delete, hard, ids));
    let dry = WriteOptions {
        dry_run: true,
        ..options(None)
    };
    assert!(is_read(Operation::Create, dry, PLAIN));
}

#[test]
fn rows_that_have_no_place_in_a_file_go_up_with_the_next() {
    let fake = started(started(Fake::new()));
    fake.0.max_lines.set(Some(2));
    let fake = done(done(started(fake), &["B", "A"]), &["D", "C"]);
    let fake = done(fake, &["E"]);
    let writer = creator(&fake);
    let all = named(&["A", "B", "C", "D", "E"]);
    assert_eq!(run(writer.push(all.as_bytes())), Ok(Vec::new()));
    let results = finish(&writer).unwrap();
    let wanted = ["A", "B", "C", "D", "E"].map(|name| format!("created 001{name}"));
    assert_eq!(told(&results), wanted);
    assert_eq!(rows(&results), [0, 1, 2, 3, 4]);
    assert_eq!(
        files(&fake),
        [
            "\"Name\"\n\"A\"\n\"B\"\n",
            "\"Name\"\n\"C\"\n\"D\"\n",
            "\"Name\"\n\"E\"\n"
        ]
    );
    assert_eq!(fake.0.sheets.get(), 0);
    assert!(fake.is_done());
}

#[test]
fn rows_behind_a_full_file_that_must_be_read_are_not_sent_twice() {
    let fake = started(started(Fake::new()));
    fake.0.max_lines.set(Some(2));
    let fake = done(done(fake, &["A", "B"]), &["C"]);
    let writer = creator(&fake);
    let mixed = r##"[{"Name":"B"},{"Name":"C"},{"Name":"#N/A"}]"##;
    run(writer.push(named(&["A"]).as_bytes())).unwrap();
    let mut results = run(writer.push(mixed.as_bytes())).unwrap();
    results.extend(finish(&writer).unwrap());
    results.sort_by_key(|result| result.row);
    assert_eq!(
        told(&results),
        [
            "created 001A",
            "created 001B",
            "created 001C",
            "INVALID_FIELD Name"
        ]
    );
    assert_eq!(rows(&results), [0, 1, 2, 3]);
    assert!(fake.is_done());
}

#[test]
fn where_the_host_has_no_room_for_a_file_records_are_read_until_it_has() {
    let fake = started(started(Fake::new()));
    let fake = done(done(fake, &["C"]), &["A", "B", "D"]);
    let writer = creator(&fake);
    fake.0.no_sheets.set(true);
    run(writer.push(named(&["A", "B"]).as_bytes())).unwrap();
    fake.0.no_sheets.set(false);
    run(writer.push(named(&["C"]).as_bytes())).unwrap();
    fake.0.no_sheets.set(true);
    // There is room in the file that is there.
    let results = finish(&writer).unwrap();
    assert_eq!(
        told(&results),
        ["created 001A", "created 001B", "created 001C"]
    );
    assert_eq!(
        files(&fake),
        ["\"Name\"\n\"C\"\n", "\"Name\"\n\"A\"\n\"B\"\n"]
    );
}

#[test]
fn records_that_were_held_before_the_way_was_chosen_go_up_in_the_same_job() {
    let names = |range: std::ops::Range<usize>| {
        let names: Vec<String> = range.map(|at| format!("n{at}")).collect();
        named(&names.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let found = |from: usize, to: usize| {
        let rows = (from..to).map(|at| format!("001n{at},true,n{at}\n"));
        rows.collect::<String>()
    };
    let any = WriteOptions {
        way: None,
        ..options(None)
    };
    for ends in [
        &[1_500, 2_600, 3_000][..],
        &[500, 1_999, 1_999, 3_000],
        &[3_000],
    ] {
        let fake = started(Fake::new())
            .answer(200, info("JobComplete", 3_000, 0))
            .answer(200, format!("sf__Id,sf__Created,Name\n{}", found(0, 3_000)));
        let api = Rc::new(fake.api());
        let writer = open(api, "Account", Operation::Create, any.clone()).unwrap();
        let mut from = 0;
        for end in ends {
            let push = names(std::mem::replace(&mut from, *end)..*end);
            assert_eq!(run(writer.push(push.as_bytes())), Ok(Vec::new()));
        }
        let n_held = ends.iter().filter(|end| **end < 2_000).count();
        assert_eq!(writer.way().unwrap().name, "bulk");
        assert_eq!(fake.0.n_read.get(), n_held);
        let results = finish(&writer).unwrap();
        assert_eq!(rows(&results), (0..3_000).collect::<Vec<_>>());
        assert!(results.iter().all(|result| {
            let id = format!("001n{}", result.row);
            result.outcome.id == Some(id)
        }));
        assert_eq!(files(&fake)[0].lines().count(), 3_001);
        assert!(fake.is_done());
    }
}
