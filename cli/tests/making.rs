//! A plugin in the making, which a host at work takes over build by build.

#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::{Value as Json, json};
use support::running::{PATIENCE, Running};
use support::sender::{created, submit};
use support::{Bench, Run, command, run};
use tempfile::TempDir;

/// The plugin.
const NAME: &str = "made-live";

/// What the plugin does in the end to each record.
const LOUD: &str = r#"    if let Some(Value::String(name)) = record.get_mut("LastName") {
        *name = name.to_uppercase();
    }
"#;

/// A plugin that was just begun, and the data directory of a bench.
struct Desk<'a> {
    bench: &'a Bench,
    directory: TempDir,
}

impl Desk<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.bench.data.path());
        command.current_dir(self.directory.path()).args(arguments);
        // Crates are compiled once for all tests, and for all their runs.
        command.env("CARGO_TARGET_DIR", env!("CARGO_TARGET_TMPDIR"));
        command
    }

    fn lockgate(&self, arguments: &[&str]) -> Run {
        tokio::task::block_in_place(|| run(self.command(arguments), ""))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(NAME).join(name)
    }

    /// The versions that are installed.
    fn versions(&self) -> Vec<String> {
        let list = ["package", "list", NAME, "--output", "json"];
        let list = self.lockgate(&list).ended(0).json();
        let rows = list.as_array().unwrap().iter();
        rows.map(|row| row["version"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The last name of the lead with this key, once it is there.
    fn lead(&self, key: &str) -> String {
        let soql = format!("SELECT LastName FROM Lead WHERE External_Id__c = '{key}'");
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            let query = ["query", "crm", &soql, "--output", "json"];
            let found = self.lockgate(&query).ended(0).json();
            if let Some(name) = found.get(0).and_then(|lead| lead["LastName"].as_str()) {
                return name.to_owned();
            }
            assert!(std::time::Instant::now() < end, "no lead {key}");
        }
    }
}

/// `plugin dev --swap` at work. It does not outlive this value.
struct Dev {
    child: Child,
    said: Receiver<String>,
}

impl Dev {
    fn start(desk: &Desk<'_>) -> Self {
        let mut command = desk.command(&["plugin", "dev", NAME, "--swap"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (say, said) = channel();
        listen(child.stdout.take().unwrap(), say.clone());
        listen(child.stderr.take().unwrap(), say);
        Self { child, said }
    }

    fn hear(&self, text: &str) -> String {
        loop {
            // A plugin is compiled meanwhile.
            let line = self.said.recv_timeout(PATIENCE * 4).unwrap();
            if line.contains(text) {
                return line;
            }
        }
    }
}

fn listen(stream: impl std::io::Read + Send + 'static, say: Sender<String>) {
    std::thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.for_each(|line| {
            // Nobody may be left to hear it.
            let _ = say.send(line);
        });
    });
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It has ended, or must not outlive the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_at_work_takes_each_good_build_and_no_bad_one() {
    let bench = Bench::connected().await;
    let desk = Desk {
        bench: &bench,
        directory: tempfile::tempdir().unwrap(),
    };
    desk.lockgate(&["plugin", "new", NAME, "--lang", "rust"])
        .ended(0);
    desk.lockgate(&["plugin", "pack", NAME]).ended(0);
    let packed = desk.path(&format!("target/{NAME}-0.1.0"));
    desk.lockgate(&["package", "install", packed.to_str().unwrap()])
        .ended(0);
    // The name is that of the installed one, though its source lies here; a path is a path.
    let query = ["query", "crm", "SELECT Email FROM Lead", "--plugin"];
    desk.lockgate(&[&query[..], &[NAME]].concat()).ended(0);
    let source = format!("./{NAME}");
    let refused = desk.lockgate(&[&query[..], &[&source]].concat()).ended(2);
    assert!(refused.err.contains("not yet a package"), "{refused:#?}");
    let form = ["--name", "form", "--signed", "--into", "Lead"];
    let form = [&form[..], &["--key", "External_Id__c", "--plugin", NAME]].concat();
    let (path, secret) = created(&bench, &form);
    let secret = secret.unwrap();
    let (running, address) = tokio::task::block_in_place(|| Running::listening(&bench, &[]));
    let url = format!("http://{address}{path}");
    let lead = |key: &str| -> Json {
        json!({ "External_Id__c": key, "LastName": "Doe", "Company": "Acme",
                "Email": format!("{key}@example.com") })
    };
    assert_eq!(submit(&url, &secret, "msg_1", &lead("one")).await, 204);
    assert_eq!(desk.lead("one"), "Doe");

    let mut dev = Dev::start(&desk);
    // It is what runs already.
    dev.hear("calls go to this build already, 0.1.0");
    let source = std::fs::read_to_string(desk.path("src/lib.rs")).unwrap();
    let last = "    Verdict::Keep\n}";
    assert!(source.contains(last), "{source}");
    let loud = source.replace(last, &format!("{LOUD}{last}"));
    std::fs::write(desk.path("src/lib.rs"), loud).unwrap();
    dev.hear("what does not pass its tests stays out");
    assert_eq!(desk.versions(), ["0.1.0"]);
    // That is right now.
    desk.lockgate(&["plugin", "test", NAME, "--bless"]).ended(0);
    dev.hear("calls go to 0.1.1-dev.1");
    assert_eq!(submit(&url, &secret, "msg_2", &lead("two")).await, 204);
    assert_eq!(desk.lead("two"), "DOE");
    let figures = dev.hear("0.1.1-dev.1: ");
    assert!(
        figures.contains(" 0 failed") && figures.contains("before, 0.1.0: "),
        "{figures}"
    );
    std::fs::write(desk.path("src/lib.rs"), "no Rust").unwrap();
    dev.hear("error:");
    assert_eq!(desk.versions(), ["0.1.0", "0.1.1-dev.1"]);
    support::interrupt(&dev.child);
    assert_eq!(dev.child.wait().unwrap().code(), Some(0));
    // Nobody wrote into the plugin's own files.
    let manifest = std::fs::read_to_string(desk.path("package.toml")).unwrap();
    assert!(manifest.contains("version = \"0.1.0\""), "{manifest}");
    running.stop();
}
