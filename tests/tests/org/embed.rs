//! The example of an app with Lockgate in it does what the README shows.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use dev_org::{Config, DevOrg};
use lockgate_tests::org::{approve, demo_org};
use lockgate_tests::packages::package_dir;

#[tokio::test(flavor = "multi_thread")]
async fn the_embedding_example_connects_queries_through_a_plugin_and_off_boards() {
    let org = DevOrg::start(Config {
        records: 200,
        ..demo_org()
    })
    .await
    .unwrap();
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("packages")).unwrap();
    for (name, package) in [
        ("salesforce-connector", "salesforce"),
        ("contact-normalizer", "contact-normalizer"),
    ] {
        let link = place.path().join("packages").join(name);
        std::os::unix::fs::symlink(package_dir(package), link).unwrap();
    }
    let mut app = Command::new(env!("CARGO_BIN_EXE_embed"))
        .arg(org.url())
        .current_dir(place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(app.stdout.take().unwrap()).lines();
    let line = said.next().unwrap().unwrap();
    let url = line.strip_prefix("send the person to ").unwrap();
    let query = approve(url).await;
    writeln!(app.stdin.take().unwrap(), "{query}").unwrap();
    let rest: Vec<String> = said.map(Result::unwrap).collect();
    assert!(app.wait().unwrap().success(), "{rest:?}");

    let control = org.control();
    let contacts: usize = rest
        .iter()
        .map(|line| {
            line.strip_suffix(" contacts")
                .unwrap()
                .parse::<usize>()
                .unwrap()
        })
        .sum();
    let in_org = control.org(|org| org.table_of("Contact").len());
    assert!(contacts > 0 && contacts == in_org, "{contacts} of {in_org}");
    let revoked = control
        .requests()
        .into_iter()
        .find(|r| r.path.ends_with("/revoke"))
        .unwrap();
    assert_eq!(revoked.status, 200);
}

#[test]
fn the_embedding_example_has_under_40_lines() {
    let example = include_str!("../../examples/embed.rs");
    let code = &example[example.find("use anyhow").unwrap()..];
    assert!(code.lines().count() < 40, "{}", code.lines().count());
}
