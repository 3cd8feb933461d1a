//! Guests whose answers lie: nothing of such an answer reaches the caller.

use lockgate::{Blame, Error, Operation};
use lockgate_tests::loopback::Loopback;
use serde_json::json;

use crate::attack::{apply, batch, connector, is_plain, report, still_serves, transform_host};

#[tokio::test]
async fn a_transform_that_miscounts_or_gives_no_records_broke_the_contract() {
    let host = transform_host("").await;
    for attack in [
        "too-few-verdicts",
        "too-many-verdicts",
        "too-many-records",
        "kept-and-given",
        "too-few-records",
        "invalid-json",
        "invalid-utf8",
        "not-an-array",
    ] {
        let error = apply(&host, json!({ "do": attack })).await.unwrap_err();
        assert!(
            matches!(error, Error::BrokenContract { .. }),
            "{attack}: {error:?}"
        );
        assert_eq!(error.blame(), Blame::Guest);
        still_serves(&host).await;
    }
}

#[tokio::test]
async fn what_a_transform_says_is_cut_and_cannot_paint_the_terminal() {
    let host = transform_host("").await;
    let attack = json!({ "do": "long-reason", "bytes": 1_000_000 });
    let outcome = apply(&host, attack).await.unwrap();
    assert_eq!(outcome.rejected.len(), 3);
    for rejected in &outcome.rejected {
        assert!(
            rejected.reason.len() < 1_100 && is_plain(&rejected.reason),
            "{rejected:?}"
        );
    }
    let attack = json!({ "do": "long-error", "bytes": 1_000_000 });
    let error = apply(&host, attack).await.unwrap_err();
    assert!(matches!(error, Error::Transform { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.len() < 1_300 && is_plain(&text), "{text}");
}

#[tokio::test]
async fn settings_that_are_no_object_reach_no_plugin_and_none_are_an_empty_one() {
    let host = transform_host("").await;
    for settings in [json!([]), json!("echo"), json!(1), json!(false)] {
        let outcome = host.transform("hostile-transform", &settings).await;
        assert!(
            matches!(outcome, Err(Error::Input(_))),
            "{settings}: {outcome:?}"
        );
    }
    host.transform("hostile-transform", &json!(null))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_thousand_long_problems_with_the_settings_make_no_endless_error() {
    let host = transform_host("").await;
    let attack =
        json!({ "do": "many-problems", "at": "configure", "count": 1_000, "bytes": 9_000 });
    let error = host
        .transform("hostile-transform", &attack)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Settings { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.len() < 250_000 && is_plain(&text),
        "{} bytes",
        text.len()
    );
}

#[tokio::test]
async fn a_page_that_is_no_array_of_records_is_an_answer_that_was_not_understood() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for kind in ["utf8", "object", "numbers", "two", "json"] {
        let error = report(&crm, &format!("lie {kind}")).await.unwrap_err();
        assert!(
            matches!(error, Error::Unexpected { .. }),
            "{kind}: {error:?}"
        );
    }
}

#[tokio::test]
async fn results_that_do_not_fit_the_records_broke_the_contract() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    // No result at all, one for a record that was not given, two for one record.
    for operation in [
        Operation::Create,
        Operation::Update,
        Operation::Upsert("Key__c".to_owned()),
    ] {
        let mut writer = crm
            .write("Contact", operation.clone(), Default::default())
            .await
            .unwrap();
        let error = match writer.push(&batch(2)).await {
            Ok(_) => writer.finish().await.unwrap_err(),
            Err(error) => error,
        };
        let is_broken = matches!(error, Error::BrokenContract { .. });
        assert!(is_broken, "{operation:?}: {error:?}");
    }
    let error = crm
        .get("Contact", &["a".to_owned()], &[])
        .await
        .unwrap_err();
    assert!(matches!(error, Error::BrokenContract { .. }), "{error:?}");
}

#[tokio::test]
async fn what_a_connector_says_against_a_call_is_cut_and_cannot_paint_the_terminal() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for kind in [
        "reconnect",
        "over-quota",
        "unavailable",
        "unknown-outcome",
        "refused",
        "unexpected",
    ] {
        let error = report(&crm, &format!("fail {kind}")).await.unwrap_err();
        assert!(!matches!(error, Error::Crashed { .. }), "{kind}: {error:?}");
        let text = error.to_string();
        assert!(
            text.len() < 16_000 && is_plain(&text),
            "{kind}, {} bytes: {text}",
            text.len()
        );
    }
}
