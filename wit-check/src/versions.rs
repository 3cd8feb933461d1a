//! Whether the version of the contract says what has become of it, and whether the host
//! can serve what was compiled against each published one.

use std::path::Path;

use anyhow::{Context as _, Result};
use semver::Version;
use wit_parser::{PackageId, Resolve};

use crate::Findings;
use crate::compare::{Change, compare};
use crate::frozen::{self, Frozen};

/// Checks the contract in a folder, with its frozen copies below it.
pub(crate) fn check(wit: &Path) -> Result<Findings> {
    let copies = wit.join("frozen");
    let (published, problems) = frozen::read(&copies)?;
    let mut findings = Findings {
        problems,
        ..Findings::default()
    };
    let (now, package, current) = contract(wit)?;
    let newest = published.keys().next_back();
    for (version, frozen) in &published {
        let (then, then_package, named) = contract(&copies.join(version.to_string()))?;
        if named != *version {
            let problem = format!("frozen/{version} is of package version {named}: rename it");
            findings.problems.push(problem);
            continue;
        }
        let changes = compare((&then, then_package), (&now, package));
        against(version, frozen, &current, &changes, &mut findings);
        if newest == Some(version) {
            let broken = changes.iter().any(|change| change.breaks);
            let step = step(version, &current, broken, changes.is_empty());
            findings.problems.extend(step);
        }
    }
    Ok(findings)
}

/// Reads the contract in a folder.
fn contract(folder: &Path) -> Result<(Resolve, PackageId, Version)> {
    let reading = || format!("reading {}", folder.display());
    let mut resolve = Resolve::default();
    let (id, _) = resolve.push_dir(folder).with_context(reading)?;
    let package = resolve.packages.get(id);
    let version = package.and_then(|package| package.name.version.clone());
    let version = version
        .context("its package has no version")
        .with_context(reading)?;
    Ok((resolve, id, version))
}

/// What each change means for components of one published version.
fn against(
    version: &Version,
    frozen: &Frozen,
    current: &Version,
    changes: &[Change],
    findings: &mut Findings,
) {
    let is_same_track = track(version) == track(current);
    for Change {
        interface,
        what,
        breaks,
    } in changes
    {
        let is_converted = frozen.converted.contains(interface);
        let text = format!("since {version}, {interface}: {what}");
        if !breaks {
            findings.notes.push(text);
        } else if is_same_track {
            findings.problems.push(format!(
                "{text}; components of {version} would not run: undo it, or make it a part of {}",
                next_break(version)
            ));
        } else if is_converted {
            findings.notes.push(format!("{text}; the host converts it"));
        } else {
            findings.problems.push(format!(
                "{text}; components of {version} would not run: undo it, or convert \
                 `{interface}` in host/src/contract and list it as converted in \
                 frozen/versions.toml"
            ));
        }
    }
    for interface in &frozen.converted {
        let is_needed = changes
            .iter()
            .any(|change| change.breaks && change.interface == *interface);
        if !is_needed {
            findings.problems.push(format!(
                "`{interface}` is listed as converted for {version}, and nothing of it breaks: \
                 take it out of frozen/versions.toml and host/src/contract"
            ));
        }
    }
}

/// What is wrong with the version of the contract behind the newest that was published.
fn step(newest: &Version, current: &Version, breaks: bool, is_same: bool) -> Option<String> {
    let (patch, next) = (next_patch(newest), next_break(newest));
    if breaks {
        // Within a track each break is told for itself.
        let fits = track(newest) == track(current) || *current == next;
        return (!fits).then(|| format!("the contract is {current}: behind {newest} comes {next}"));
    }
    if is_same {
        return (current != newest).then(|| {
            format!("the contract is {current} and the same as {newest}: leave it at {newest}")
        });
    }
    (*current != patch).then(|| {
        format!("the contract is {current}, and what it adds to {newest} breaks nothing: {patch}")
    })
}

/// What must be equal for two versions to go together.
const fn track(version: &Version) -> (u64, u64) {
    match version.major {
        0 => (0, version.minor),
        major => (major, 0),
    }
}

const fn next_patch(version: &Version) -> Version {
    match version.major {
        0 => Version::new(0, version.minor, version.patch + 1),
        major => Version::new(major, version.minor + 1, 0),
    }
}

const fn next_break(version: &Version) -> Version {
    match version.major {
        0 => Version::new(0, version.minor + 1, 0),
        major => Version::new(major + 1, 0, 0),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const BASE: &str = "interface log { write: func(); }
        interface batches { apply: func() -> u32; }
        world transform { import log; export batches; }";
    const ADDED: &str = "interface log { write: func(); flush: func(); }
        interface batches { apply: func() -> u32; }
        world transform { import log; export batches; }";
    const BROKEN: &str = "interface log { write: func(); }
        interface batches { apply: func() -> u64; }
        world transform { import log; export batches; }";

    /// A folder with a contract, and 0.1.0 frozen below it.
    struct Bench(tempfile::TempDir);

    impl Bench {
        fn new(version: &str, text: &str) -> Self {
            let bench = Self(tempfile::tempdir().unwrap());
            fs::create_dir_all(bench.0.path().join("frozen/0.1.0")).unwrap();
            bench.write("world.wit", version, text);
            bench.write("frozen/0.1.0/world.wit", "0.1.0", BASE);
            bench.freeze("[]");
            bench
        }

        fn write(&self, file: &str, version: &str, text: &str) {
            let text = format!("package lockgate:connector@{version};\n{text}\n");
            fs::write(self.0.path().join(file), text).unwrap();
        }

        fn list(&self, sha256: &str, converted: &str) {
            let text = format!("['0.1.0']\nsha256 = '{sha256}'\nconverted = {converted}\n");
            fs::write(self.0.path().join("frozen/versions.toml"), text).unwrap();
        }

        /// Lists the copy with its digest, which is told of one that lacks it.
        fn freeze(&self, converted: &str) {
            self.list("", converted);
            let problems = self.check().problems;
            let told = problems
                .iter()
                .find(|one| one.contains("frozen/0.1.0 is not"));
            let digest = told.unwrap().split('"').nth(1).unwrap();
            self.list(digest, converted);
        }

        fn check(&self) -> Findings {
            check(self.0.path()).unwrap()
        }
    }

    #[track_caller]
    fn wrong(bench: &Bench, words: &[&str]) {
        let problems = bench.check().problems;
        assert_eq!(problems.len(), 1, "{problems:#?}");
        for word in words {
            assert!(problems[0].contains(word), "{word}: {problems:#?}");
        }
    }

    #[test]
    fn a_contract_that_is_as_it_was_published_is_sound() {
        assert_eq!(Bench::new("0.1.0", BASE).check(), Findings::default());
        let documented = BASE.replace("write", "/// Writes.\n write");
        assert_eq!(
            Bench::new("0.1.0", &documented).check(),
            Findings::default()
        );
    }

    #[test]
    fn what_only_adds_is_the_next_patch() {
        let sound = Bench::new("0.1.1", ADDED).check();
        assert_eq!(sound.problems, [""; 0]);
        assert_eq!(
            sound.notes,
            ["since 0.1.0, log: function `flush` is new: `func()`"]
        );
        for version in ["0.1.0", "0.1.2", "0.2.0", "1.0.0"] {
            wrong(
                &Bench::new(version, ADDED),
                &[version, "breaks nothing: 0.1.1"],
            );
        }
        wrong(&Bench::new("0.1.1", BASE), &["leave it at 0.1.0"]);
    }

    #[test]
    fn what_breaks_is_the_next_minor_and_is_converted() {
        for version in ["0.1.0", "0.1.1"] {
            wrong(
                &Bench::new(version, BROKEN),
                &["batches: `apply` was", "make it a part of 0.2.0"],
            );
        }
        let bench = Bench::new("0.2.0", BROKEN);
        wrong(&bench, &["convert `batches` in host/src/contract"]);
        bench.freeze("['batches']");
        let sound = bench.check();
        assert_eq!(sound.problems, [""; 0]);
        assert!(
            sound.notes[0].ends_with("the host converts it"),
            "{sound:?}"
        );
        bench.write("world.wit", "0.3.0", BROKEN);
        wrong(&bench, &["behind 0.1.0 comes 0.2.0"]);
    }

    #[test]
    fn what_is_converted_for_nothing_is_found() {
        let bench = Bench::new("0.1.0", BASE);
        bench.freeze("['log']");
        wrong(&bench, &["`log` is listed as converted for 0.1.0"]);
    }

    #[test]
    fn a_copy_that_was_touched_is_found_and_one_that_nobody_lists() {
        let bench = Bench::new("0.1.0", BASE);
        let file = bench.0.path().join("frozen/0.1.0/world.wit");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace('\n', "\r\n")).unwrap();
        assert_eq!(bench.check(), Findings::default());
        fs::write(&file, text + "// Touched.\n").unwrap();
        wrong(&bench, &["frozen/0.1.0 is not as it was frozen"]);
        bench.write("frozen/0.1.0/world.wit", "0.1.0", BASE);
        fs::create_dir(bench.0.path().join("frozen/0.0.9")).unwrap();
        wrong(&bench, &["frozen/0.0.9 is not in versions.toml"]);
    }

    #[test]
    fn a_contract_that_cannot_be_read_is_told_with_its_place() {
        let bench = Bench::new("0.1.0", BASE);
        let text = "interface log { write: func() -> nothing; }";
        bench.write("frozen/0.1.0/world.wit", "0.1.0", text);
        let error = format!("{:#}", check(bench.0.path()).unwrap_err());
        assert!(
            error.contains("frozen/0.1.0") && error.contains("nothing"),
            "{error}"
        );
        bench.write("world.wit", "0.1.0", text);
        let error = format!("{:#}", check(bench.0.path()).unwrap_err());
        assert!(
            !error.contains("frozen/0.1.0") && error.contains("nothing"),
            "{error}"
        );
    }

    #[test]
    fn the_contract_of_this_repository_keeps_what_was_promised() {
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let problems = check(&wit).unwrap().problems;
        assert!(problems.is_empty(), "{problems:#?}");
    }
}
