//! Exit codes, which scripts rely on, and the last words to the person: what
//! failed and which command comes next.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use lockgate::auth::AuthError;
use lockgate::store::StoreError;
use lockgate::{Advice, Error, Problem};
use lockgate_sync::DatabaseError;

use crate::args::Target;
use crate::{output, packages};

/// What to do about an address that somebody else listens on.
pub(crate) const LISTEN_ELSEWHERE: &str =
    "end the program that has the port, or name another one with --listen";

/// What a command ends with. The numbers never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// The arguments, settings or input are wrong.
    Usage = 2,
    /// The connection has to be authorised.
    NeedsReconnect = 3,
    /// The budget of API calls is used up.
    OverQuota = 4,
    /// Some records were not written, not found or rejected by a plugin; others
    /// may have been written.
    SomeFailed = 5,
    /// A passing fault.
    TryLater = 6,
    /// Ended with Ctrl-C: 128 and the number of SIGINT, as shells have it.
    Interrupted = 130,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// What the person gave cannot be used: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// The person pressed Ctrl-C: exit code 130. Says what there is after it.
#[derive(Debug, thiserror::Error)]
#[error("interrupted: {0}")]
pub(crate) struct Interrupted(pub(crate) &'static str);

/// An error of usage, as `anyhow` carries it.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Usage(message.into()))
}

/// An error with the command or the change that comes next.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Advised {
    message: String,
    advice: String,
}

/// An error that names what to do next.
pub(crate) fn advised(message: impl Into<String>, advice: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Advised {
        message: message.into(),
        advice: advice.into(),
    })
}

/// The same error, with what to do if it is that an address is taken.
pub(crate) fn may_listen_elsewhere(error: anyhow::Error) -> anyhow::Error {
    let is_taken = |cause: &io::Error| cause.kind() == io::ErrorKind::AddrInUse;
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref());
    match causes.any(is_taken) {
        true => advised(message_of(&error), LISTEN_ELSEWHERE),
        false => error,
    }
}

/// Tells what failed and what to do, and gives the exit code. `target` is the
/// connection of the command, with which the next one is named.
pub(crate) fn report(error: &anyhow::Error, target: Option<&Target>) -> Status {
    if is_reader_gone(error) {
        // `lockgate query … | head` is no failure.
        return Status::Done;
    }
    let status = status_of(error);
    output::error(&message_of(error), advice_for(error, target).as_deref());
    status
}

fn is_reader_gone(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

fn status_of(error: &anyhow::Error) -> Status {
    if error.chain().any(|cause| cause.is::<Usage>()) {
        return Status::Usage;
    }
    if error.chain().any(|cause| cause.is::<Interrupted>()) {
        return Status::Interrupted;
    }
    if let Some(error) = database_error(error) {
        return status_of_database(error);
    }
    host_error(error).map_or(Status::Failed, status_of_host)
}

fn database_error(error: &anyhow::Error) -> Option<&DatabaseError> {
    error
        .chain()
        .find_map(|cause| cause.downcast_ref::<DatabaseError>())
}

fn status_of_database(error: &DatabaseError) -> Status {
    match error {
        DatabaseError::BadAddress { .. }
        | DatabaseError::BadName { .. }
        | DatabaseError::Tables { .. }
        | DatabaseError::NoSuch { .. } => Status::Usage,
        DatabaseError::Taken => Status::TryLater,
        error if error.is_passing() => Status::TryLater,
        _ => Status::Failed,
    }
}

fn host_error(error: &anyhow::Error) -> Option<&Error> {
    error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Error>())
}

fn status_of_host(error: &Error) -> Status {
    match error {
        Error::Input(_)
        | Error::Settings { .. }
        | Error::Options(_)
        | Error::Store(StoreError::BadAddress) => Status::Usage,
        Error::NeedsReconnect { .. } => Status::NeedsReconnect,
        Error::Auth(error) if error.needs_person() => Status::NeedsReconnect,
        Error::Auth(AuthError::BadLogin(_) | AuthError::NeedsSubdomain(_)) => Status::Usage,
        Error::OverQuota { .. } => Status::OverQuota,
        Error::Refused { problem, .. } => match problem.advice {
            Advice::Reconnect => Status::NeedsReconnect,
            Advice::WaitForQuota => Status::OverQuota,
            advice if advice.is_retryable() => Status::TryLater,
            _ => Status::Failed,
        },
        error if error.is_retryable() => Status::TryLater,
        _ => Status::Failed,
    }
}

/// The whole chain in one line, without a cause that only repeats.
fn message_of(error: &anyhow::Error) -> String {
    with_causes(&**error)
}

/// The same of any error.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut message = error.to_string();
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    for cause in causes {
        let cause = cause.to_string();
        if !message.contains(&cause) {
            message.push_str(": ");
            message.push_str(&cause);
        }
    }
    message
}

fn advice_for(error: &anyhow::Error, target: Option<&Target>) -> Option<String> {
    let connection = target.map_or_else(|| "CONNECTION".to_owned(), Target::as_arguments);
    if let Some(advised) = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Advised>())
    {
        return Some(advised.advice.clone());
    }
    match host_error(error)? {
        Error::NeedsReconnect { connection, .. } => Some(reconnect(connection)),
        Error::Auth(AuthError::NeedsReconnect { key, .. } | AuthError::NotAuthorized { key }) => {
            Some(reconnect(&key.to_string()))
        }
        Error::NoConnection { connection } => {
            let (tenant, name) = split(connection);
            Some(format!(
                "see them with `lockgate connection list`, or add it with \
                 `lockgate connection create {name}{} …`",
                tenant_argument(tenant)
            ))
        }
        Error::Store(StoreError::Exists(_)) => Some(
            "take another name, or remove it first with `lockgate connection remove`".to_owned(),
        ),
        Error::Refused { problem, .. } => schema_advice(problem, &connection),
        Error::UnknownObject { call, .. } => {
            Some(match packages::objects_known_to(&call.package) {
                Some(known) => format!(
                    "it knows {known}: name another with its fields in `objects` of its settings"
                ),
                None => "its own description says which objects it knows".to_owned(),
            })
        }
        Error::OverQuota { retry_after, .. } => Some(format!(
            "calls are expected to be free in {}; see `lockgate limits {connection}`",
            duration(*retry_after)
        )),
        Error::Settings { .. } => {
            Some("mend the settings at the places named, and run the command again".to_owned())
        }
        Error::UnknownOutcome { .. } => {
            Some("query for the records before writing them again".to_owned())
        }
        error => error
            .retry_after()
            .map(|pause| format!("run the same command again in {}", duration(pause))),
    }
}

/// The command that shows what there is, if a problem is that something is not: the
/// objects where the object is unknown, its fields where a field is.
pub(crate) fn schema_advice(problem: &Problem, connection: &str) -> Option<String> {
    if problem.advice != Advice::FixSchema {
        return None;
    }
    let is_about_object = matches!(problem.code.as_str(), "INVALID_TYPE" | "NOT_FOUND");
    Some(match &problem.object {
        Some(object) if !is_about_object => {
            format!("see what there is with `lockgate describe {connection} {object}`")
        }
        _ => format!("see what there is with `lockgate objects {connection}`"),
    })
}

fn reconnect(connection: &str) -> String {
    let (tenant, name) = split(connection);
    format!(
        "authorise it with `lockgate connection reconnect {name}{}`",
        tenant_argument(tenant)
    )
}

fn split(connection: &str) -> (&str, &str) {
    connection
        .split_once('/')
        .unwrap_or(("default", connection))
}

/// The tenant as an argument; nothing for the default one.
pub(crate) fn tenant_argument(tenant: &str) -> String {
    match tenant {
        "default" => String::new(),
        other => format!(" --tenant {other}"),
    }
}

/// A pause in words.
pub(crate) fn duration(pause: Duration) -> String {
    match pause.as_secs() {
        0 => "a second".to_owned(),
        seconds @ 1..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_dead_grant_ends_with_3_and_names_the_command_that_mends_it() {
        let error = anyhow::Error::new(Error::NeedsReconnect {
            connection: "acme/crm".to_owned(),
            reason: "revoked".to_owned(),
        })
        .context("while querying");
        assert_eq!(status_of(&error), Status::NeedsReconnect);
        assert_eq!(
            advice_for(&error, None).unwrap(),
            "authorise it with `lockgate connection reconnect crm --tenant acme`"
        );
    }

    #[test]
    fn wrong_input_ends_with_2() {
        let error = Err::<(), _>(Error::Input("no".to_owned()))
            .context("reading")
            .unwrap_err();
        assert_eq!(status_of(&error), Status::Usage);
        assert_eq!(status_of(&usage("no")), Status::Usage);
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure() {
        let error = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_reader_gone(
            &anyhow::Error::new(error).context("writing")
        ));
    }
}
