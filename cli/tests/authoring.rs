//! From nothing to a plugin that runs, in each language, as a person would type it.
//!
//! Those in JavaScript and Python install what they are built with from the
//! registries: `cargo xtask authoring` runs them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value as Json, json};
use support::running::PATIENCE;
use support::{Run, command, run};
use tempfile::TempDir;

/// A directory to work in, with the command's data in it, and a plugin that was just
/// begun.
struct Desk {
    directory: TempDir,
    plugin: &'static str,
}

impl Desk {
    /// Plugins in Rust are compiled in one place, so they bear different names.
    fn new(plugin: &'static str, lang: &str) -> Self {
        Self::with(plugin, &["--lang", lang])
    }

    fn with(plugin: &'static str, arguments: &[&str]) -> Self {
        let desk = Self {
            directory: tempfile::tempdir().unwrap(),
            plugin,
        };
        desk.lockgate(&[&["plugin", "new", plugin], arguments].concat())
            .ended(0);
        desk
    }

    /// `lockgate plugin DOES`, of this plugin.
    fn plugin(&self, does: &str, more: &[&str]) -> Run {
        self.lockgate(&[&["plugin", does, self.plugin], more].concat())
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = command(&self.directory.path().join("data"));
        command.current_dir(self.directory.path()).args(arguments);
        // Crates are compiled once for all tests, and for all their runs.
        command.env("CARGO_TARGET_DIR", env!("CARGO_TARGET_TMPDIR"));
        command
    }

    fn lockgate(&self, arguments: &[&str]) -> Run {
        self.lockgate_reading(arguments, "")
    }

    fn lockgate_reading(&self, arguments: &[&str], input: &str) -> Run {
        run(self.command(arguments), input)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(self.plugin).join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    fn replace(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(self.path(name), text.replace(from, to)).unwrap();
    }
}

/// A plugin's source, the last line of what looks at a record, and a mistake: what stands
/// there, what is put in its place, and how it is told.
type Source = [&'static str; 5];

/// The lines in a language that the guide adds before the last one.
fn guide_lines(lang: &str) -> String {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/authoring.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let (_, change) = guide.split_once("## Change it").unwrap();
    let (_, lines) = change.split_once(&format!("```{lang}\n")).unwrap();
    lines.split_once("```").unwrap().0.to_owned()
}

/// New, test, pack, a call, a change and a mistake: the same in each language.
fn from_nothing_to_a_call(lang: &str, [file, last, from, to, told]: Source) {
    let desk = Desk::new("tidy-mail", lang);
    let tested = desk.plugin("test", &["--output", "json"]);
    let report = tested.ended(0).json();
    assert_eq!(
        (&report["passed"], &report["failed"]),
        (&json!(3), &json!(0))
    );
    let cost = |name: &str, member: &str| {
        let cases = report["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["name"] == name).unwrap();
        case[member].as_u64()
    };
    assert!(cost("one-form", "instructions").unwrap() > 10_000);
    assert!(cost("one-form", "memory_bytes").unwrap() >= 64 * 1024);
    assert_eq!(cost("one-form", "host_calls"), Some(1));
    assert!(cost("one-form", "bytes_out") < cost("one-form", "bytes_in"));
    assert_eq!(cost("refuses-settings", "instructions"), None);

    let packed = desk.plugin("pack", &["--into", "packed"]);
    assert!(packed.ended(0).out.contains("tidy-mail is in packed"));
    let inspected = desk.lockgate(&["plugin", "inspect", "packed", "--output", "json"]);
    let inspected = inspected.ended(0).json();
    assert_eq!(inspected["refused"], json!(null));
    assert_eq!(
        inspected["imports"],
        json!(["lockgate:connector/log@0.2.0"])
    );

    // Numbers, keys in no order of theirs, characters of 1 to 4 bytes, and one of none.
    let records = r#"[{"Z":1,"Email":"ÄÖ€😀@X.de","A":[true,null]},{"Email":""}]"#;
    let call = ["transform", "packed", "--object", "Lead"];
    let called = desk.lockgate_reading(&call, records).ended(5);
    assert_eq!(
        called.json(),
        json!([{"Z": 1, "Email": "äö€😀@x.de", "A": [true, null]}])
    );
    let keys = ["Z", "Email", "A"].map(|key| called.out.find(&format!("\"{key}\"")));
    assert!(keys.is_sorted(), "{called:#?}");
    assert!(
        called
            .err
            .contains("record 1 is rejected: it has no e-mail address")
    );

    // What the guide changes is changed in records that were tidy already, too, and nothing
    // is in those that have no such field.
    let lines = guide_lines(lang);
    desk.replace(file, last, &format!("{lines}{last}"));
    let tested = desk.plugin("test", &["--bless"]).ended(0);
    desk.plugin("test", &[]).ended(0);
    desk.plugin("pack", &["--into", "loud"]).ended(0);
    let records = r#"[{"Email":"a@x.de","LastName":"Doe"},{"Email":"b@x.de"},{"Email":"c@x.de","LastName":null}]"#;
    let called = desk.lockgate_reading(&["transform", "loud", "--object", "Lead"], records);
    let expected: Json = serde_json::from_str(&records.replace("Doe", "DOE")).unwrap();
    assert_eq!(called.ended(0).json(), expected, "{tested:#?}");

    desk.replace(file, from, to);
    let tested = desk.plugin("test", &[]).ended(1);
    let said = format!("{}{}", tested.out, tested.err);
    assert!(said.contains(told), "{tested:#?}");
}

#[test]
fn a_plugin_in_rust_is_begun_tested_packed_and_called() {
    let source = [
        "src/lib.rs",
        "    Verdict::Keep\n}",
        r#"return Verdict::Reject("it has no e-mail address".to_owned())"#,
        r#"panic!("no address")"#,
        "panicked at=\"src/lib.rs:",
    ];
    from_nothing_to_a_call("rust", source);
}

#[test]
#[ignore = "installs packages of npm: cargo xtask authoring"]
fn a_plugin_in_javascript_is_begun_tested_packed_and_called() {
    let source = [
        "src/plugin.js",
        "  return { tag: \"keep\" };\n}",
        "  record.Email = email;",
        "  record.Email.of.nobody = email;",
        "TypeError at lookAt (/src/plugin.js:",
    ];
    from_nothing_to_a_call("js", source);
}

#[test]
#[ignore = "installs packages of npm: cargo xtask authoring"]
fn javascript_without_the_exports_of_the_contract_is_not_built() {
    let desk = Desk::new("tidy-mail", "js");
    desk.replace("src/plugin.js", "  apply(input)", "  aply(input)");
    let built = desk.plugin("build", &[]).ended(1);
    let why = "the plugin exports no batches with apply: see wit/batches.wit";
    assert!(built.err.contains(why), "{built:#?}");
    // What is thrown in no good form is told with its place all the same.
    desk.replace("src/plugin.js", "  aply(input)", "  apply(input)");
    desk.replace(
        "src/plugin.js",
        "  dropDomains = value;",
        "  value.of.nobody();",
    );
    let tested = desk.plugin("test", &[]).ended(1);
    let told = "refused: settings: TypeError at setOne (/src/plugin.js:";
    assert!(tested.out.contains(told), "{tested:#?}");
}

#[test]
#[ignore = "installs packages of Python: cargo xtask authoring"]
fn a_plugin_in_python_is_begun_tested_packed_and_called() {
    let source = [
        "src/plugin.py",
        "    return Verdict_Keep()\n",
        "record.get(\"Email\")",
        "record[\"Email\"]",
        "KeyError in look_at, plugin.py:",
    ];
    from_nothing_to_a_call("python", source);
}

#[test]
fn a_connector_in_rust_is_begun_tested_against_a_played_product_and_packed() {
    let desk = Desk::with("my-notes", &["--lang", "rust", "--kind", "connector"]);
    let tested = desk.plugin("test", &["--output", "json"]).ended(0);
    let report = tested.json();
    assert_eq!(
        (&report["passed"], &report["failed"]),
        (&json!(4), &json!(0))
    );
    // The host has sent the request with the expired token once more.
    assert_eq!(report["cases"][0]["name"], "expired-token");
    assert_eq!(report["cases"][0]["requests"], 2);
    let kept = desk
        .plugin("conform", &["--output", "json"])
        .ended(0)
        .json();
    assert_eq!((&kept["failed"], &kept["passed"]), (&json!(0), &json!(7)));
    // It does not write.
    assert_eq!(kept["not_applicable"], 2, "{kept:#}");
    let packed = desk.plugin("pack", &["--into", "packed"]).ended(0);
    assert!(packed.out.contains("my-notes is in packed"), "{packed:#?}");
    let inspected = desk.lockgate(&["plugin", "inspect", "packed", "--output", "json"]);
    assert_eq!(inspected.ended(0).json()["world"], "connector");

    // Any number of ids, whatever stands in them, in few requests.
    let ids: Vec<_> = (0..201).map(|n| format!("../{n} ä?/")).collect();
    let exchange = |ids: &[String]| {
        json!({ "request": { "method": "POST", "path": "/v1/notes/search", "body": { "id": ids } },
                "response": { "status": 200, "body": { "notes": [{ "id": ids[0] }] } } })
    };
    let exchanges: Vec<_> = ids.chunks(200).map(exchange).collect();
    let call = json!({ "do": "get", "object": "Note", "ids": ids });
    desk.write("golden/many/call.json", &call.to_string());
    desk.write("golden/many/exchanges.json", &json!(exchanges).to_string());
    let many = ["--case", "many", "--bless", "--output", "json"];
    let tested = desk.plugin("test", &many).ended(0).json();
    assert_eq!(tested["cases"][0]["requests"], 2);
    let found = std::fs::read_to_string(desk.path("golden/many/expected.json")).unwrap();
    assert_eq!(found.matches("null").count(), 199, "{found}");
    // What is refused is so in the next version as well.
    let call = r#"{ "do": "create", "object": "Note", "records": [{}] }"#;
    desk.write("golden/many/call.json", call);
    desk.write("golden/many/exchanges.json", "[]");
    desk.plugin("test", &many).ended(0);
    let error = std::fs::read_to_string(desk.path("golden/many/error.txt")).unwrap();
    assert!(error.starts_with("create was refused: "), "{error}");
    std::fs::remove_dir_all(desk.path("golden/many")).unwrap();

    desk.replace(
        "golden/two-pages/exchanges.json",
        "limit=200&",
        "limit=100&",
    );
    let tested = desk.plugin("test", &["--bless"]).ended(1);
    for line in [
        "FAILED two-pages",
        "is not in exchanges.json: GET /v1/notes?limit=200&after=n1",
        "was not asked for: GET /v1/notes?limit=100&after=n1",
        "1 of 4 folders did not come out as expected",
    ] {
        assert!(tested.out.contains(line), "{line}: {tested:#?}");
    }
}

#[test]
fn what_comes_out_otherwise_is_shown_not_packed_and_can_be_blessed() {
    let desk = Desk::new("to-be-blessed", "rust");
    desk.replace("golden/one-form/expected.json", "mia@", "MIA@");
    let tested = desk.plugin("test", &[]).ended(1);
    for line in [
        "FAILED one-form",
        "-  \"Email\": \"MIA@example.com\"",
        "+  \"Email\": \"mia@example.com\"",
        "1 of 3 folders did not come out as expected",
    ] {
        assert!(tested.out.contains(line), "{line}: {tested:#?}");
    }
    let packed = desk.plugin("pack", &[]).ended(1);
    assert!(packed.err.contains("not packed"), "{packed:#?}");
    assert!(!desk.path("target/to-be-blessed-0.1.0").exists());
    let error = || std::fs::read_to_string(desk.path("golden/refuses-settings/error.txt"));
    let written = error().unwrap();
    // A folder that cannot be used holds up no other, and is not blessed.
    let broken = desk.path("golden/broken");
    for (file, text, told) in [
        ("input.json", r#"{"a":1}"#, "input.json: "),
        ("expected.json", "[", "expected.json: "),
        ("verdicts.txt", "kep", "verdicts.txt: line 1 is `kep`"),
        ("setting.json", "{}", "setting.json: nothing is read"),
    ] {
        desk.write("golden/broken/input.json", "[]");
        desk.write("golden/broken/expected.json", "[]");
        desk.write(&format!("golden/broken/{file}"), text);
        let tested = desk.plugin("test", &["--bless"]).ended(1);
        assert!(tested.out.contains("FAILED broken"), "{tested:#?}");
        assert!(tested.out.contains(told), "{tested:#?}");
        assert!(tested.out.contains("1 of 4 folders"), "{tested:#?}");
        std::fs::remove_dir_all(&broken).unwrap();
    }
    assert_eq!(error().unwrap(), written, "what is as expected stays");
    desk.plugin("test", &[]).ended(0);
    desk.plugin("pack", &[]).ended(0);
    assert!(
        desk.path("target/to-be-blessed-0.1.0/component.wasm")
            .is_file()
    );
}

/// `plugin dev` at work. It does not outlive this value.
struct Dev {
    child: Child,
    said: Receiver<String>,
}

impl Dev {
    fn start(desk: &Desk) -> Self {
        let mut command = desk.command(&["plugin", "dev", desk.plugin]);
        command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap());
        let (say, said) = channel();
        std::thread::spawn(move || {
            std::io::BufRead::lines(lines)
                .map_while(Result::ok)
                .for_each(|line| {
                    // Nobody may be left to hear it.
                    let _ = say.send(line);
                });
        });
        Self { child, said }
    }

    fn hear(&self, text: &str) {
        // A plugin is compiled meanwhile.
        while !self.said.recv_timeout(PATIENCE * 4).unwrap().contains(text) {}
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It has ended, or must not outlive the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_change_is_built_and_tested_while_dev_is_at_work() {
    let desk = Desk::new("in-the-making", "rust");
    let mut dev = Dev::start(&desk);
    dev.hear("3 folders came out as expected");
    desk.replace("src/lib.rs", "to_lowercase", "to_uppercase");
    dev.hear("+  \"Email\": \"MIA@EXAMPLE.COM\"");
    desk.replace("src/lib.rs", "to_uppercase", "to_lowercase");
    dev.hear("3 folders came out as expected");
    support::interrupt(&dev.child);
    assert_eq!(dev.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_tool_that_is_missing_is_named_with_how_to_get_it() {
    for (lang, tool, how) in [
        (
            "rust",
            "`cargo`",
            "rustup target add wasm32-unknown-unknown",
        ),
        ("js", "`npm`", "apt-get install nodejs npm"),
        (
            "python",
            "`python3`",
            "apt-get install python3 python3-venv",
        ),
    ] {
        let desk = Desk::new("tidy-mail", lang);
        let mut build = desk.command(&["plugin", "build", "tidy-mail"]);
        build.env("PATH", desk.directory.path()).env_remove("CARGO");
        let built = run(build, "").ended(1);
        assert!(
            built.err.contains(tool) && built.err.contains(how),
            "{built:#?}"
        );
    }
}

#[test]
fn a_new_plugin_overwrites_nothing_and_needs_a_name_that_packages_may_have() {
    let desk = Desk::new("tidy-mail", "python");
    let new = |name: &str, more: &[&str]| {
        desk.lockgate(&[&["plugin", "new", name, "--lang", "python"], more].concat())
    };
    let again = new("tidy-mail", &[]).ended(2);
    assert!(again.err.contains("--into"), "{again:#?}");
    let named = new("Tidy_Mail", &[]).ended(2);
    assert!(named.err.contains("a-z, 0-9 and -"), "{named:#?}");
    assert!(!desk.directory.path().join("Tidy_Mail").exists());
    let connector = new("crm", &["--kind", "connector"]).ended(1);
    let why = "a connector cannot be written in Python yet";
    assert!(connector.err.contains(why), "{connector:#?}");
}

#[test]
fn a_connector_in_another_language_than_rust_is_refused_before_it_is_built() {
    let desk = Desk::new("tidy-mail", "python");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest = repository.join("mailing-list/connector/package.toml");
    std::fs::copy(manifest, desk.path("package.toml")).unwrap();
    let built = desk.plugin("build", &[]).ended(1);
    let why = "a connector cannot be written in Python yet";
    assert!(built.err.contains(why), "{built:#?}");
    let source = desk.lockgate(&["transform", "tidy-mail", "--object", "Lead"]);
    assert!(source.ended(1).err.contains("lockgate plugin build"));
}
