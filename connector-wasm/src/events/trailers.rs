//! What the end of an exchange means: Salesforce's own codes, and the gRPC status
//! where there is none.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::fault::{MAX_MESSAGE_BYTES, cut};
use crate::host::Ending;

/// What all of Salesforce's codes begin with.
const PREFIX: &str = "sfdc.platform.eventbus.grpc.";

/// Base64 as gRPC has it in metadata: padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The codes of gRPC that say something by themselves.
mod status {
    pub(super) const INVALID_ARGUMENT: u32 = 3;
    pub(super) const NOT_FOUND: u32 = 5;
    pub(super) const PERMISSION_DENIED: u32 = 7;
    pub(super) const UNAUTHENTICATED: u32 = 16;
}

/// What to do about an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The session is over; the host has renewed it if it could.
    Session,
    /// Go on in a new exchange.
    Passing,
    /// What is behind the replay id is no longer there, or it never was an id.
    Stale,
    /// The events of the day are used up.
    OverQuota,
    /// There is no such topic or schema, or not for this user.
    Unknown,
    /// The user may not.
    Denied,
    /// What was said is wrong.
    Invalid,
}

/// Judges an end.
pub(super) fn verdict(ending: &Ending) -> Verdict {
    let code = code(ending).unwrap_or_default();
    let names = |part: &str| code.contains(part);
    if names("fetch.replayid") {
        return Verdict::Stale;
    }
    if names("limit.exceeded") {
        return Verdict::OverQuota;
    }
    if names("service.auth") {
        return Verdict::Session;
    }
    match ending.status {
        status::UNAUTHENTICATED => Verdict::Session,
        status::NOT_FOUND => Verdict::Unknown,
        status::PERMISSION_DENIED => Verdict::Denied,
        status::INVALID_ARGUMENT => Verdict::Invalid,
        _ => Verdict::Passing,
    }
}

/// Salesforce's code, without what all begin with. Proxies drop trailers, so it
/// is looked for in the status' message and its details as well.
pub(super) fn code(ending: &Ending) -> Option<String> {
    let field = |name: &str| {
        let mut trailers = ending.trailers.iter();
        trailers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    let details = field("grpc-status-details-bin")
        .and_then(|details| BASE64.decode(details).ok())
        .map(|details| String::from_utf8_lossy(&details).into_owned());
    [
        field("error-code"),
        field("grpc-message"),
        details.as_deref(),
    ]
    .into_iter()
    .flatten()
    .find_map(code_in)
}

fn code_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once(PREFIX)?;
    let end = rest
        .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-'))
        .unwrap_or(rest.len());
    Some(rest.get(..end)?.trim_end_matches('.').to_owned())
}

/// What Salesforce says of an end, for people.
pub(super) fn message(ending: &Ending) -> String {
    let mut trailers = ending.trailers.iter();
    let text = trailers.find(|(name, _)| name == "grpc-message");
    let text = text
        .map(|(_, text)| crate::body::decode(text))
        .unwrap_or_default();
    let code = code(ending).unwrap_or_else(|| format!("status {}", ending.status));
    cut(
        format!("Salesforce says: {code} {text}"),
        MAX_MESSAGE_BYTES / 2,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(status: u32, trailers: &[(&str, &str)]) -> Ending {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Ending {
            status,
            trailers: trailers.iter().map(own).collect(),
        }
    }

    fn of(status: u32, code: &str) -> Verdict {
        let code = format!("{PREFIX}{code}");
        verdict(&ending(status, &[("error-code", &code)]))
    }

    #[test]
    fn salesforces_codes_come_before_the_status() {
        assert_eq!(of(16, "service.auth.error"), Verdict::Session);
        assert_eq!(of(16, "service.auth.refresh.invalid"), Verdict::Session);
        assert_eq!(of(13, "service.unavailable"), Verdict::Passing);
        for code in ["corrupted", "validation.failed"] {
            let code = format!("subscription.fetch.replayid.{code}");
            assert_eq!(of(3, &code), Verdict::Stale);
        }
        assert_eq!(of(8, "subscription.limit.exceeded"), Verdict::OverQuota);
        assert_eq!(
            of(3, "subscription.fetch.requested.events.invalid"),
            Verdict::Invalid
        );
        assert_eq!(of(5, "topic.not.found"), Verdict::Unknown);
        assert_eq!(of(7, "something.new"), Verdict::Denied);
    }

    #[test]
    fn without_a_code_the_status_is_looked_at() {
        for (status, expected) in [
            (0, Verdict::Passing),
            (8, Verdict::Passing),
            (13, Verdict::Passing),
            (14, Verdict::Passing),
            (16, Verdict::Session),
        ] {
            assert_eq!(verdict(&ending(status, &[])), expected, "{status}");
        }
    }

    #[test]
    fn a_code_is_found_where_proxies_have_dropped_its_trailer() {
        let code_text = format!("{PREFIX}subscription.fetch.replayid.corrupted");
        let message_text = format!("The id is old ({code_text}). rpcId: 1");
        let details = BASE64.encode(format!("\u{8}\u{3}\u{12}{code_text}\u{1a}\u{2}"));
        let bare = details.trim_end_matches('=').to_owned();
        for (name, value) in [
            ("grpc-message", message_text.as_str()),
            ("grpc-status-details-bin", details.as_str()),
            ("grpc-status-details-bin", bare.as_str()),
        ] {
            let ending = ending(2, &[(name, value)]);
            assert_eq!(
                code(&ending).unwrap(),
                "subscription.fetch.replayid.corrupted"
            );
            assert_eq!(verdict(&ending), Verdict::Stale);
        }
    }

    #[test]
    fn the_message_is_read_as_it_was_before_it_was_packed() {
        let ending = ending(5, &[("grpc-message", "no%20topic%20%C3%A4")]);
        assert_eq!(message(&ending), "Salesforce says: status 5 no topic ä");
    }
}
