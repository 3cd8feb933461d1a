//! What happens to a subscription when exchanges break, sessions end, and the org
//! refuses.

use super::*;
use crate::bindings::exports::lockgate::connector::records::Problem;

fn refusal(subscription: &Subscription<Fake>) -> Problem {
    match run(subscription.next()) {
        Err(Error::Refused(problem)) => problem,
        other => panic!("{other:?}"),
    }
}

/// The place that a checkpoint leads to.
fn after(number: u64) -> Start {
    let fake = Fake::new().exchange([quiet(number)]);
    Start::After(next(&contacts(&fake, Start::Newest)).checkpoint)
}

#[test]
fn a_broken_exchange_is_opened_anew_behind_the_last_delivery() {
    let fake = with_schema(Fake::new().exchange([
        says(vec![update(1)], 1, 99),
        ends(13, "service.unavailable"),
    ]))
    .exchange([says(vec![update(2)], 2, 99)]);
    let subscription = contacts(&fake, Start::Newest);
    assert_eq!(ids(&next(&subscription)), ["uuid-1"]);
    assert_eq!(ids(&next(&subscription)), ["uuid-2"]);
    let (_, again) = &requests(&fake)[2];
    assert_eq!(again.replay_id, replay_id(1));
    assert_eq!(again.num_requested, 100);
}

#[test]
fn pauses_between_tries_grow_and_the_caller_is_told_after_a_minute() {
    let broken = || [ends(14, "service.unavailable")];
    let mut fake = Fake::new();
    for _ in 0..9 {
        fake = fake.exchange(broken());
    }
    let subscription = contacts(&fake, after(4));
    assert_eq!(run(subscription.next()), Err(Error::Unavailable(60_000)));
    let waited_ms = fake.0.monotonic_ms.get();
    // 0.5 + 1 + 2 + 4 + 8 + 16 + 32 s.
    assert_eq!(waited_ms, 63_500);
    // Nothing is lost: the next call goes on at the same place.
    assert_eq!(run(subscription.next()), Err(Error::Unavailable(60_000)));
    let places: Vec<Vec<u8>> = requests(&fake)
        .into_iter()
        .filter(|(_, request)| !request.topic_name.is_empty())
        .map(|(_, request)| request.replay_id)
        .collect();
    assert_eq!(places, vec![replay_id(4); 9]);
}

#[test]
fn a_subscription_that_broke_before_it_heard_anything_misses_nothing() {
    // Where it began is not known to Salesforce any more, so all is told that is
    // kept, and what is older is sifted out here.
    let recent = 1_709_306_004_000;
    let fake = with_schema(
        Fake::new()
            .exchange([ends(14, "service.unavailable")])
            .exchange([says(vec![update(1)], 1, 99)]),
    );
    fake.0.now_ms.set(recent + 60_000);
    let subscription = contacts(&fake, Start::Newest);
    assert_eq!(ids(&next(&subscription)), ["uuid-1"]);
    assert_eq!(requests(&fake)[2].1.replay_preset(), ReplayPreset::Earliest);
    let fake = with_schema(
        Fake::new()
            .exchange([ends(14, "service.unavailable")])
            .exchange([says(vec![update(1)], 1, 99)]),
    );
    fake.0.now_ms.set(recent + 600_000);
    let delivery = next(&contacts(&fake, Start::Newest));
    assert!(delivery.events.is_empty());
}

#[test]
fn a_checkpoint_from_before_anything_was_heard_is_gone_on_from_while_events_are_kept() {
    let fake = Fake::new().exchange([Step::Waits]);
    let checkpoint = next(&contacts(&fake, Start::Newest)).checkpoint;
    let resume = |now_ms: u64| {
        let fake = Fake::new().exchange([]);
        fake.0.now_ms.set(now_ms);
        fake.keep(
            "api-versions",
            &format!(r#"{{"asked_ms":{now_ms},"majors":[61,62]}}"#),
        );
        let start = Start::After(checkpoint.clone());
        try_subscribe(&fake, &["Contact"], start).map(|_| requests(&fake)[0].1.replay_preset())
    };
    assert_eq!(resume(3_600_000).unwrap(), ReplayPreset::Earliest);
    let Err(Error::Refused(problem)) = resume(80 * 3_600_000) else {
        panic!("older than events are kept");
    };
    assert_eq!(problem.advice, Advice::Refetch);
}

#[test]
fn what_is_new_is_told_by_the_clock_of_the_org_however_wrong_ours_is() {
    // The change of `update`, 15:13:24.
    let told = |said: &str| {
        let fake = with_schema(
            Fake::new()
                .exchange([ends(14, "service.unavailable")])
                .exchange([says(vec![update(1)], 1, 99)]),
        );
        fake.0.now_ms.set(1_709_306_004_000 + 3_600_000);
        fake.0.date.replace(Some(said.to_owned()));
        next(&contacts(&fake, Start::Newest)).events.len()
    };
    assert_eq!(told("Fri, 01 Mar 2024 15:13:00 GMT"), 1);
    assert_eq!(told("Fri, 01 Mar 2024 15:23:00 GMT"), 0);
    assert_eq!(told("tomorrow"), 0);
}

#[test]
fn two_minutes_of_silence_are_the_end_of_an_exchange() {
    let fake = Fake::new().exchange([quiet(5)]).exchange([quiet(6)]);
    let subscription = contacts(&fake, Start::Newest);
    next(&subscription);
    next(&subscription);
    assert_eq!(fake.0.opened.borrow().len(), 1);
    next(&subscription);
    assert_eq!(fake.0.opened.borrow().len(), 2);
    assert_eq!(requests(&fake).last().unwrap().1.replay_id, replay_id(5));
}

#[test]
fn time_in_which_nobody_listens_is_no_silence() {
    let fake = Fake::new().exchange([quiet(5), Step::Waits, Step::Waits, quiet(6)]);
    let subscription = contacts(&fake, Start::Newest);
    next(&subscription);
    next(&subscription);
    let clock = &fake.0.monotonic_ms;
    clock.set(clock.get() + 3_600_000);
    assert!(next(&subscription).events.is_empty());
    assert_eq!(fake.0.opened.borrow().len(), 1);
}

#[test]
fn a_session_that_has_ended_is_followed_by_an_exchange_under_another_one() {
    let over = || [ends(16, "service.auth.error")];
    let fake = Fake::new().exchange(over()).exchange([quiet(5)]);
    let subscription = contacts(&fake, Start::Newest);
    assert!(next(&subscription).events.is_empty());
    assert_eq!(fake.0.monotonic_ms.get(), 0);
    // Not for ever.
    let fake = Fake::new()
        .exchange(over())
        .exchange(over())
        .exchange(over());
    let subscription = contacts(&fake, Start::Newest);
    assert_eq!(run(subscription.next()), Err(Error::Reconnect));
}

#[test]
fn a_replay_id_that_is_stale_or_damaged_is_never_passed_over() {
    for code in ["corrupted", "validation.failed"] {
        let code = format!("subscription.fetch.replayid.{code}");
        let fake = Fake::new().exchange([ends(3, &code)]);
        let subscription = contacts(&fake, after(4));
        let problem = refusal(&subscription);
        assert_eq!(problem.advice, Advice::Refetch);
        assert!(problem.message.contains("read everything once"));
        // It is over, and nothing else was tried.
        assert_eq!(refusal(&subscription).code, "SUBSCRIPTION_ENDED");
        assert_eq!(fake.0.opened.borrow().len(), 1);
    }
}

#[test]
fn when_the_events_of_the_day_are_used_up_it_goes_on_later_where_it_was() {
    let fake = with_schema(
        Fake::new()
            .exchange([ends(8, "subscription.limit.exceeded")])
            .exchange([says(vec![update(5)], 5, 99)]),
    );
    let subscription = contacts(&fake, after(4));
    assert!(matches!(run(subscription.next()), Err(Error::OverQuota(ms)) if ms >= 60_000));
    assert_eq!(ids(&next(&subscription)), ["uuid-5"]);
    assert_eq!(requests(&fake)[2].1.replay_id, replay_id(4));
}

#[test]
fn a_source_that_the_org_does_not_tell_of_is_explained() {
    let unknown = || Fake::new().exchange([ends(5, "topic.not.found")]);
    let of = |fake: Fake, name: &str| {
        let subscription = try_subscribe(&fake, &[name], Start::Newest).unwrap();
        refusal(&subscription)
    };
    let problem = of(unknown().answer(200, described()), "Contact");
    assert_eq!(problem.advice, Advice::AskPermission);
    assert!(
        problem.message.contains("Change Data Capture"),
        "{}",
        problem.message
    );
    let problem = of(unknown().answer(200, described()), "contact");
    assert_eq!(problem.advice, Advice::FixSchema);
    assert!(
        problem.message.contains("is called Contact"),
        "{}",
        problem.message
    );
    let missing =
        r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#;
    let problem = of(unknown().answer(404, missing), "Nothing__e");
    assert_eq!(problem.advice, Advice::FixSchema);
    assert!(
        problem.message.contains("Nothing__e"),
        "{}",
        problem.message
    );
    let problem = of(
        Fake::new().exchange([ends(7, "denied")]).answer(503, ""),
        "Low_Ink__e",
    );
    assert_eq!(problem.advice, Advice::AskPermission);
}

#[test]
fn what_is_wrong_with_a_new_subscription_shows_when_it_is_made() {
    let open = |fake: &Fake| {
        let options = SubscriptionOptions {
            start: Start::Newest,
            way: None,
        };
        run(subscribe(
            Rc::new(fake.api()),
            &["Contact".to_owned()],
            options,
        ))
    };
    let silent = TopicInfo {
        can_publish: false,
        can_subscribe: false,
        schema_id: String::new(),
    };
    let silent = || [Step::Says(silent.encode_to_vec())];
    for told in [Vec::from(silent()), vec![ends(5, "topic.not.found")]] {
        let fake = Fake::new().exchange([]).exchange(told);
        let Err(Error::Refused(problem)) = open(&fake.answer(200, described())) else {
            panic!("it is not told");
        };
        assert_eq!(problem.advice, Advice::AskPermission);
    }
    // What passes is for the channel itself to show.
    for told in [vec![ends(14, "service.unavailable")], vec![Step::Waits]] {
        assert!(open(&Fake::new().exchange([]).exchange(told)).is_ok());
    }
}

#[test]
fn events_whose_schema_cannot_be_had_now_come_again_later() {
    let fake = Fake::new()
        .exchange([says(vec![update(5)], 5, 99)])
        .exchange([ends(14, "service.unavailable")])
        .exchange([says(vec![update(5)], 5, 99)]);
    let fake = with_schema(fake);
    let subscription = contacts(&fake, after(4));
    assert!(matches!(
        run(subscription.next()),
        Err(Error::Unavailable(_))
    ));
    assert_eq!(ids(&next(&subscription)), ["uuid-5"]);
    assert_eq!(requests(&fake).last().unwrap().1.replay_id, replay_id(4));
}

#[test]
fn a_change_that_does_not_fit_its_schema_makes_its_object_stale() {
    let mut odd = update(5);
    if let Some(event) = &mut odd.event {
        event.payload.push(0);
    }
    let fake = with_schema(Fake::new().exchange([says(vec![odd, update(6)], 6, 98)]));
    let delivery = next(&contacts(&fake, Start::Newest));
    let [Event::Stale(stale), Event::Change(_)] = delivery.events.as_slice() else {
        panic!("{delivery:?}");
    };
    assert_eq!(
        (stale.object.as_str(), stale.record_ids.len()),
        ("Contact", 0)
    );
}

#[test]
fn what_is_no_answer_of_the_api_is_told_and_not_taken_for_one() {
    let fake = Fake::new().exchange([Step::Says(b"\xff\xff".to_vec())]);
    let subscription = contacts(&fake, Start::Newest);
    assert!(matches!(
        run(subscription.next()),
        Err(Error::Unexpected(_))
    ));
}

#[test]
fn an_exchange_that_does_not_come_about_says_why() {
    let open = |error| {
        let fake = (0..3).fold(Fake::new(), |fake, _| fake.no_exchange(error));
        let options = SubscriptionOptions {
            start: Start::Newest,
            way: Some("pubsub".to_owned()),
        };
        let names = ["Contact".to_owned()];
        run(subscribe(Rc::new(fake.api()), &names, options)).err()
    };
    assert_eq!(open(StreamError::Unauthorized), Some(Error::Reconnect));
    let unavailable = open(StreamError::Unavailable(700));
    assert_eq!(unavailable, Some(Error::Unavailable(700)));
    assert!(matches!(open(StreamError::Denied), Some(Error::Refused(_))));
    // Once it was there it is waited for.
    let fake = Fake::new()
        .exchange([ends(14, "service.unavailable")])
        .no_exchange(StreamError::Unavailable(700))
        .exchange([quiet(5)]);
    assert!(next(&contacts(&fake, Start::Newest)).events.is_empty());
    assert_eq!(fake.0.monotonic_ms.get(), 1_500);
}
