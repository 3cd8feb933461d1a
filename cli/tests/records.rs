//! Looking at an org, and reading and writing its records.

mod support;

use dev_org::{FaultKind, FaultRule};
use serde_json::{Value as Json, json};
use support::Bench;

const FIVE: &str = "SELECT Id, Name, Owner.Name FROM Account ORDER BY Name LIMIT 5";

#[tokio::test(flavor = "multi_thread")]
async fn objects_and_their_fields_are_shown_for_people_and_for_programs() {
    let bench = Bench::connected().await;
    let run = bench.lockgate(&["objects", "crm"]).ended(0);
    assert!(run.out.starts_with("OBJECT"), "{run:#?}");
    let objects = bench
        .lockgate(&["objects", "crm", "--custom", "--output", "json"])
        .ended(0);
    assert_eq!(objects.json()[0]["name"], "Invoice__c");
    let run = bench.lockgate(&["describe", "crm", "Invoice__c"]).ended(0);
    assert!(run.out.contains("reference to Account"), "{run:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn for_an_object_that_is_not_there_the_command_is_named_that_lists_those_that_are() {
    let bench = Bench::connected().await;
    for (arguments, code) in [
        (&["describe", "crm", "Contct"][..], 1),
        (&["query", "crm", "SELECT Id FROM Contacts"], 1),
        (&["record", "create", "crm", "Contct", r#"{"A":1}"#], 5),
        (&["record", "get", "crm", "Contct", "003000000000000AAA"], 1),
        (
            &[
                "sync",
                "create",
                "crm",
                "--object",
                "Contct",
                "--to",
                "sqlite:never.db",
            ],
            1,
        ),
    ] {
        let run = bench.lockgate(arguments).ended(code);
        assert!(run.err.contains("`lockgate objects crm`"), "{run:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_or_many_records_are_created_read_changed_and_deleted() {
    let bench = Bench::connected().await;
    let json = |arguments: &[&str], input: &str, code| -> Json {
        let mut all = arguments.to_vec();
        all.extend(["--output", "json"]);
        bench.lockgate_reading(&all, input).ended(code).json()
    };
    // An argument, a file, and standard input.
    let one = json(
        &["record", "create", "crm", "Account", r#"{"Name":"Acme"}"#],
        "",
        0,
    );
    let id = one[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(one[0]["outcome"], "created");
    let file = bench.file("many.json", r#"[{"Name":"B"},{"Name":"C"}]"#);
    let many = json(
        &[
            "record",
            "create",
            "crm",
            "Account",
            "--file",
            file.to_str().unwrap(),
        ],
        "",
        0,
    );
    assert_eq!(many.as_array().unwrap().len(), 2);
    let lines = json(
        &["record", "create", "crm", "Account"],
        "{\"Name\":\"D\"}\n{\"Name\":\"E\"}\n",
        0,
    );
    assert_eq!(lines.as_array().unwrap().len(), 2);

    json(
        &[
            "record",
            "update",
            "crm",
            "Account",
            r#"{"Phone":"(415) 555-0101"}"#,
            "--id",
            &id,
        ],
        "",
        0,
    );
    let read = json(
        &[
            "record",
            "get",
            "crm",
            "Account",
            &id,
            "--fields",
            "Id,Name,Phone",
        ],
        "",
        0,
    );
    assert_eq!(read[0]["Phone"], "(415) 555-0101");

    let upsert = [
        "record",
        "upsert",
        "crm",
        "Account",
        "--key",
        "External_Id__c",
        r#"[{"External_Id__c":"cli-1","Name":"F"}]"#,
    ];
    assert_eq!(json(&upsert, "", 0)[0]["outcome"], "created");
    assert_eq!(json(&upsert, "", 0)[0]["outcome"], "updated");

    let ids = json!([id, many[0]["id"], "001000000000000AAA"]);
    let ids: Vec<&str> = ids
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Json::as_str)
        .collect();
    let deleted = json(
        &["record", "delete", "crm", "Account", "-"],
        &ids.join("\n"),
        5,
    );
    assert_eq!(deleted[0]["outcome"], "deleted");
    assert_eq!(deleted[2]["outcome"], "failed");
    let gone = bench
        .lockgate(&["record", "get", "crm", "Account", &id])
        .ended(5);
    assert!(gone.err.contains(&id), "{gone:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_fail_are_told_one_by_one_and_the_exit_code_is_5() {
    let bench = Bench::connected().await;
    let run = bench
        .lockgate(&[
            "record",
            "create",
            "crm",
            "Contact",
            r#"[{"LastName":"A"},{"FirstName":"B"}]"#,
        ])
        .ended(5);
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(lines[0].starts_with("RECORD"), "{run:#?}");
    assert!(
        lines[1].starts_with('0') && lines[1].contains("created"),
        "{run:#?}"
    );
    assert!(
        lines[2].starts_with('1') && lines[2].contains("REQUIRED_FIELD_MISSING"),
        "{run:#?}"
    );
    assert!(run.err.contains("1 record of 2"), "{run:#?}");
    let all_or_none = bench
        .lockgate(&[
            "record",
            "create",
            "crm",
            "Contact",
            "--all-or-none",
            "--output",
            "json",
            r#"[{"LastName":"A"},{"FirstName":"B"}]"#,
        ])
        .ended(5);
    assert_eq!(
        all_or_none.json()[0]["problems"][0]["advice"],
        "rolled-back"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_no_record_has_is_told_with_the_command_that_shows_the_right_one() {
    let bench = Bench::connected().await;
    let rows = r#"[{"LastName":"A","Email":"a@example.com"},{"LastName":"B"}]"#;
    let upsert = ["record", "upsert", "crm", "Contact", rows, "--key"];
    let misspelt = bench
        .lockgate(&[&upsert[..], &["Emaill"]].concat())
        .ended(5);
    assert!(
        misspelt.err.contains("`Emaill`") && misspelt.err.contains("lockgate describe crm Contact"),
        "{misspelt:#?}"
    );
    // Where some records have it, it is theirs that is missing.
    let run = bench.lockgate(&[&upsert[..], &["Email"]].concat()).ended(5);
    assert!(!run.err.contains("lockgate describe"), "{run:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_hold_others_are_written_with_them_and_each_is_told() {
    let bench = Bench::connected().await;
    let rows = r#"[{"Name":"A","Contacts":{"records":[{"LastName":"B"}]}},
                   {"Name":"C","Contacts":{"records":[{"FirstName":"D"}]}}]"#;
    let create = ["record", "create", "crm", "Account", rows];
    let table = bench.lockgate(&create).ended(5);
    assert!(table.out.starts_with("RECORD"), "{table:#?}");
    for place in ["0/Contacts/records/0", "1/Contacts/records/0"] {
        assert!(table.out.contains(place), "{table:#?}");
    }
    assert!(table.err.contains("1 record of 2"), "{table:#?}");
    let json = bench
        .lockgate(&[&create[..], &["--output", "json"]].concat())
        .ended(5)
        .json();
    let child = &json[0]["related"][0];
    assert_eq!(
        (&child["object"], &child["outcome"]),
        (&json!("Contact"), &json!("created"))
    );
    assert!(child["id"].is_string(), "{json}");
    let blamed = &json[1]["related"][0];
    assert_eq!(blamed["pointer"], "/Contacts/records/0");
    assert_eq!(blamed["problems"][0]["code"], "REQUIRED_FIELD_MISSING");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_would_be_written_and_which_records_would_not() {
    let bench = Bench::connected().await;
    let rows = r#"[{"LastName":"Dry"},{"FirstName":"B"},{"LastName":"C","Email":"none"}]"#;
    let dry = ["record", "create", "crm", "Contact", rows, "--dry-run"];
    let run = bench.lockgate(&dry).ended(5);
    let mut lines = run.out.lines();
    assert_eq!(
        lines.next(),
        Some(
            "would write 1 of 3 records by collections in about 1 call: 3 records are few, and \
             their results come at once"
        )
    );
    assert!(lines.next().unwrap().starts_with("RECORD"), "{run:#?}");
    let told: Vec<&str> = lines.collect();
    assert!(
        told[0].starts_with('1') && told[0].contains("LastName"),
        "{run:#?}"
    );
    assert!(
        told[1].starts_with('2') && told[1].contains("INVALID_EMAIL_ADDRESS"),
        "{run:#?}"
    );
    assert_eq!(told.len(), 2);

    let json = bench
        .lockgate(&[&dry[..], &["--output", "json"]].concat())
        .ended(5)
        .json();
    assert_eq!(
        (&json["would_write"], &json["records"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(
        (&json["way"]["name"], &json["calls"]),
        (&json!("collections"), &json!(1))
    );
    assert_eq!(json["failed"][0]["row"], 1);

    let good = [
        "record",
        "create",
        "crm",
        "Contact",
        r#"{"LastName":"Dry"}"#,
        "--dry-run",
    ];
    let run = bench.lockgate(&good).ended(0);
    assert!(
        run.out.starts_with("would write 1 of 1 record by"),
        "{run:#?}"
    );
    let none = [
        "query",
        "crm",
        "SELECT Id FROM Contact WHERE LastName = 'Dry'",
    ];
    let none = bench.lockgate(&[&none[..], &["--output", "json"]].concat());
    assert_eq!(none.ended(0).json(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_input_ends_with_2_before_anything_is_sent() {
    let bench = Bench::connected().await;
    bench.control.clear_requests();
    for wrong in ["[{},7]", "{\"Name\":", "[]"] {
        let run = bench
            .lockgate(&["record", "create", "crm", "Account", wrong])
            .ended(2);
        assert!(run.err.starts_with("error: "), "{run:#?}");
    }
    bench.lockgate(&["record", "make", "crm"]).ended(2);
    let missing = ["record", "create", "crm", "Account", "--file", "nope.json"];
    let run = bench.lockgate(&missing).ended(2);
    assert!(run.err.contains("cannot read nope.json: "), "{run:#?}");
    assert!(bench.control.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_call_is_not_said_of_a_record() {
    let bench = Bench::connected().await;
    for wrong in [
        &["query", "crm", "SELECTX"][..],
        &["record", "get", "crm", "Account", "12"],
        &["query", "crm", FIVE, "--way", "zzz"],
    ] {
        let run = bench.lockgate(wrong).ended(1);
        assert!(run.err.contains("; change what was given"), "{run:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_comes_as_a_table_as_json_and_as_csv() {
    let bench = Bench::connected().await;
    let table = bench.lockgate(&["query", "crm", FIVE]).ended(0);
    assert_eq!(table.out.lines().count(), 6, "{table:#?}");
    assert!(
        table.out.starts_with("Id ") && table.out.contains("Owner.Name"),
        "{table:#?}"
    );
    assert!(
        !table.out.contains('\u{1b}') && table.err.is_empty(),
        "{table:#?}"
    );

    let json = bench
        .lockgate(&["query", "crm", FIVE, "--output", "json"])
        .ended(0)
        .json();
    assert_eq!(json.as_array().unwrap().len(), 5);
    assert!(json[0]["Owner"]["Name"].is_string());

    let csv = bench
        .lockgate_reading(&["query", "crm", "-", "--output", "csv"], FIVE)
        .ended(0);
    let mut lines = csv.out.lines();
    assert_eq!(lines.next(), Some("Id,Name,Owner.Name"));
    assert_eq!(lines.count(), 5);
    let none = "SELECT Id FROM Account WHERE Name = 'nobody'";
    let none = bench
        .lockgate(&["query", "crm", none, "--output", "json"])
        .ended(0);
    assert_eq!(none.json(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_of_many_pages_gives_every_row_once() {
    let bench = Bench::connected().await;
    let contacts: Vec<Json> = (0..700)
        .map(|number| json!({ "LastName": format!("Many {number}") }))
        .collect();
    let contacts = Json::from(contacts).to_string();
    bench
        .lockgate_reading(&["record", "create", "crm", "Contact"], &contacts)
        .ended(0);
    let query = "SELECT Id, LastName FROM Contact WHERE LastName LIKE 'Many %'";
    let arguments = ["query", "crm", query, "--page-size", "200"];
    let table = bench.lockgate(&arguments).ended(0);
    assert_eq!(table.out.lines().count(), 701);
    let with_csv = [&arguments[..], &["--output", "csv"]].concat();
    let csv = bench.lockgate(&with_csv).ended(0);
    let ids: std::collections::BTreeSet<&str> = csv
        .out
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .collect();
    assert_eq!(ids.len(), 700);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_goes_through_plugins_and_what_they_reject_is_told() {
    let bench = Bench::connected().await;
    let contact = r#"{"LastName":"Wrong","Phone":"call me","Email":"A.B@Example.com"}"#;
    bench
        .lockgate(&["record", "create", "crm", "Contact", contact])
        .ended(0);
    let query = "SELECT Id, LastName, Phone, Email FROM Contact WHERE LastName = 'Wrong'";
    let arguments = [
        "query",
        "crm",
        query,
        "--output",
        "json",
        "--plugin",
        "contact-normalizer",
    ];
    let kept = bench.lockgate(&arguments).ended(0);
    assert_eq!(kept.json()[0]["Email"], "a.b@example.com");
    let settings = bench.file("settings.json", r#"{"invalid_phone":"reject"}"#);
    let settings = ["--plugin-settings", settings.to_str().unwrap()];
    let rejected = bench
        .lockgate(&[&arguments[..], &settings].concat())
        .ended(5);
    assert_eq!(rejected.json(), json!([]));
    assert!(rejected.err.contains("Phone"), "{rejected:#?}");
    let with_settings = format!("contact-normalizer={}", settings[1]);
    let same = ["query", "crm", query, "--plugin", &with_settings];
    let same = bench.lockgate(&same).ended(5);
    assert!(same.err.contains("Phone"), "{same:#?}");
    let twice = ["query", "crm", query, "--plugin", &with_settings];
    let twice = bench.lockgate(&[&twice[..], &settings].concat()).ended(2);
    assert!(twice.err.contains("two files of settings"), "{twice:#?}");
    let missing = [
        "query",
        "crm",
        query,
        "--plugin",
        "contact-normalizer=no.json",
    ];
    let missing = bench.lockgate(&missing).ended(2);
    assert!(missing.err.contains("cannot read no.json"), "{missing:#?}");
    // An object that the plugin does not know.
    let unknown = ["query", "crm", FIVE, "--plugin", "contact-normalizer"];
    let unknown = bench.lockgate(&unknown).ended(1);
    assert!(
        unknown.err.contains("it knows Contact and Lead"),
        "{unknown:#?}"
    );
    // Settings that the plugin refuses are wrong usage.
    let wrong = bench.file("wrong.json", r#"{"invalid_phone":"shout"}"#);
    let wrong = ["--plugin-settings", wrong.to_str().unwrap()];
    let run = bench.lockgate(&[&arguments[..], &wrong].concat()).ended(2);
    assert!(run.err.contains("invalid_phone"), "{run:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_budget_is_shown_and_a_used_up_one_ends_with_4() {
    let bench = Bench::connected().await;
    let limits = bench
        .lockgate(&["limits", "crm", "--output", "json"])
        .ended(0)
        .json();
    assert_eq!(limits["budget"]["limit"], 15_000);
    assert!(limits["limits"].as_array().unwrap().len() > 5);
    bench.control.set_quota_used(15_000);
    let run = bench.lockgate(&["query", "crm", FIVE]).ended(4);
    assert!(run.err.contains("`lockgate limits crm`"), "{run:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_field_is_named_with_the_command_that_shows_the_right_ones() {
    let bench = Bench::connected().await;
    let run = bench
        .lockgate(&["query", "crm", "SELECT Nope FROM Account"])
        .ended(1);
    assert!(
        run.err.contains("Nope") && run.err.contains("typing mistake first"),
        "{run:#?}"
    );
    assert!(
        run.err.contains("`lockgate describe crm Account`"),
        "{run:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passing_fault_ends_with_6_and_says_when_to_try_again() {
    let bench = Bench::connected().await;
    let gone = FaultKind::Error {
        status: 503,
        code: Some("SERVER_UNAVAILABLE".to_owned()),
        message: Some("The server is temporarily unavailable".to_owned()),
        body: None,
    };
    bench.control.add_fault(FaultRule::every_request(gone));
    let run = bench.lockgate(&["query", "crm", FIVE]).ended(6);
    assert!(
        run.err.contains("run the same command again in"),
        "{run:#?}"
    );
    bench.control.clear_faults();
    bench.lockgate(&["query", "crm", FIVE]).ended(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_of_the_connector_are_listed_and_done() {
    let bench = Bench::connected().await;
    let list = bench.lockgate(&["action", "crm"]).ended(0);
    assert!(list.out.starts_with("ACTION"), "{list:#?}");
    let list = bench
        .lockgate(&["action", "crm", "--output", "json"])
        .ended(0)
        .json();
    let counts = list.as_array().unwrap().iter();
    let mut counts = counts.filter(|action| action["name"] == "record-counts");
    let schema = &counts.next().unwrap()["input_schema"];
    assert!(schema["properties"]["objects"].is_object(), "{schema}");

    // Without an input, with one as an argument, in a file, and on standard input.
    let limits = bench.lockgate(&["action", "crm", "limits"]).ended(0);
    assert!(limits.json()["limits"].as_array().unwrap().len() > 5);
    let input = r#"{"objects": ["Account"]}"#;
    let file = bench.file("input.json", input);
    let count = ["action", "crm", "record-counts"];
    let given: [(&[&str], &str); 3] = [
        (&[input], ""),
        (&["--file", file.to_str().unwrap()], ""),
        (&["-"], input),
    ];
    for (more, stdin) in given {
        let run = bench.lockgate_reading(&[&count[..], more].concat(), stdin);
        let counted = run.ended(0).json();
        assert_eq!(counted["counts"][0]["object"], "Account", "{counted}");
    }

    let run = bench.lockgate(&["action", "crm", "dance"]).ended(2);
    assert!(run.err.contains("record-counts"), "{run:#?}");
    assert!(run.err.contains("`lockgate action crm`"), "{run:#?}");
    let run = bench.lockgate(&["action", "crm", "limits", "[]"]).ended(2);
    assert!(run.err.contains("not a JSON object"), "{run:#?}");
    // What the action itself refuses is told in its words.
    let run = bench.lockgate(&["action", "crm", "record-counts", "{}"]);
    assert!(run.ended(1).err.contains("schema"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_goes_the_way_that_is_asked_for_and_the_rows_stay_the_same() {
    let bench = Bench::connected().await;
    let soql = "SELECT Id, Name, Account.Name, CreatedDate FROM Contact ORDER BY Id";
    let by = |way: &str, output: &str| {
        bench.lockgate(&["query", "crm", soql, "--way", way, "--output", output])
    };
    for output in ["json", "csv", "table"] {
        bench.control.clear_requests();
        let rest = by("rest", output).ended(0);
        let has_job = || {
            let requests = bench.control.requests();
            requests
                .iter()
                .any(|request| request.path.contains("/jobs/query"))
        };
        assert!(!has_job());
        let bulk = by("bulk", output).ended(0);
        assert!(has_job());
        assert_eq!(rest.out, bulk.out);
        assert!(bulk.err.is_empty(), "quiet in a pipe: {bulk:#?}");
    }
    assert!(by("bulk", "json").json().as_array().unwrap().len() > 10);
    let unknown = by("soap", "json").ended(1);
    assert!(unknown.err.contains("rest, bulk"), "{unknown:#?}");
    assert!(unknown.out.is_empty(), "{unknown:#?}");
}
