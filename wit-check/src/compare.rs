//! What has changed from one version of the contract to another, and what of that a
//! component notices that was compiled against the first.
//!
//! It depends on the direction. What the host gives may grow: nobody who does not know a
//! function misses it. What a component gives may shrink: the host just does not call it;
//! but a function that the host asks for is missing in each that was compiled before.

use std::collections::BTreeMap;

use wit_parser::{Interface, PackageId, Resolve, World, WorldItem, WorldKey};

use crate::render;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    /// The interface that it is in.
    pub(crate) interface: String,
    /// What it is, in words.
    pub(crate) what: String,
    /// Components that were compiled before do not run with it.
    pub(crate) breaks: bool,
}

/// Who implements an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Host,
    Component,
}

/// A version of the contract: a package, and what it was read into.
pub(crate) type Contract<'a> = (&'a Resolve, PackageId);

/// All differences of two versions, those of an interface together.
pub(crate) fn compare(old: Contract<'_>, new: Contract<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    let (old_worlds, new_worlds) = (worlds(old), worlds(new));
    for (name, old_world) in &old_worlds {
        let Some(new_world) = new_worlds.get(name) else {
            changes.push(Change {
                interface: (*name).to_owned(),
                what: format!("the world `{name}` is gone"),
                breaks: true,
            });
            continue;
        };
        for side in [Side::Host, Side::Component] {
            let old = interfaces(old.0, old_world, side);
            let new = interfaces(new.0, new_world, side);
            changes.extend(of_world(name, side, &old, &new));
        }
    }
    for name in new_worlds.keys() {
        if !old_worlds.contains_key(name) {
            changes.push(Change {
                interface: (*name).to_owned(),
                what: format!("the world `{name}` is new"),
                breaks: false,
            });
        }
    }
    // An interface is in several worlds.
    changes.sort();
    changes.dedup();
    changes
}

/// Interfaces by their names.
type Interfaces<'a> = BTreeMap<&'a str, Items<'a>>;

/// The functions and types of an interface by their names, as text.
type Items<'a> = BTreeMap<&'a str, (Kind, String)>;

fn worlds((resolve, package): Contract<'_>) -> BTreeMap<&str, &World> {
    let package = resolve.packages.get(package);
    let worlds = package.into_iter().flat_map(|package| &package.worlds);
    worlds
        .filter_map(|(name, id)| Some((name.as_str(), resolve.worlds.get(*id)?)))
        .collect()
}

/// What one side implements in a world. Ours are all interfaces with a name.
fn interfaces<'a>(resolve: &'a Resolve, world: &'a World, side: Side) -> Interfaces<'a> {
    let all = match side {
        Side::Host => &world.imports,
        Side::Component => &world.exports,
    };
    all.iter()
        .filter_map(|(key, item)| {
            let WorldItem::Interface { id, .. } = item else {
                return None;
            };
            let interface = resolve.interfaces.get(*id)?;
            let name = match key {
                WorldKey::Name(name) => name,
                WorldKey::Interface(_) => interface.name.as_ref()?,
            };
            Some((name.as_str(), items(resolve, interface)))
        })
        .collect()
}

fn of_world(world: &str, side: Side, old: &Interfaces<'_>, new: &Interfaces<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    let change = |interface: &str, what: String, breaks| Change {
        interface: interface.to_owned(),
        what,
        breaks,
    };
    let verb = match side {
        Side::Host => "import",
        Side::Component => "export",
    };
    for (name, old_interface) in old {
        match new.get(name) {
            Some(new_interface) => {
                changes.extend(of_interface(name, side, old_interface, new_interface));
            }
            None => changes.push(change(
                name,
                format!("`{world}` no longer has the {verb} `{name}`"),
                side == Side::Host,
            )),
        }
    }
    for name in new.keys().filter(|name| !old.contains_key(*name)) {
        changes.push(change(
            name,
            format!("`{world}` has a new {verb}, `{name}`"),
            side == Side::Component,
        ));
    }
    changes
}

/// The differences of an interface that one side implements.
fn of_interface(interface: &str, side: Side, old: &Items<'_>, new: &Items<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut change = |what, breaks| {
        changes.push(Change {
            interface: interface.to_owned(),
            what,
            breaks,
        });
    };
    for (name, (kind, before)) in old {
        match new.get(name) {
            None => {
                // What nobody asks for any more is missed by nobody.
                change(
                    format!("{} `{name}` is gone", kind.word()),
                    side == Side::Host,
                );
            }
            Some((_, after)) if after != before => {
                change(format!("`{name}` was `{before}` and is `{after}`"), true);
            }
            Some(_) => {}
        }
    }
    for (name, (kind, after)) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        let breaks = side == Side::Component && *kind != Kind::Type;
        change(
            format!("{} `{name}` is new: `{after}`", kind.word()),
            breaks,
        );
    }
    changes
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Function,
    Type,
    Resource,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Type => "type",
            Self::Resource => "resource",
        }
    }
}

fn items<'a>(resolve: &Resolve, interface: &'a Interface) -> Items<'a> {
    let functions = interface.functions.iter().map(|(name, function)| {
        let text = render::function(resolve, function);
        (name.as_str(), (Kind::Function, text))
    });
    let types = interface.types.iter().map(|(name, id)| {
        let text = render::definition(resolve, *id);
        let kind = match text.as_str() {
            "resource" => Kind::Resource,
            _ => Kind::Type,
        };
        (name.as_str(), (kind, text))
    });
    functions.chain(types).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A contract in which the host gives `log` and the component `batches`.
    const BASE: &str = "
        interface log {
            enum level { info, warn }
            record line { level: level, text: string }
            write: func(line: line);
            flush: async func() -> result<u64>;
        }
        interface batches {
            variant verdict { keep, drop, reject(string) }
            resource cursor { next: func() -> option<u32>; }
            apply: func(input: list<u8>) -> list<verdict>;
            open: func() -> cursor;
        }
        world transform { import log; export batches; }
        world logger { import log; }";

    /// The changes that come of a text in the place of another, and what the makers of
    /// the tools say: whether old components run.
    fn changed(from: &str, to: &str) -> (Vec<Change>, bool) {
        assert!(BASE.contains(from), "{from}");
        let mut resolve = Resolve::default();
        let mut push = |version: &str, text: &str| {
            let text = format!("package lockgate:connector@{version};\n{text}");
            resolve.push_str("contract.wit", &text).unwrap()
        };
        let old = push("0.1.0", BASE);
        let new = push("0.2.0", &BASE.replace(from, to));
        let changes = compare((&resolve, old), (&resolve, new));
        let runs = resolve.packages[old].worlds.iter().all(|(name, world)| {
            let new = resolve.packages[new].worlds.get(name);
            new.is_some_and(|new| {
                wit_component::semver_check(resolve.clone(), *world, *new).is_ok()
            })
        });
        (changes, runs)
    }

    /// What breaks when `from` becomes `to`, as we and the makers of the tools say.
    #[track_caller]
    fn breaks(from: &str, to: &str) -> Vec<String> {
        let (changes, runs) = changed(from, to);
        let all = changes.iter().filter(|change| change.breaks);
        let all: Vec<String> = all.map(|change| change.what.clone()).collect();
        assert_eq!(all.is_empty(), runs, "{from} to {to}: {changes:#?}");
        all
    }

    #[test]
    fn a_contract_that_did_not_change_has_no_changes() {
        assert_eq!(changed("info", "info"), (Vec::new(), true));
    }

    #[test]
    fn what_is_added_to_what_the_host_gives_breaks_nothing() {
        for (from, to) in [
            ("interface log {", "interface log { size: func() -> u32;"),
            ("interface log {", "interface log { record more { a: u8 }"),
            (
                "interface log {",
                "interface log { resource more { a: func(); }",
            ),
            (
                "world transform { import log;",
                "interface clock { now: func() -> u64; }
                 world transform { import log; import clock;",
            ),
            (
                "world logger {",
                "world other { import log; } world logger {",
            ),
        ] {
            assert_eq!(breaks(from, to), [""; 0], "{to}");
            assert!(!changed(from, to).0.is_empty(), "{to}");
        }
    }

    #[test]
    fn each_way_to_break_a_component_is_found_and_named() {
        for (from, to, what) in [
            // What the host gives.
            ("write: func(line: line);", "", "function `write` is gone"),
            (
                "enum level { info, warn }",
                "enum level { info, warn, error }",
                "`level` was `enum { info, warn }` and is `enum { info, warn, error }`",
            ),
            (
                "{ level: level, text: string }",
                "{ text: string, level: level }",
                "`line` was `record { level: log.level, text: string }` and is",
            ),
            (
                "{ level: level, text: string }",
                "{ level: level, text: string, at: u64 }",
                "`line` was",
            ),
            (
                "write: func(line: line)",
                "write: func(text: line)",
                "`write` was `func(line: log.line)` and is `func(text: log.line)`",
            ),
            ("result<u64>", "result<u64, string>", "`flush` was"),
            (
                "flush: async func",
                "flush: func",
                "`flush` was `async func",
            ),
            // What the component gives.
            (
                "keep, drop, reject(string)",
                "keep, change, drop, reject(string)",
                "`verdict` was `variant { keep, drop, reject(string) }`",
            ),
            ("reject(string)", "reject", "`verdict` was"),
            ("option<u32>", "option<u64>", "`[method]cursor.next` was"),
            (
                "interface batches {",
                "interface batches { more: func();",
                "function `more` is new: `func()`",
            ),
            (
                "interface batches {",
                "interface batches { resource more { a: func(); }",
                "resource `more` is new: `resource`",
            ),
            // Worlds.
            (
                "import log; export batches;",
                "export batches;",
                "`transform` no longer has the import `log`",
            ),
            (
                "world transform { import log; export batches; }",
                "interface hooks { receive: func(); }
                 world transform { import log; export batches; export hooks; }",
                "`transform` has a new export, `hooks`",
            ),
            (
                "world logger { import log; }",
                "",
                "the world `logger` is gone",
            ),
        ] {
            let found = breaks(from, to);
            assert!(
                found.iter().any(|one| one.starts_with(what)),
                "{what}: {found:#?}"
            );
        }
    }

    #[test]
    fn a_function_of_a_component_that_is_no_longer_called_breaks_nothing() {
        let apply = "apply: func(input: list<u8>) -> list<verdict>;";
        assert_eq!(breaks(apply, ""), [""; 0]);
        assert_eq!(breaks("export batches;", ""), [""; 0]);
    }

    #[test]
    fn docs_are_no_change() {
        let (changes, _) = changed("write: func", "/// Writes.\n write: func");
        assert_eq!(changes, []);
    }
}
