//! Attacks on the sandbox from within a connector: its time, its handles, its
//! requests, its storage, and the credential that goes out with each request.
//!
//! A query's text is a command with arguments, apart by spaces (a list of them
//! is in [`COMMANDS`]). It is done when the first page is asked for, or already
//! in `query` if `now` stands before it. Reports come back as the records of
//! the page, so that a test sees what the guest saw.
//!
//! The first source of a subscription is a command as well (see [`EVENTS`]), done
//! by each `next`; the body of a webhook is one too (see [`HOOKS`]).

#[cfg(target_arch = "wasm32")]
mod attack;
#[cfg(target_arch = "wasm32")]
mod guest;

/// Commands with their arguments.
pub const COMMANDS: &[&str] = &[
    "spin",
    "spin-async",
    "never",
    "wait MS",
    "clock",
    "recurse",
    "allocate",
    "panic",
    "flood-calls",
    "flood-log",
    "hold-streams N",
    "send METHOD PATH",
    "send-many N PATH",
    "send-loop PATH",
    "send-loop-fail PATH KIND",
    "read-loop N PATH",
    "send-body BYTES PATH",
    "send-header PATH NAME VALUE",
    "forbidden-headers PATH",
    "forbidden-paths",
    "take PATH MAX-BYTES",
    "stream PATH",
    "stream-part PATH BYTES",
    "stream-lost PATH",
    "stream-ignore PATH",
    "ignore PATH",
    "hold-bodies N PATH",
    "exchange METHOD COUNT BYTES",
    "exchange-with ENDPOINT METHOD",
    "exchange-hold N METHOD",
    "exchange-leave END METHOD",
    "exchange-slowly COUNT REQUESTS METHOD",
    "exchange-burn COUNT MS",
    "exchange-wait MS",
    "exchange-cancel COUNT",
    "exchange-pages",
    "exchange-ignore METHOD",
    "keys KEY...",
    "guess-keys TENANT...",
    "put KEY BYTES",
    "swap KEY VERSION BYTES",
    "delete KEY",
    "list PREFIX",
    "fill-storage BYTES",
    "reserve CALLS MS",
    "reserve-many N",
    "reserve-send CALLS N PATH",
    "forge-handle N",
    "table TEXT",
    "table-of PATH",
    "hold-tables",
    "misshape KIND",
    "pages N PATH",
    "burn MS",
    "endless BYTES",
    "lie KIND",
    "fail KIND",
];

/// Commands of subscriptions. Each delivery tells of numbered things, and its
/// checkpoint is the number that comes next.
pub const EVENTS: &[&str] = &[
    "count N",
    "kinds",
    "quiet",
    "lie KIND",
    "fail KIND",
    "do COMMAND...",
    "then COMMAND...",
    "now COMMAND...",
    "exchange METHOD",
    "listen METHOD",
];

/// Commands of webhooks.
pub const HOOKS: &[&str] = &[
    "tell N",
    "show",
    "lie KIND",
    "refuse",
    "fail KIND",
    "do COMMAND...",
];
