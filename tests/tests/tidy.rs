//! Habits that no compiler holds: what every file has, what no file may have,
//! and that what the documents show is what is there.

#![expect(clippy::unwrap_used, reason = "a test: what fails ends it")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files of the repository with one of these endings, as (path, text).
fn files(folder: &str, endings: &[&str]) -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && !matches!(name, "target" | ".git" | "node_modules") {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let relative = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((relative, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "no files in {folder}");
    found.sort();
    found
}

/// Lines that break a rule, each with its place.
fn offenders(files: &[(String, String)], mut breaks: impl FnMut(&str) -> bool) -> Vec<String> {
    let mut offenders = Vec::new();
    for (path, text) in files {
        for (number, line) in text.lines().enumerate() {
            if breaks(line) {
                offenders.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    offenders
}

#[test]
fn every_file_opens_with_what_lives_in_it() {
    let silent: Vec<String> = files("", &[".rs"])
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "no `//!` at the top of {silent:#?}");
}

#[test]
fn no_file_is_longer_than_one_thing_needs() {
    let long: Vec<String> = files("", &[".rs"])
        .into_iter()
        .filter_map(|(path, text)| {
            let lines = text
                .lines()
                .take_while(|line| !line.starts_with("#[cfg(test)]"))
                .count();
            let is_test = path.contains("/tests/") || path.ends_with("tests.rs");
            (lines > if is_test { 700 } else { 520 }).then(|| format!("{path}: {lines}"))
        })
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn the_host_and_the_sync_know_no_vendor() {
    let files = [files("host/src", &[".rs"]), files("sync/src", &[".rs"])].concat();
    let named = offenders(&files, |line| {
        let line = line.to_ascii_lowercase();
        !line.trim_start().starts_with("//")
            && ["salesforce", "sobject", "soql", "mailing"]
                .iter()
                .any(|name| line.contains(name))
    });
    assert!(named.is_empty(), "{named:#?}");
}

#[test]
fn the_contract_is_bound_in_one_file_of_the_host() {
    let elsewhere: Vec<String> = files("host/src", &[".rs"])
        .into_iter()
        .filter(|(path, text)| text.contains("bindgen!(") && path != "host/src/bindings.rs")
        .map(|(path, _)| path)
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
}

#[test]
fn every_item_of_the_contract_is_documented() {
    let mut bare = Vec::new();
    for (path, text) in files("wit", &[".wit"]) {
        let mut before = "";
        for (number, line) in text.lines().map(str::trim).enumerate() {
            // All but what closes, or names what is declared elsewhere: a declaration,
            // a field, a case.
            let is_item = !line.is_empty()
                && !line.starts_with("//")
                && !["}", "import ", "export ", "include ", "use "]
                    .iter()
                    .any(|start| line.starts_with(start));
            if is_item && !before.starts_with("///") {
                bare.push(format!("{path}:{}: {line}", number + 1));
            }
            before = line;
        }
    }
    assert!(bare.is_empty(), "{bare:#?}");
}

#[test]
fn errors_of_the_contract_have_six_cases_at_most() {
    for (path, text) in files("wit", &[".wit"]) {
        for block in text.split("variant error {").skip(1) {
            let body = block.split('}').next().unwrap();
            let cases = body.lines().map(str::trim);
            let cases = cases
                .filter(|line| line.ends_with(',') && !line.starts_with("///"))
                .count();
            assert!((1..=6).contains(&cases), "{path}: {cases} cases");
        }
    }
}

#[test]
fn nothing_speaks_of_one_machine() {
    // In pieces, so that this file does not break its own rule.
    let words = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/tm", "p/"),
        concat!("crates", "-io-"),
    ];
    let all = files("", &[".rs", ".md", ".toml", ".wit", ".mjs", ".py"]);
    let spoken = offenders(&all, |line| words.iter().any(|word| line.contains(word)));
    assert!(spoken.is_empty(), "{spoken:#?}");
}

/// Whether a file has a test of this name: a function with an attribute for it.
fn has_test(file: &str, name: &str) -> bool {
    let lines: Vec<&str> = file.lines().map(str::trim).collect();
    let declared = format!("fn {name}(");
    let at = lines.iter().position(|line| line.contains(&declared));
    at.is_some_and(|at| {
        let before = lines.iter().take(at).rev();
        before
            .take_while(|line| line.starts_with("#["))
            .any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
    })
}

#[test]
fn every_tick_of_ours_in_the_comparison_names_a_test_that_exists() {
    let text = fs::read_to_string(root().join("docs/comparison.md")).unwrap();
    let (mut wrong, mut tests) = (Vec::new(), 0);
    // A row of features: its name, ours, and the six others'.
    for row in text.lines().filter(|line| line.matches('|').count() == 9) {
        let ours = row.split('|').nth(2).unwrap().trim();
        let is_tick = ours.starts_with('✓') || ours.starts_with("part:");
        if is_tick != ours.contains("[`") {
            wrong.push(format!("a tick has a test, and only a tick: {row}"));
        }
        let missing = missing_tests(ours);
        tests += ours.matches("[`").count();
        wrong.extend(missing);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tests > 0, "no row of ours was found");
}

/// Tests that a cell of a table in `docs` links to and that are not there.
fn missing_tests(cell: &str) -> Vec<String> {
    let links = cell.split("[`").skip(1).map(|link| {
        let (name, rest) = link.split_once("`](../").unwrap();
        (name, rest.split(')').next().unwrap())
    });
    links
        .filter(|(name, path)| {
            let file = fs::read_to_string(root().join(path)).unwrap_or_default();
            !has_test(&file, name)
        })
        .map(|(name, path)| format!("there is no test {name} in {path}"))
        .collect()
}

#[test]
fn every_attack_has_tests_that_exist_or_says_why_not() {
    let text = fs::read_to_string(root().join("docs/attacks.md")).unwrap();
    let (mut wrong, mut number) = (Vec::new(), 0);
    // A row: its number, the attack, the outcome, links to tests.
    for row in text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| |"))
    {
        number += 1;
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [found, _, outcome, tests] = cells[..] else {
            wrong.push(format!("a row has four cells: {row}"));
            continue;
        };
        if found != number.to_string() {
            wrong.push(format!("row {number} is numbered {found}"));
        }
        let is_excused = outcome.starts_with("open: ") || outcome.starts_with("does not apply: ");
        if tests.is_empty() && !is_excused {
            wrong.push(format!("nothing holds it, and it does not say why: {row}"));
        }
        wrong.extend(missing_tests(tests));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(number >= 90, "only {number} rows were found");
}
