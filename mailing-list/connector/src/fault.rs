//! What the service says when it refuses, and what the caller should do about it.

use crate::bindings::exports::lockgate::connector::records::{Advice, Error, Problem};
use crate::describe::MEMBER;
use crate::host::{HttpError, Lost};
use crate::wire::{Refusal, Refused};

/// A pause after a passing fault, in milliseconds.
const FAULT_PAUSE_MS: u64 = 2_000;

/// A pause where calls are used up and the host did not see it, in milliseconds: they
/// free up all the time.
const QUOTA_PAUSE_MS: u64 = 60_000;

/// Bounds of the contract, in bytes.
const MAX_CODE_BYTES: usize = 128;
const MAX_MESSAGE_BYTES: usize = 1_024;
const MAX_TEXT_BYTES: usize = 512;

/// Whether a request changes members, so that a lost answer matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Read,
    Write,
}

/// The error of a call that was answered with something else than a success.
pub(crate) fn of_answer(status: u16, body: &[u8], effect: Effect) -> Error {
    let refusal = serde_json::from_slice::<Refused>(body).ok();
    match (status, refusal) {
        (401, _) => Error::Reconnect,
        (429, _) => Error::OverQuota(QUOTA_PAUSE_MS),
        // 503 says by itself that nothing was done.
        (500.., _) if effect == Effect::Write && status != 503 => Error::UnknownOutcome,
        (500.., _) => Error::Unavailable(FAULT_PAUSE_MS),
        (_, Some(refused)) => Error::Refused(of_refusal(&refused.error)),
        (_, None) => unexpected("a refusal in the words of the mailing list"),
    }
}

/// A refusal in the contract's words.
pub(crate) fn of_refusal(refusal: &Refusal) -> Problem {
    let advice = match refusal.code.as_str() {
        "not_found" | "cursor_gone" => Advice::Refetch,
        "email_taken" | "external_key_taken" => Advice::ResolveDuplicate,
        "unknown_field" | "read_only" | "no_key" => Advice::FixSchema,
        "rolled_back" => Advice::RolledBack,
        _ => Advice::FixRecord,
    };
    let mut message = refusal.message.clone();
    if let (Advice::ResolveDuplicate, Some(id)) = (advice, &refusal.id) {
        message = format!("{message} (like: {id})");
    }
    let mut problem = problem(advice, &refusal.code, &message);
    problem.fields.extend(refusal.field.clone());
    problem
}

/// What a request without a whole answer means for the caller.
pub(crate) fn without_answer(lost: &Lost, effect: Effect) -> Error {
    let (error, has_begun) = match lost {
        Lost::Head(error) => (error, false),
        Lost::Body(error) => (error, true),
    };
    match error {
        // The write was carried out or refused, and only the lost body says which.
        _ if has_begun && effect == Effect::Write => Error::UnknownOutcome,
        HttpError::Unavailable(broken) if broken.maybe_sent && effect == Effect::Write => {
            Error::UnknownOutcome
        }
        HttpError::Unavailable(broken) => Error::Unavailable(broken.retry_after_ms),
        HttpError::Unauthorized => Error::Reconnect,
        HttpError::OverQuota(ms) => Error::OverQuota(*ms),
        HttpError::TooLarge(bytes) => unexpected(&format!("an answer of at most {bytes} bytes")),
        HttpError::Invalid(_) => {
            unexpected("the host to accept the request: a value in it is too long")
        }
        HttpError::Denied => refused(
            Advice::AskPermission,
            "request_denied",
            "the host's rules refuse the request: its address, a redirect, or too many requests \
             in one call",
        ),
    }
}

/// A problem worded by us.
pub(crate) fn problem(advice: Advice, code: &str, message: &str) -> Problem {
    Problem {
        advice,
        code: cut(code, MAX_CODE_BYTES),
        message: cut(message, MAX_MESSAGE_BYTES),
        object: Some(MEMBER.to_owned()),
        fields: Vec::new(),
    }
}

/// A problem with one field.
pub(crate) fn of_field(advice: Advice, code: &str, field: &str, message: &str) -> Problem {
    Problem {
        fields: vec![cut(field, MAX_CODE_BYTES)],
        ..problem(advice, code, message)
    }
}

/// A refusal of the whole call, worded by us.
pub(crate) fn refused(advice: Advice, code: &str, message: &str) -> Error {
    Error::Refused(problem(advice, code, message))
}

/// An answer that cannot be read; `expected` says what should have come.
pub(crate) fn unexpected(expected: &str) -> Error {
    Error::Unexpected(cut(&format!("expected {expected}"), MAX_TEXT_BYTES))
}

fn cut(text: &str, max_bytes: usize) -> String {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::broken;

    fn advice(code: &str) -> Advice {
        let body =
            format!(r#"{{"error":{{"code":"{code}","message":"m","field":"email","id":"m1"}}}}"#);
        match of_answer(422, body.as_bytes(), Effect::Write) {
            Error::Refused(problem) => problem.advice,
            error => panic!("{error:?}"),
        }
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        assert_eq!(advice("invalid_email"), Advice::FixRecord);
        assert_eq!(advice("email_taken"), Advice::ResolveDuplicate);
        assert_eq!(advice("unknown_field"), Advice::FixSchema);
        assert_eq!(advice("not_found"), Advice::Refetch);
        assert_eq!(advice("rolled_back"), Advice::RolledBack);
    }

    #[test]
    fn a_write_without_an_answer_is_in_doubt_and_a_read_is_asked_again() {
        let doubt = |lost, effect| without_answer(&lost, effect);
        assert_eq!(doubt(broken(true), Effect::Write), Error::UnknownOutcome);
        assert_eq!(doubt(broken(false), Effect::Write), Error::Unavailable(700));
        assert_eq!(doubt(broken(true), Effect::Read), Error::Unavailable(700));
        let torn = Lost::Body(HttpError::TooLarge(1));
        assert_eq!(doubt(torn, Effect::Write), Error::UnknownOutcome);
        assert_eq!(
            of_answer(502, b"<html>", Effect::Write),
            Error::UnknownOutcome
        );
        assert_eq!(
            of_answer(502, b"<html>", Effect::Read),
            Error::Unavailable(2_000)
        );
        assert_eq!(
            of_answer(503, b"", Effect::Write),
            Error::Unavailable(2_000)
        );
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("aäö", 2), "a");
        assert_eq!(cut("aäö", 9), "aäö");
    }
}
