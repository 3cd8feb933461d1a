//! Signatures against what the specification's own libraries give, and requests
//! that were tampered with in every place.

use super::*;

/// As in the tests of the specification's libraries.
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
const SENT_S: u64 = 1_649_367_553;

fn secret(text: &str) -> Secret {
    text.parse().unwrap()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Verifies with these headers at that time.
fn verified(
    secrets: &[Secret],
    headers: &[(&str, &str)],
    body: &[u8],
    now_s: u64,
) -> Result<Verified, WebhookError> {
    let header = |name: &str| {
        let found = headers.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_bytes())
    };
    verify(secrets, header, body, at(now_s))
}

fn headers<'a>(id: &'a str, timestamp: &'a str, signature: &'a str) -> [(&'a str, &'a str); 3] {
    [
        (ID_HEADER, id),
        (TIMESTAMP_HEADER, timestamp),
        (SIGNATURE_HEADER, signature),
    ]
}

#[test]
fn signatures_are_those_of_the_specifications_own_libraries() {
    for (text, id, sent_s, body, expected) in [
        (
            SECRET,
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            SENT_S,
            BODY,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
    ] {
        let secrets = [secret(text)];
        let signed = sign(&secrets, id, at(sent_s), body).unwrap();
        assert_eq!(signed.signature, expected);
        let timestamp = sent_s.to_string();
        let headers = headers(id, &timestamp, expected);
        let verified = verified(&secrets, &headers, body, sent_s + 60).unwrap();
        assert_eq!((verified.id.as_str(), verified.timestamp_s), (id, sent_s));
    }
}

#[test]
fn a_rotation_of_secrets_needs_no_pause() {
    let (old, new, other) = (secret(SECRET), generated(), generated());
    let signed = sign(&[new.clone(), old.clone()], "msg_1", at(SENT_S), BODY).unwrap();
    let timestamp = SENT_S.to_string();
    // Schemes and noise that others may put beside them are passed over.
    let signature = format!("v1a,aGk= v2,x {} v1,%%%", signed.signature);
    let sent = headers("msg_1", &timestamp, &signature);
    for known in [&[old.clone()][..], &[new.clone()], &[other.clone(), old]] {
        assert!(verified(known, &sent, BODY, SENT_S).is_ok());
    }
    assert_eq!(
        verified(&[other], &sent, BODY, SENT_S),
        Err(WebhookError::WrongSignature)
    );
}

fn generated() -> Secret {
    Secret::generate().unwrap()
}

#[test]
fn the_time_may_be_five_minutes_off_and_no_second_more() {
    let secrets = [secret(SECRET)];
    let signed = sign(&secrets, "msg_1", at(SENT_S), BODY).unwrap();
    let timestamp = SENT_S.to_string();
    let sent = headers("msg_1", &timestamp, &signed.signature);
    let now = |now_s: u64| verified(&secrets, &sent, BODY, now_s).map(|_| ());
    assert_eq!(now(SENT_S + 300), Ok(()));
    assert_eq!(now(SENT_S - 300), Ok(()));
    let seconds = Duration::from_secs(301);
    assert_eq!(now(SENT_S + 301), Err(WebhookError::TooOld(seconds)));
    assert_eq!(now(SENT_S - 301), Err(WebhookError::TooNew(seconds)));
}

#[test]
fn what_is_missing_or_malformed_is_named() {
    let secrets = [secret(SECRET)];
    let signed = sign(&secrets, "msg_1", at(SENT_S), BODY).unwrap();
    let timestamp = SENT_S.to_string();
    let whole = headers("msg_1", &timestamp, &signed.signature);
    for (missing, (name, _)) in whole.iter().enumerate() {
        let mut sent = whole.to_vec();
        sent.remove(missing);
        let error = verified(&secrets, &sent, BODY, SENT_S).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    let signature = signed.signature.as_str();
    for (sent, expected) in [
        (
            headers("", &timestamp, signature),
            WebhookError::Malformed(ID_HEADER),
        ),
        (
            headers("a.b", &timestamp, signature),
            WebhookError::Malformed(ID_HEADER),
        ),
        (
            headers("msg_1", "+1649367553", signature),
            WebhookError::Malformed(TIMESTAMP_HEADER),
        ),
        (
            headers("msg_1", "", signature),
            WebhookError::Malformed(TIMESTAMP_HEADER),
        ),
        (
            headers("msg_1", "99999999999999999999", signature),
            WebhookError::Malformed(TIMESTAMP_HEADER),
        ),
        (headers("msg_1", &timestamp, ""), WebhookError::NoSignature),
        (
            headers("msg_1", &timestamp, "v1a,aGk="),
            WebhookError::NoSignature,
        ),
        (
            headers("msg_1", &timestamp, "v1,"),
            WebhookError::WrongSignature,
        ),
        (
            headers("msg_1", &timestamp, &signature[..20]),
            WebhookError::WrongSignature,
        ),
    ] {
        let outcome = verified(&secrets, &sent, BODY, SENT_S);
        assert_eq!(outcome, Err(expected), "{sent:?}");
    }
    assert_eq!(
        verified(&[], &whole, BODY, SENT_S),
        Err(WebhookError::NoSecret)
    );
}

#[test]
fn a_webhook_that_could_be_read_as_another_is_not_signed() {
    let secrets = [secret(SECRET)];
    let long = "i".repeat(MAX_ID_BYTES + 1);
    for id in ["", "msg.1", "msg 1", "msg\n1", "mß", long.as_str()] {
        let outcome = sign(&secrets, id, at(SENT_S), BODY);
        assert_eq!(outcome, Err(WebhookError::BadId), "{id:?}");
    }
    let before_1970 = UNIX_EPOCH - Duration::from_secs(1);
    assert_eq!(
        sign(&secrets, "msg_1", before_1970, BODY),
        Err(WebhookError::BadTime)
    );
    assert_eq!(
        sign(&[], "msg_1", at(SENT_S), BODY),
        Err(WebhookError::NoSecret)
    );
}

#[test]
fn secrets_are_read_as_they_were_given_out_and_never_shown() {
    let secret = generated();
    let text = secret.expose();
    assert!(text.starts_with("whsec_"));
    let read: Secret = text.parse().unwrap();
    assert_eq!(read.expose(), text);
    let unpadded: Secret = text.trim_end_matches('=').parse().unwrap();
    assert_eq!(unpadded.expose(), text);
    assert_eq!(format!("{secret:?}"), "Secret(…)");
    for wrong in [
        "",
        "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_%%%%",
        "whsk_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        &format!("whsec_{}", "A".repeat(88)),
    ] {
        let error = wrong.parse::<Secret>().unwrap_err();
        assert!(matches!(error, WebhookError::BadSecret(_)), "{wrong}");
        let told = wrong.strip_prefix("whsec_").unwrap_or(wrong);
        assert!(
            told.is_empty() || !error.to_string().contains(told),
            "{error}"
        );
    }
}

/// xorshift64*: enough to stir a test, and the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let stirred = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        stirred as usize % end
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }

    fn id(&mut self) -> String {
        let letters = b"abcdefghijklmnopqrstuvwxyzABC0123456789_-";
        let count = 1 + self.below(40);
        (0..count)
            .map(|_| char::from(letters[self.below(letters.len())]))
            .collect()
    }
}

/// Whatever is signed verifies, and whatever differs in one place does not.
#[test]
fn what_was_tampered_with_in_any_place_is_refused() {
    let seed = 0x5eed_0f_3b00c;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    for round in 0..2_000 {
        let length = 24 + random.below(41);
        let secrets = [Secret(Zeroizing::new(random.bytes(length)))];
        let (id, length) = (random.id(), random.below(200));
        let mut body = random.bytes(length);
        let sent_s = SENT_S + random.below(1_000_000) as u64;
        let signed = sign(&secrets, &id, at(sent_s), &body).unwrap();
        let (mut id, mut timestamp, mut signature) =
            (id, sent_s.to_string(), signed.signature.clone());
        let good = headers(&id, &timestamp, &signature);
        verified(&secrets, &good, &body, sent_s).unwrap();

        let mut known = secrets;
        let how = random.below(8);
        match how {
            0 => body.push(b'.'),
            1 if !body.is_empty() => {
                let place = random.below(body.len());
                body[place] ^= 1 << random.below(8);
            }
            2 if !body.is_empty() => {
                body.remove(random.below(body.len()));
            }
            3 => id.push('x'),
            4 => timestamp = (sent_s + 1 + random.below(200) as u64).to_string(),
            5 => timestamp.insert(0, '0'),
            6 => {
                let hash = BASE64.decode(&signature["v1,".len()..]).unwrap();
                let place = random.below(hash.len());
                let mut changed = hash.clone();
                changed[place] ^= 1 << random.below(8);
                signature = format!("v1,{}", BASE64.encode(changed));
            }
            _ => {
                let place = random.below(known[0].0.len());
                known[0].0[place] ^= 1 << random.below(8);
            }
        }
        let bad = headers(&id, &timestamp, &signature);
        assert_eq!(
            verified(&known, &bad, &body, sent_s),
            Err(WebhookError::WrongSignature),
            "round {round}, way {how}"
        );
    }
}
