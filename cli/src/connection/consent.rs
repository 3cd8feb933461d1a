//! What a new connection gives its connector: shown, and asked for where a person sits.

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::{Context as _, Result};
use lockgate::{Grants, Package};

use super::grants::{Wanted, in_words};
use crate::exit::{advised, usage};
use crate::output;

/// An answer of `--grant`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    None,
    Some(Wanted),
}

impl std::str::FromStr for Given {
    type Err = lockgate::UnknownGrant;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "none" => Ok(Self::None),
            name => name.parse().map(Self::Some),
        }
    }
}

/// What is given to a connection.
pub(super) struct Consent {
    pub(super) grants: Grants,
    /// What to tell once the connection is made, where nobody was asked.
    pub(super) told: Option<String>,
}

impl From<Grants> for Consent {
    fn from(grants: Grants) -> Self {
        Self { grants, told: None }
    }
}

/// What is given: as the arguments say, or else all that is asked for, after a yes of
/// the person at the terminal. Where nobody sits there is a line that tells it.
pub(super) fn of(connection: &str, package: &Package, arguments: &[Given]) -> Result<Consent> {
    let (manifest, asked) = (package.manifest(), package.asked_grants());
    let head = &manifest.package;
    if !arguments.is_empty() {
        return among(package, &asked, arguments).map(Consent::from);
    }
    let words = in_words(manifest, &asked);
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        let told = format!(
            "{connection} grants {} {} what it asks for (see --grant): {words}",
            head.name, head.version
        );
        return Ok(Consent {
            grants: asked,
            told: Some(told),
        });
    }
    output::tell(&format!("{} {} asks for:", head.name, head.version));
    for (grant, reason) in &manifest.grants {
        output::tell(&format!("  {grant:<8} to {}: {reason}", grant.in_words()));
    }
    output::tell(&format!("{connection}: {words}"));
    output::ask("Grant it all of this? [Y/n] ");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.context("cannot read the answer")?;
    match is_yes(&answer) {
        true => Ok(asked.into()),
        false => Err(advised(
            "there is no connection: what its connector asks for was not granted",
            "name what it may do: --grant http,storage for instance, or --grant none",
        )),
    }
}

fn among(package: &Package, asked: &Grants, arguments: &[Given]) -> Result<Grants> {
    let mut given = Grants::new();
    for argument in arguments {
        match argument {
            Given::None => {}
            Given::Some(Wanted::All) => given.extend(asked),
            Given::Some(Wanted::One(grant)) if asked.contains(grant) => {
                given.insert(*grant);
            }
            Given::Some(Wanted::One(grant)) => {
                let asked: Vec<String> = asked.iter().map(ToString::to_string).collect();
                return Err(usage(format!(
                    "{} {} does not ask for `{grant}`, but for {}",
                    package.name(),
                    package.manifest().package.version,
                    asked.join(", ")
                )));
            }
        }
    }
    Ok(given)
}

/// Enter alone is a yes; the end of what is typed is none.
fn is_yes(answer: &str) -> bool {
    let is_typed = !answer.is_empty();
    is_typed && matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_or_enter_is_a_yes_and_nothing_else_is() {
        for yes in ["\n", "y\n", "Yes\r\n", " y \n", "yes"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "n\n", "no\n", "yep\n", "y n\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
