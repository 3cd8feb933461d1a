//! What one instance of a component may need of the pool that instances live in,
//! read from wasmtime's refusal: it has a text and no type.

use std::fmt;

use super::PackageError;

/// Something of which an instance has only so much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resource {
    /// Core modules instantiated in it.
    CoreInstances,
    /// Linear memories.
    Memories,
    /// Bytes of a linear memory at the start.
    MemoryBytes,
    /// Tables.
    Tables,
    /// Elements of a table at the start.
    TableElements,
    /// Bytes that the engine needs for the instance's functions, globals and
    /// imports.
    InstanceBytes,
}

impl Resource {
    /// What helps.
    const fn advice(self) -> &'static str {
        match self {
            Self::CoreInstances => "link its modules together",
            Self::Memories => "link its modules together, so that they share one memory",
            Self::MemoryBytes => "let it begin with less and grow, or raise the host's ceiling",
            Self::Tables => "link its modules together, so that they share tables",
            Self::TableElements => "let it begin with less, or raise the host's ceiling",
            Self::InstanceBytes => "use fewer globals, imports and exported functions",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CoreInstances => "core instances",
            Self::Memories => "linear memories",
            Self::MemoryBytes => "bytes of memory at the start",
            Self::Tables => "tables",
            Self::TableElements => "table elements at the start",
            Self::InstanceBytes => "bytes for functions, globals and imports",
        })
    }
}

/// The words before what is needed, the words before what is allowed, and of
/// what. A test makes wasmtime say each.
const WORDS: [(&str, &str, Resource); 9] = [
    (
        "The component transitively contains ",
        " core module instances, which exceeds the configured maximum of ",
        Resource::CoreInstances,
    ),
    (
        "The component transitively contains ",
        " Wasm linear memories, which exceeds the configured maximum of ",
        Resource::Memories,
    ),
    (
        "The component transitively contains ",
        " tables, which exceeds the configured maximum of ",
        Resource::Tables,
    ),
    (
        "defined memories count of ",
        " exceeds the per-instance limit of ",
        Resource::Memories,
    ),
    (
        "defined tables count of ",
        " exceeds the per-instance limit of ",
        Resource::Tables,
    ),
    (
        "has a minimum byte size of ",
        " which exceeds the limit of ",
        Resource::MemoryBytes,
    ),
    (
        "has a minimum element size of ",
        " which exceeds the limit of ",
        Resource::TableElements,
    ),
    (
        "instance allocation for this module requires ",
        " bytes which exceeds the configured maximum of ",
        Resource::InstanceBytes,
    ),
    (
        "instance allocation for this component requires ",
        " bytes of `VMComponentContext` and aggregated core instance runtime space which exceeds \
         the configured maximum of ",
        Resource::InstanceBytes,
    ),
];

impl PackageError {
    /// Why a component was not compiled, from all that wasmtime says of it.
    pub(crate) fn not_compiled(package: &str, reason: String) -> Self {
        let package = package.to_owned();
        match WORDS.iter().find_map(|words| told(&reason, words)) {
            Some((resource, needed, allowed)) => Self::NoRoom {
                package,
                resource,
                needed,
                allowed,
                advice: resource.advice(),
            },
            None => Self::Malformed { package, reason },
        }
    }

    /// Why the code that a compiler of its own gave was not loaded, from all that wasmtime
    /// says of it. What an instance needs is looked at only then.
    pub(crate) fn not_adopted(package: &str, reason: String) -> Self {
        match Self::not_compiled(package, reason) {
            Self::Malformed { package, reason } => Self::CompilerFailed {
                package,
                reason: format!("{reason}; build it from the same source as the host"),
            },
            no_room => no_room,
        }
    }
}

fn told(
    reason: &str,
    (before, between, resource): &(&str, &str, Resource),
) -> Option<(Resource, u64, u64)> {
    let (_, rest) = reason.split_once(before)?;
    let (needed, rest) = rest.split_once(between)?;
    Some((*resource, number(needed)?, number(rest)?))
}

/// The number that a text begins with; sizes of memory are hexadecimal.
fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let end = digits.find(|c: char| !c.is_digit(radix));
    let (digits, _) = digits.split_at(end.unwrap_or(digits.len()));
    u64::from_str_radix(digits, radix).ok()
}
