//! Assertions for the JWT bearer grant (RFC 7523): signed with RS256.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

/// What an assertion says.
pub(super) struct Claims<'a> {
    /// The client id.
    pub(super) issuer: &'a str,
    /// The user for whom a token is asked.
    pub(super) subject: &'a str,
    /// The login origin.
    pub(super) audience: &'a str,
    /// From when it is no longer good, in seconds since 1970.
    pub(super) expires_at_s: u64,
}

/// Reads a private key: RSA in PEM, PKCS#8 or PKCS#1.
pub(super) fn read_key(pem: &SecretString) -> Result<RsaKeyPair, &'static str> {
    let key = PrivateKeyDer::from_pem_slice(pem.expose_secret().as_bytes()).map_err(
        |_| "the private key is not PEM: give one that begins with `-----BEGIN PRIVATE KEY-----`",
    )?;
    match &key {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err("the private key is not RSA: RS256 needs an RSA key"),
    }
    .map_err(|_| "the private key is not an RSA key of 2,048 bits or more")
}

/// An assertion, ready to be sent.
pub(super) fn sign(key: &RsaKeyPair, claims: &Claims<'_>) -> Result<SecretString, &'static str> {
    let header = json!({ "alg": "RS256", "typ": "JWT" });
    let body = json!({
        "iss": claims.issuer,
        "sub": claims.subject,
        "aud": claims.audience,
        "exp": claims.expires_at_s,
    });
    let mut token = format!(
        "{}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(header.to_string()),
        BASE64_URL_SAFE_NO_PAD.encode(body.to_string())
    );
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        token.as_bytes(),
        &mut signature,
    )
    .map_err(|_| "the system gives no random bytes to sign with")?;
    token.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
    Ok(SecretString::from(token))
}
