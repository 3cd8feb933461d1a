//! Public keys that an app registers for JWT bearer: read from a certificate
//! or a public key in PEM, which differ in nothing but their wrapping.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde::{Deserialize, Deserializer};

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
/// `[0] EXPLICIT`, which holds a certificate's version.
const VERSION: u8 = 0xA0;

/// Fields of a certificate between its version and its public key: serial
/// number, signature algorithm, issuer, validity, subject.
const FIELDS_BEFORE_KEY: usize = 5;

/// Text that holds no RSA public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKey;

impl std::fmt::Display for BadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not an RSA certificate or public key in PEM")
    }
}

impl std::error::Error for BadKey {}

/// An RSA public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    /// PKCS#1 `RSAPublicKey`, as ring wants it.
    pkcs1: Vec<u8>,
}

impl VerifyingKey {
    /// Reads `CERTIFICATE`, `PUBLIC KEY` or `RSA PUBLIC KEY`.
    ///
    /// # Errors
    /// When the text is none of them.
    pub fn from_pem(pem: &str) -> Result<Self, BadKey> {
        let (label, der) = unwrap_pem(pem).ok_or(BadKey)?;
        let pkcs1 = match label {
            "CERTIFICATE" => key_of_certificate(&der),
            "PUBLIC KEY" => key_of_spki(&der),
            "RSA PUBLIC KEY" => Some(der.as_slice()),
            _ => None,
        };
        Ok(Self {
            pkcs1: pkcs1.ok_or(BadKey)?.to_vec(),
        })
    }

    pub(super) fn from_pkcs1(pkcs1: Vec<u8>) -> Self {
        Self { pkcs1 }
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.pkcs1)
            .verify(message, signature)
            .is_ok()
    }
}

impl<'de> Deserialize<'de> for VerifyingKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let pem = String::deserialize(from)?;
        Self::from_pem(&pem).map_err(serde::de::Error::custom)
    }
}

fn unwrap_pem(pem: &str) -> Option<(&str, Vec<u8>)> {
    let (_, rest) = pem.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let body: String = body.split_whitespace().collect();
    Some((label, STANDARD.decode(body).ok()?))
}

/// One DER element: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(*first & 0x7F))?;
        // Nothing here is longer than what four bytes can say.
        if digits.len() > 4 {
            return None;
        }
        let length = digits
            .iter()
            .fold(0_usize, |length, digit| (length << 8) | usize::from(*digit));
        (length, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

fn expect(wanted: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = element(der)?;
    (tag == wanted).then_some((content, rest))
}

fn key_of_certificate(der: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = expect(SEQUENCE, der)?;
    let (mut fields, _) = expect(SEQUENCE, certificate)?;
    // Certificates of version 1 leave the version out.
    if let Some((_, rest)) = expect(VERSION, fields) {
        fields = rest;
    }
    for _ in 0..FIELDS_BEFORE_KEY {
        (_, _, fields) = element(fields)?;
    }
    key_of_spki(fields)
}

fn key_of_spki(der: &[u8]) -> Option<&[u8]> {
    let (spki, _) = expect(SEQUENCE, der)?;
    let (_, after_algorithm) = expect(SEQUENCE, spki)?;
    let (bits, _) = expect(BIT_STRING, after_algorithm)?;
    // The first byte counts unused bits, which a key has none of.
    let (unused, key) = bits.split_first()?;
    (*unused == 0).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::SigningKey;

    #[test]
    fn a_public_key_in_pem_verifies_what_its_key_signed() {
        let key = SigningKey::generate().unwrap();
        let read = VerifyingKey::from_pem(&key.public_pem()).unwrap();
        assert_eq!(read, key.verifying_key());
        assert!(read.verifies(b"text", &key.sign(b"text").unwrap()));
        assert!(!read.verifies(b"other", &key.sign(b"text").unwrap()));
    }

    #[test]
    fn text_that_is_no_key_is_refused() {
        assert_eq!(VerifyingKey::from_pem("hello"), Err(BadKey));
        let cut = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
        assert_eq!(VerifyingKey::from_pem(cut), Err(BadKey));
    }
}
