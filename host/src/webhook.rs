//! Signed webhooks, out and in: the symmetric scheme of the Standard Webhooks
//! specification, <https://www.standardwebhooks.com>.
//!
//! A request carries three headers: an id, which stays the same however often it
//! is sent; the time at which it was sent this time; and signatures over both and
//! the body. Here is what they are made of and how they are checked; sending,
//! receiving and doing nothing twice are up to who calls.
//!
//! ```
//! use std::time::SystemTime;
//! use lockgate::webhook::{Secret, sign, verify};
//!
//! # fn main() -> Result<(), lockgate::webhook::WebhookError> {
//! let (secret, body) = (Secret::generate()?, br#"{"type":"record.changed"}"#);
//! let signed = sign(&[secret.clone()], "msg_1", SystemTime::now(), body)?;
//! // What the other side does with the headers and the body as it came.
//! let headers = signed.headers();
//! let header = |name: &str| {
//!     let found = headers.iter().find(|(known, _)| *known == name);
//!     found.map(|(_, value)| value.as_bytes())
//! };
//! let verified = verify(&[secret], header, body, SystemTime::now())?;
//! assert_eq!(verified.id, "msg_1");
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The header with the id.
pub const ID_HEADER: &str = "webhook-id";

/// The header with the time, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";

/// The header with the signatures, apart by spaces.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// How far the time of a request may be from the time of who verifies it, in
/// either direction: what was recorded cannot be sent again later.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// What stands before a secret, so that it is known for what it is.
const SECRET_PREFIX: &str = "whsec_";

/// What stands before a signature of the symmetric scheme.
const SIGNATURE_PREFIX: &str = "v1,";

/// Bytes of a new secret: as many as the hash has.
const NEW_SECRET_BYTES: usize = 32;

/// Bytes that a secret may have, by the specification.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Room for the longest secret as text: the prefix, and 64 bytes in base64.
const MAX_SECRET_TEXT_BYTES: usize = SECRET_PREFIX.len() + 88;

/// The longest id, in bytes.
const MAX_ID_BYTES: usize = 256;

/// Signatures of a request that are looked at: one for each secret of a rotation
/// is what there is, and more would be work that a stranger gives us.
const MAX_SIGNATURES: usize = 16;

/// For secrets: padding is often lost when they are copied.
const BASE64_OF_PERSONS: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is wrong with a webhook or its secret. None of it tells a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// A text that is no secret.
    #[error("a webhook secret is `whsec_` with 24 to 64 bytes in base64 behind it: {0}")]
    BadSecret(&'static str),
    /// The machine gave no random bytes for a new secret.
    #[error("the machine gives no random numbers")]
    NoRandom,
    /// There was no secret to sign or verify with.
    #[error("no webhook secret was given")]
    NoSecret,
    /// An id that cannot be signed: with a full stop in it one id could be read as
    /// another one with another body.
    #[error("the id of a webhook is 1 to 256 visible ASCII characters without a full stop")]
    BadId,
    /// A time before 1970.
    #[error("a webhook cannot be sent before 1970")]
    BadTime,
    /// A header is not there.
    #[error("the header `{0}` is missing: this is no signed webhook")]
    Missing(&'static str),
    /// A header is there and cannot be read.
    #[error("the header `{0}` is malformed")]
    Malformed(&'static str),
    /// It was sent too long ago.
    #[error("the webhook was sent {} s ago, more than {} s: it may be a recording", .0.as_secs(), TOLERANCE.as_secs())]
    TooOld(Duration),
    /// It was sent in the future.
    #[error("the webhook was sent {} s from now: one of the clocks is wrong", .0.as_secs())]
    TooNew(Duration),
    /// None of its signatures is of the scheme `v1`.
    #[error("no signature of the webhook is of the scheme v1 (HMAC-SHA256)")]
    NoSignature,
    /// None of its signatures fits.
    #[error(
        "no signature of the webhook fits: it was signed with another secret, or changed on the \
         way; the body has to be verified as it came, before it is parsed"
    )]
    WrongSignature,
}

/// The secret of one endpoint, which both sides have. Give each endpoint its own.
///
/// It is zeroed when dropped, and debug output does not show it.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A new secret of 32 random bytes.
    ///
    /// # Errors
    /// [`WebhookError::NoRandom`].
    pub fn generate() -> Result<Self, WebhookError> {
        let mut bytes = Zeroizing::new(vec![0; NEW_SECRET_BYTES]);
        getrandom::fill(&mut bytes).map_err(|_| WebhookError::NoRandom)?;
        Ok(Self(bytes))
    }

    /// The secret as text, `whsec_…`: to be shown once to the person who sets up
    /// the other side.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        // With room for all of it: what grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(MAX_SECRET_TEXT_BYTES));
        text.push_str(SECRET_PREFIX);
        BASE64.encode_string(&*self.0, &mut text);
        text
    }

    /// The hash over a request, to be finished or held against a signature.
    fn hash(&self, id: &str, timestamp: &str, body: &[u8]) -> Result<Hmac<Sha256>, WebhookError> {
        let mut hash = Hmac::<Sha256>::new_from_slice(&self.0)
            .map_err(|_| WebhookError::BadSecret("it does not fit the hash"))?;
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            hash.update(part);
        }
        Ok(hash)
    }
}

impl FromStr for Secret {
    type Err = WebhookError;

    fn from_str(text: &str) -> Result<Self, WebhookError> {
        let text = text.trim();
        if text.starts_with("whsk_") || text.starts_with("whpk_") {
            let reason = "this is a key of the asymmetric scheme, which is not supported";
            return Err(WebhookError::BadSecret(reason));
        }
        let encoded = text
            .strip_prefix(SECRET_PREFIX)
            .ok_or(WebhookError::BadSecret("it does not begin with `whsec_`"))?;
        let bytes = BASE64_OF_PERSONS
            .decode(encoded)
            .map(Zeroizing::new)
            .map_err(|_| WebhookError::BadSecret("it is not in base64"))?;
        if !SECRET_BYTES.contains(&bytes.len()) {
            return Err(WebhookError::BadSecret("it is too short or too long"));
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What goes with the body of a signed webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The same however often it is sent.
    pub id: String,
    /// When it is sent, in seconds since 1970.
    pub timestamp_s: u64,
    /// One signature for each secret, apart by spaces.
    pub signature: String,
}

impl Signed {
    /// The three headers, names with values.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, String); 3] {
        [
            (ID_HEADER, self.id.clone()),
            (TIMESTAMP_HEADER, self.timestamp_s.to_string()),
            (SIGNATURE_HEADER, self.signature.clone()),
        ]
    }
}

/// A webhook that came from who has the secret, at about the time that it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The same however often it is sent: keep it, at least for [`TOLERANCE`] and
    /// better for as long as the sender may try again, and do nothing twice.
    pub id: String,
    /// When it was sent, in seconds since 1970.
    pub timestamp_s: u64,
}

/// Signs a body as it will be sent, byte by byte, with each of the secrets: the
/// new one and the one before for as long as the other side may still have that.
///
/// Sign again, with the same id, each time that it is sent: the time tells a retry
/// from a recording.
///
/// # Errors
/// [`WebhookError::BadId`], [`WebhookError::BadTime`] or [`WebhookError::NoSecret`].
pub fn sign(
    secrets: &[Secret],
    id: &str,
    sent: SystemTime,
    body: &[u8],
) -> Result<Signed, WebhookError> {
    if secrets.is_empty() {
        return Err(WebhookError::NoSecret);
    }
    if !is_id(id) {
        return Err(WebhookError::BadId);
    }
    let timestamp_s = seconds(sent).ok_or(WebhookError::BadTime)?;
    let timestamp = timestamp_s.to_string();
    let mut signature = String::new();
    for secret in secrets {
        if !signature.is_empty() {
            signature.push(' ');
        }
        signature.push_str(SIGNATURE_PREFIX);
        let hash = secret.hash(id, &timestamp, body)?.finalize();
        BASE64.encode_string(hash.into_bytes(), &mut signature);
    }
    Ok(Signed {
        id: id.to_owned(),
        timestamp_s,
        signature,
    })
}

/// Verifies a request by its headers and its body as it came. One signature that
/// fits one of the secrets is enough; signatures of other schemes are passed over.
///
/// `header` gives the value of a header by its lower-case name.
///
/// # Errors
/// Any [`WebhookError`]. Answer a stranger with 401 and no more than that.
pub fn verify<'a>(
    secrets: &[Secret],
    header: impl Fn(&str) -> Option<&'a [u8]>,
    body: &[u8],
    now: SystemTime,
) -> Result<Verified, WebhookError> {
    if secrets.is_empty() {
        return Err(WebhookError::NoSecret);
    }
    let text = |name: &'static str| {
        let value = header(name).ok_or(WebhookError::Missing(name))?;
        str::from_utf8(value).map_err(|_| WebhookError::Malformed(name))
    };
    let (id, timestamp, signatures) = (
        text(ID_HEADER)?,
        text(TIMESTAMP_HEADER)?,
        text(SIGNATURE_HEADER)?,
    );
    if !is_id(id) {
        return Err(WebhookError::Malformed(ID_HEADER));
    }
    let timestamp_s = read_seconds(timestamp).ok_or(WebhookError::Malformed(TIMESTAMP_HEADER))?;
    let now_s = seconds(now).ok_or(WebhookError::BadTime)?;
    let (age, lead) = (
        Duration::from_secs(now_s.saturating_sub(timestamp_s)),
        Duration::from_secs(timestamp_s.saturating_sub(now_s)),
    );
    if age > TOLERANCE {
        return Err(WebhookError::TooOld(age));
    }
    if lead > TOLERANCE {
        return Err(WebhookError::TooNew(lead));
    }
    let signatures: Vec<Vec<u8>> = signatures
        .split(' ')
        .filter_map(|signature| signature.strip_prefix(SIGNATURE_PREFIX))
        // What is not in base64 is empty, and fits nothing.
        .map(|signature| BASE64.decode(signature).unwrap_or_default())
        .take(MAX_SIGNATURES)
        .collect();
    if signatures.is_empty() {
        return Err(WebhookError::NoSignature);
    }
    for secret in secrets {
        let hash = secret.hash(id, timestamp, body)?;
        for signature in &signatures {
            // Takes the same time whatever is wrong with it.
            if hash.clone().verify_slice(signature).is_ok() {
                return Ok(Verified {
                    id: id.to_owned(),
                    timestamp_s,
                });
            }
        }
    }
    Err(WebhookError::WrongSignature)
}

pub(crate) fn is_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'.')
}

fn seconds(at: SystemTime) -> Option<u64> {
    let since = at.duration_since(UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

/// Digits and nothing else: what is signed is the text.
fn read_seconds(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
