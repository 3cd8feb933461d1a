//! RSA keys: the one that the org signs id tokens with, and those of callers
//! that try JWT bearer. Generated here because ring only uses RSA keys, and a
//! key in the repository would be a secret in the repository.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use num_bigint::BigUint;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use super::key::VerifyingKey;
use crate::random;

/// Bytes of each prime: half of a key of 2,048 bits, the least that RS256
/// verifiers take.
const PRIME_BYTES: usize = 128;

/// Rounds of Miller-Rabin; for random candidates of this size far fewer
/// already leave less doubt than the hardware does.
const ROUNDS: usize = 12;

/// `rsaEncryption` with its empty parameters, in DER.
const RSA_ALGORITHM: [u8; 15] = [
    0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// An RSA private key of 2,048 bits for RS256. Good for tests: it is made with
/// arithmetic that takes a different time for different keys.
pub struct SigningKey {
    pair: RsaKeyPair,
    parts: KeyPairComponents<Vec<u8>>,
    id: String,
}

impl SigningKey {
    /// A new key; `None` only when the system gives no randomness.
    pub fn generate() -> Option<Self> {
        let one = BigUint::from(1_u8);
        let e = BigUint::from(65_537_u32);
        // A pair is bad when e divides p-1 or q-1, about once in 30,000.
        for _ in 0..8 {
            let (a, b) = (prime(), prime());
            let (p, q) = if a > b { (a, b) } else { (b, a) };
            let (p1, q1) = (&p - &one, &q - &one);
            let Some(d) = e.modinv(&(&p1 * &q1)) else {
                continue;
            };
            let Some(q_inverse) = q.modinv(&p) else {
                continue;
            };
            let parts = KeyPairComponents {
                public_key: PublicKeyComponents {
                    n: (&p * &q).to_bytes_be(),
                    e: e.to_bytes_be(),
                },
                dP: (&d % &p1).to_bytes_be(),
                dQ: (&d % &q1).to_bytes_be(),
                d: d.to_bytes_be(),
                p: p.to_bytes_be(),
                q: q.to_bytes_be(),
                qInv: q_inverse.to_bytes_be(),
            };
            if let Ok(pair) = KeyPair::from_components(&parts) {
                return Some(Self {
                    pair,
                    parts,
                    id: random::hex(4),
                });
            }
        }
        None
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// An RS256 signature; `None` only when the system gives no randomness.
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .ok()?;
        Some(signature)
    }

    /// The public half as a JSON Web Key.
    pub(crate) fn jwk(&self) -> Value {
        json!({
            "kty": "RSA",
            "n": URL_SAFE_NO_PAD.encode(&self.parts.public_key.n),
            "e": URL_SAFE_NO_PAD.encode(&self.parts.public_key.e),
            "alg": "RS256",
            "use": "sig",
            "kid": self.id,
        })
    }

    /// The public half for checking.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey::from_pkcs1(self.pkcs1())
    }

    /// The public half as an app registers it.
    pub fn public_pem(&self) -> String {
        let mut bits = vec![0];
        bits.extend(self.pkcs1());
        let mut spki = RSA_ALGORITHM.to_vec();
        spki.extend(der(0x03, &bits));
        pem("PUBLIC KEY", &der(0x30, &spki))
    }

    /// The key itself in PKCS#8, for a client that is to sign with it.
    pub fn private_pem(&self) -> String {
        let KeyPairComponents {
            public_key: PublicKeyComponents { n, e },
            d,
            p,
            q,
            dP,
            dQ,
            qInv,
        } = &self.parts;
        let mut numbers = der(0x02, &[0]);
        for number in [n, e, d, p, q, dP, dQ, qInv] {
            numbers.extend(der(0x02, &unsigned(number)));
        }
        let mut info = der(0x02, &[0]);
        info.extend(RSA_ALGORITHM);
        info.extend(der(0x04, &der(0x30, &numbers)));
        pem("PRIVATE KEY", &der(0x30, &info))
    }

    fn pkcs1(&self) -> Vec<u8> {
        let mut numbers = der(0x02, &unsigned(&self.parts.public_key.n));
        numbers.extend(der(0x02, &unsigned(&self.parts.public_key.e)));
        der(0x30, &numbers)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A leading zero keeps a number positive.
fn unsigned(number: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend_from_slice(number);
    if number.first().is_none_or(|first| *first < 0x80) && !number.is_empty() {
        bytes.remove(0);
    }
    bytes
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let body = STANDARD.encode(der);
    let mut rest = body.as_str();
    // Lines of 64 characters, which the stricter readers ask for.
    while !rest.is_empty() {
        let (line, left) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = left;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits: Vec<u8> = length.into_iter().skip_while(|digit| *digit == 0).collect();
    let mut element = vec![tag];
    match (digits.as_slice(), u8::try_from(digits.len())) {
        ([] | [0..0x80], _) => element.push(digits.first().copied().unwrap_or(0)),
        (_, count) => {
            element.push(0x80 | count.unwrap_or(0));
            element.extend(&digits);
        }
    }
    element.extend_from_slice(content);
    element
}

fn prime() -> BigUint {
    loop {
        let mut bytes = random::bytes(PRIME_BYTES);
        // The two highest bits make the product full length, the lowest odd.
        if let Some(first) = bytes.first_mut() {
            *first |= 0xC0;
        }
        if let Some(last) = bytes.last_mut() {
            *last |= 1;
        }
        let candidate = BigUint::from_bytes_be(&bytes);
        if is_prime(&candidate) {
            return candidate;
        }
    }
}

fn is_prime(candidate: &BigUint) -> bool {
    let small = (3_u32..2000).step_by(2);
    if small
        .into_iter()
        .any(|factor| (candidate % factor) == BigUint::ZERO)
    {
        return false;
    }
    let one = BigUint::from(1_u8);
    let before = candidate - &one;
    let twos = before.trailing_zeros().unwrap_or(0);
    let odd = &before >> twos;
    (0..ROUNDS).all(|_| {
        let base = BigUint::from_bytes_be(&random::bytes(PRIME_BYTES - 1)) + 2_u8;
        let mut power = base.modpow(&odd, candidate);
        if power == one || power == before {
            return true;
        }
        (1..twos).any(|_| {
            power = &power * &power % candidate;
            power == before
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_pem_form() {
        let key = SigningKey::generate().unwrap();
        let pem = key.private_pem();
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let read = RsaKeyPair::from_pkcs8(&STANDARD.decode(body).unwrap()).unwrap();
        let mut signature = vec![0; read.public().modulus_len()];
        read.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            b"text",
            &mut signature,
        )
        .unwrap();
        assert!(key.verifying_key().verifies(b"text", &signature));
    }

    #[test]
    fn primes_are_told_from_products() {
        // 2^127 - 1 is prime; the product of two larger primes than the
        // trial divisors is not.
        let mersenne = (BigUint::from(1_u8) << 127_u32) - 1_u8;
        assert!(is_prime(&mersenne));
        assert!(!is_prime(
            &(BigUint::from(7919_u32) * BigUint::from(104_729_u32))
        ));
    }
}
