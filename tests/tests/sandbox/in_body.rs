//! The credential in a body: only where the manifest has it, and unseen by the
//! guest there as well.

use lockgate_tests::loopback::{Loopback, TOKEN};

use crate::attack::{connector, one};

#[tokio::test]
async fn a_body_gets_the_credential_in_its_one_place_and_the_guest_does_not_see_it() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let answer = one(&crm, "marker start /session/1").await;
    let note = "<note>{credential}</note><session>{credential}</session>";
    assert_eq!(
        server.bodies(),
        [format!("<session>{TOKEN}</session>{note}")]
    );
    // The server has sent it back; its length was right, or it had hung.
    assert!(!answer.to_string().contains(TOKEN), "the guest saw a token");
    assert_eq!(
        answer["body"],
        format!("<session>[redacted]</session>{note}")
    );
    let head = server.heads()[0].to_ascii_lowercase();
    let length = format!("content-length: {}\r\n", server.bodies()[0].len());
    assert!(head.contains(&length), "{head}");
}

#[tokio::test]
async fn the_credential_is_put_nowhere_else_whatever_the_guest_tries() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for (place, path) in [
        ("later", "/session/1"),
        ("within", "/session/1"),
        ("alone", "/session/1"),
        ("put", "/session/1"),
        ("start", "/session/1/2"),
        ("start", "/session/"),
        ("start", "/echo/1"),
        ("start", "/echo/%2e%2e%2fsession/1"),
    ] {
        one(&crm, &format!("marker {place} {path}")).await;
    }
    let bodies = server.bodies();
    assert!(bodies.len() >= 7, "{bodies:?}");
    for body in bodies {
        assert!(body.contains("{credential}"), "{body}");
        assert!(!body.contains(TOKEN), "a body holds the token");
    }
    let before = server.heads().len();
    for place in ["query", "header"] {
        one(&crm, &format!("marker {place} /session/1")).await;
    }
    let heads = server.heads().split_off(before);
    assert_eq!(heads.len(), 2);
    for head in heads {
        // In the field that carries it, and nowhere else.
        assert_eq!(head.matches(TOKEN).count(), 1);
        assert!(head.contains("credential"), "{head}");
    }
}
