//! Versions of the contract: which of them the host serves, and how a component of an
//! older one is read. The rest of the host knows only the newest.
//!
//! The names of what a component imports and exports carry the version that it was
//! built against. An interface whose types are still the same is given its newest name
//! in the bytes that are compiled (`names`), so that it is bound, granted and denied by
//! the same code as any other. One that has changed keeps its old name, and what goes
//! through it is converted (`batches`).

mod batches;
mod names;

pub(crate) use batches::{Batches, BatchesPre};
pub(crate) use names::{Names, Source};

use crate::manifest::CONTRACT_VERSION;

/// The package that our interfaces belong to.
pub(crate) const PACKAGE: &str = "lockgate:connector";

/// A version of the contract that the host serves. Each older one has a frozen copy in
/// `wit/frozen`, and what `wit/frozen/versions.toml` says of it is so here; a test holds
/// them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contract {
    V0_1,
    V0_2,
}

impl Contract {
    /// From the newest on.
    const SERVED: [Self; 2] = [Self::V0_2, Self::V0_1];

    /// The one that serves what was built against `version`: before 1.0 the minor number
    /// is the breaking one, and patches only add. Pre-releases go with nothing.
    pub(crate) fn of(version: &str) -> Option<Self> {
        let mut served = Self::SERVED.into_iter();
        served.find(|contract| {
            let patch = version.strip_prefix(contract.track());
            patch.is_some_and(|patch| {
                let is_number = patch.bytes().all(|byte| byte.is_ascii_digit());
                is_number && (patch == "0" || !patch.starts_with('0')) && !patch.is_empty()
            })
        })
    }

    /// All that are served, for people.
    pub(crate) fn served() -> String {
        Self::SERVED.map(Self::version).join(" and ")
    }

    const fn version(self) -> &'static str {
        match self {
            Self::V0_1 => "0.1.0",
            Self::V0_2 => CONTRACT_VERSION,
        }
    }

    /// What versions that go together begin with. All of one length, so that names keep
    /// theirs.
    const fn track(self) -> &'static str {
        match self {
            Self::V0_1 => "0.1.",
            Self::V0_2 => "0.2.",
        }
    }

    /// The interfaces that are not as they are in the newest.
    const fn converted(self) -> &'static [&'static str] {
        match self {
            Self::V0_1 => &["batches"],
            Self::V0_2 => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[test]
    fn patches_of_a_contract_go_together_and_minors_do_not() {
        assert_eq!(Contract::of("0.1.0"), Some(Contract::V0_1));
        assert_eq!(Contract::of("0.2.0"), Some(Contract::V0_2));
        assert_eq!(Contract::of("0.2.19"), Some(Contract::V0_2));
        for other in [
            "0.3.0",
            "1.0.0",
            "0.1",
            "0.1.",
            "0.10.0",
            "0.01.0",
            "0.1.00",
            "0.1.+1",
            "0.1.0.0",
            "0.1.0-rc.1",
            "0.1.0+build",
            "",
            "none",
        ] {
            assert_eq!(Contract::of(other), None, "{other}");
        }
        assert_eq!(Contract::served(), "0.2.0 and 0.1.0");
    }

    #[test]
    fn a_new_name_is_as_long_as_the_old_one() {
        for contract in Contract::SERVED {
            assert_eq!(contract.track().len(), Contract::SERVED[0].track().len());
            assert_eq!(Contract::of(contract.version()), Some(contract));
        }
    }

    /// What `wit/frozen/versions.toml` says of a version.
    #[derive(Deserialize)]
    struct Frozen {
        converted: Vec<String>,
    }

    #[test]
    fn what_is_frozen_is_what_is_served_and_what_is_said_to_be_converted_is() {
        let text = include_str!("../../wit/frozen/versions.toml");
        let frozen: BTreeMap<String, Frozen> = toml::from_str(text).unwrap();
        for (version, frozen) in &frozen {
            let contract = Contract::of(version).unwrap();
            assert_eq!(contract.converted(), frozen.converted, "{version}");
        }
        for older in &Contract::SERVED[1..] {
            assert!(frozen.contains_key(older.version()), "{older:?}");
        }
    }
}
