//! Outbound messages, from an org that sends them again until they are acknowledged,
//! and records made of webhooks.

use std::time::{Duration, SystemTime};

use dev_org::{FaultKind, FaultRule, OutboundMessage};
use http::Request;
use http_body_util::Full;
use lockgate::receiver::{Address, Hook, Receiver, ReceiverOptions, Shape, Source, Until};
use lockgate::store::{QueueState, Which};
use lockgate::webhook::{Secret, sign};
use lockgate::{Connection, Inbox, Intake, TakenIn};
use lockgate_tests::hooks::Door;
use lockgate_tests::org::{Site, browser, create, query};
use lockgate_tests::packages::package;
use serde_json::{Value as Json, json};

/// A site with a webhook of the org.
struct Receiving {
    site: Site,
    crm: Connection,
    inbox: Inbox,
    door: Door,
    address: Address,
}

impl Receiving {
    async fn start() -> Self {
        let site = Site::start().await;
        let crm = site.crm().await;
        let (inbox, address) = (crm.inbox("leads").unwrap(), Address::generate().unwrap());
        let receiver = Receiver::new(ReceiverOptions::default());
        receiver.serve(vec![Hook {
            connection: crm.clone(),
            inbox: inbox.clone(),
            addresses: vec![Until::ever(address.digest())],
            source: Source::Product,
            shape: Shape::Whole,
        }]);
        let door = Door::open(&receiver).await;
        Self {
            site,
            crm,
            inbox,
            door,
            address,
        }
    }

    /// What an org sends here of its leads.
    fn message(&self, fields: &[&str]) -> OutboundMessage {
        OutboundMessage {
            object: "Lead".to_owned(),
            endpoint: format!("{}/hooks/{}", self.door.origin(), self.address.expose()),
            fields: fields.iter().map(|&field| field.to_owned()).collect(),
            send_session_id: true,
        }
    }

    fn send(&self, fields: &[&str]) {
        let messages = vec![self.message(fields)];
        self.site.control.set_outbound_messages(messages).unwrap();
    }

    /// What waits, as the events that it is.
    async fn waiting(&self) -> Vec<Json> {
        waiting(&self.inbox).await
    }
}

async fn waiting(inbox: &Inbox) -> Vec<Json> {
    let page = inbox.queue().list(QueueState::Waiting, None, 1_000).await;
    let items = page.unwrap().items;
    items
        .iter()
        .map(|item| serde_json::from_slice(&item.bytes).unwrap())
        .collect()
}

fn lead(name: &str) -> Json {
    json!({ "LastName": name, "Company": "A & B <C>", "AnnualRevenue": 1250 })
}

#[tokio::test]
async fn what_the_org_sends_is_kept_once_with_its_types_and_acknowledged() {
    let receiving = Receiving::start().await;
    receiving.send(&[
        "LastName",
        "Company",
        "AnnualRevenue",
        "IsConverted",
        "CreatedDate",
    ]);
    let id = create(&receiving.crm, "Lead", lead("Doe")).await;
    receiving.site.control.outbound_settled().await;
    let counts = receiving.site.control.outbound_counts();
    assert_eq!((counts.delivered, counts.pending), (1, 0));
    let kept = receiving.waiting().await;
    let [event] = &kept[..] else {
        panic!("{kept:?}")
    };
    assert_eq!(
        (&event["event"], &event["name"]),
        (&json!("message"), &json!("Lead"))
    );
    assert!(event["id"].as_str().unwrap().starts_with("04l"));
    let payload = &event["payload"];
    assert_eq!(payload["Id"], json!(id));
    assert_eq!(payload["Company"], "A & B <C>");
    assert_eq!(payload["AnnualRevenue"], json!(1250.0));
    assert_eq!(payload["IsConverted"], json!(false));
    let soql = "SELECT CreatedDate FROM Lead";
    let row = &query(&receiving.crm, soql).await[0];
    assert_eq!(payload["CreatedDate"], row["CreatedDate"]);
    // The org sent a session along, which is nowhere.
    let text = serde_json::to_string(&kept).unwrap();
    assert!(!text.contains("Session") && !text.contains("00D"), "{text}");
}

#[tokio::test]
async fn many_records_come_in_messages_of_a_hundred_and_each_is_kept() {
    let receiving = Receiving::start().await;
    receiving.send(&["LastName"]);
    let leads: Vec<Json> = (0..130).map(|at| lead(&format!("L{at}"))).collect();
    let leads = lockgate::Records::from_items(&leads).unwrap();
    let created = receiving
        .crm
        .create("Lead", &leads, Default::default())
        .await;
    assert!(created.unwrap().iter().all(lockgate::RecordResult::is_ok));
    receiving.site.control.outbound_settled().await;
    assert_eq!(receiving.site.control.outbound_counts().delivered, 130);
    assert_eq!(receiving.waiting().await.len(), 130);
}

#[tokio::test]
async fn a_receiver_that_dies_before_its_answer_is_sent_the_same_again_and_keeps_it_once() {
    let receiving = Receiving::start().await;
    let control = &receiving.site.control;
    receiving.send(&["LastName"]);
    receiving.door.cut_next(1);
    create(&receiving.crm, "Lead", lead("Doe")).await;
    control.outbound_waiting(1).await;
    assert_eq!(control.outbound_counts().delivered, 0);
    assert_eq!(receiving.waiting().await.len(), 1);
    control.set_clock_offset_ms(16_000);
    control.outbound_settled().await;
    assert_eq!(control.outbound_counts().delivered, 1);
    assert_eq!(receiving.waiting().await.len(), 1);
}

/// A message of an org, with so many notifications of one lead.
fn message_of(organization: &str, count: usize) -> String {
    let notification = "<Notification><Id>04l5J000004TNtz</Id><sObject xsi:type=\"sf:Lead\" \
        xmlns:sf=\"urn:sobject.enterprise.soap.sforce.com\"><sf:LastName>Doe</sf:LastName></sObject>\
        </Notification>";
    format!(
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><e:Body>\
         <notifications xmlns=\"http://soap.sforce.com/2005/09/outbound\">\
         <OrganizationId>{organization}</OrganizationId><ActionId>04k5J000004TNtz</ActionId>{}\
         </notifications></e:Body></e:Envelope>",
        notification.repeat(count)
    )
}

#[tokio::test]
async fn a_message_of_another_org_or_one_that_is_a_bomb_is_not_acknowledged() {
    let receiving = Receiving::start().await;
    let control = &receiving.site.control;
    let ours = control.org(|org| org.organization_id().to_string());
    let endpoint = receiving.message(&[]).endpoint;
    let send = async |body: String| {
        let request = browser().post(&endpoint).header("content-type", "text/xml");
        let answer = request.body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let laughs = "<!DOCTYPE a [<!ENTITY x \"xxxxxxxx\">]>";
    let deep = "<a>".repeat(10_000);
    for (body, status) in [
        (message_of("00D5J000004TNtz", 1), 403),
        (format!("{laughs}{}", message_of(&ours, 1)), 400),
        (message_of(&ours, 1).replace("Doe", "&x;"), 400),
        (message_of(&ours, 1).replace("Doe", &deep), 400),
        (message_of(&ours, 101), 400),
        ("x".repeat(1024 * 1024 + 1), 413),
    ] {
        let answer = send(body).await;
        assert_eq!(answer.0, status, "{answer:?}");
        assert!(!answer.1.contains("Ack"), "{answer:?}");
    }
    assert!(receiving.waiting().await.is_empty());
    // Ids of 15 characters are those of 18.
    for organization in [&ours, &ours[..15]] {
        let (status, body) = send(message_of(organization, 1)).await;
        assert_eq!(status, 200, "{body}");
        assert!(body.contains("<Ack>true</Ack>"), "{body}");
    }
    assert_eq!(receiving.waiting().await.len(), 1);
}

#[tokio::test]
async fn while_the_org_cannot_be_asked_whose_a_message_is_it_is_put_off_and_not_lost() {
    let receiving = Receiving::start().await;
    let control = &receiving.site.control;
    receiving.send(&["LastName"]);
    control.add_fault(FaultRule {
        times: None,
        ..FaultRule::next(1, "/query", FaultKind::Drop)
    });
    create(&receiving.crm, "Lead", lead("Doe")).await;
    control.outbound_waiting(1).await;
    assert!(receiving.waiting().await.is_empty());
    control.clear_faults();
    control.set_clock_offset_ms(16_000);
    control.outbound_settled().await;
    assert_eq!(control.outbound_counts().delivered, 1);
    assert_eq!(receiving.waiting().await.len(), 1);
}

/// A webhook of anybody who has the secret, into leads.
struct Form {
    site: Site,
    crm: Connection,
    receiver: Receiver,
    inbox: Inbox,
    address: Address,
    secret: Secret,
}

impl Form {
    async fn open() -> Self {
        let site = Site::start().await;
        site.host.load(&package("lead-scorer")).await;
        let crm = site.crm().await;
        let (inbox, address) = (crm.inbox("form").unwrap(), Address::generate().unwrap());
        let receiver = Receiver::new(ReceiverOptions::default());
        let secret = Secret::generate().unwrap();
        receiver.serve(vec![Hook {
            connection: crm.clone(),
            inbox: inbox.clone(),
            addresses: vec![Until::ever(address.digest())],
            source: Source::Signed(vec![Until::ever(secret.clone())]),
            shape: Shape::Records,
        }]);
        Self {
            site,
            crm,
            receiver,
            inbox,
            address,
            secret,
        }
    }

    async fn intake(&self, key_field: Option<&str>) -> Intake {
        let rules = json!({ "score_field": "Lead_Score__c", "rules": [
            { "name": "large", "points": 25,
              "when": { "field": "NumberOfEmployees", "operator": "greater", "value": 500 } },
        ] });
        let scorer = self
            .site
            .host
            .transform("lead-scorer", &rules)
            .await
            .unwrap();
        let crm = self.crm.with_settings(json!({ "auto_assign": true }));
        let key_field = key_field.map(str::to_owned);
        Intake::new(
            self.inbox.clone(),
            crm,
            "Lead".to_owned(),
            key_field,
            vec![scorer],
        )
    }

    async fn submit(&self, id: &str, body: &Json) {
        let body = body.to_string();
        let secrets = std::slice::from_ref(&self.secret);
        let signed = sign(secrets, id, SystemTime::now(), body.as_bytes()).unwrap();
        let mut request = Request::post(format!("/hooks/{}", self.address.expose()));
        for (name, value) in signed.headers() {
            request = request.header(name, value);
        }
        let request = request.body(Full::<bytes::Bytes>::from(body)).unwrap();
        let answer = self.receiver.answer(request).await;
        assert_eq!(answer.status().as_u16(), 204);
    }

    async fn letters(&self) -> Vec<(String, String)> {
        let page = self.inbox.queue().list(QueueState::Dead, None, 1_000).await;
        let items = page.unwrap().items.into_iter();
        items
            .map(|item| (item.id, item.problem.unwrap_or_default()))
            .collect()
    }

    async fn leads(&self) -> Vec<Json> {
        let soql =
            "SELECT LastName, Email, Lead_Score__c, Owner.Username FROM Lead ORDER BY LastName";
        query(&self.crm, soql).await
    }
}

fn submitted(name: &str, email: &str, employees: u64) -> Json {
    json!({ "LastName": name, "Company": "Acme", "Email": email, "NumberOfEmployees": employees })
}

#[tokio::test]
async fn a_form_becomes_a_lead_with_score_and_owner_and_the_same_address_no_second_one() {
    let form = Form::open().await;
    let intake = form.intake(Some("Email")).await;
    form.submit("msg_1", &submitted("Doe", "jane@example.com", 900))
        .await;
    // Sent again, and again by the same person in other words.
    form.submit("msg_1", &submitted("Doe", "jane@example.com", 900))
        .await;
    form.submit("msg_2", &submitted("Doe-Ray", "Jane@example.com", 10))
        .await;
    form.submit(
        "msg_3",
        &json!([
            submitted("Roe", "a@example.com", 1),
            submitted("Poe", "b@example.com", 1)
        ]),
    )
    .await;
    let (done, next) = intake.step().await.unwrap();
    assert_eq!(
        (done, next),
        (
            TakenIn {
                done: 4,
                ..TakenIn::default()
            },
            None
        )
    );
    let leads = form.leads().await;
    let names: Vec<_> = leads
        .iter()
        .map(|lead| lead["LastName"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Doe-Ray", "Poe", "Roe"]);
    assert_eq!(leads[0]["Lead_Score__c"], json!(0.0));
    assert_eq!(leads[0]["Owner"]["Username"], "leads@example.com");
    assert!(form.letters().await.is_empty());
}

#[tokio::test]
async fn a_record_that_the_org_refuses_is_a_letter_with_the_reason_until_it_is_mended() {
    let form = Form::open().await;
    let intake = form.intake(Some("Email")).await;
    form.submit(
        "msg_1",
        &json!([
            { "Email": "jane@example.com", "LastName": "Doe" },
            submitted("Roe", "a@example.com", 900),
        ]),
    )
    .await;
    let (done, _) = intake.step().await.unwrap();
    assert_eq!((done.done, done.given_up, done.put_off), (1, 1, 0));
    assert_eq!(form.leads().await[0]["Lead_Score__c"], json!(25.0));
    let letters = form.letters().await;
    let [(id, problem)] = &letters[..] else {
        panic!("{letters:?}")
    };
    assert_eq!(id, "msg_1.0");
    assert!(problem.contains("Company"), "{problem}");
    // Mended: the lead is there by now, so the company is not missing any more.
    create(&form.crm, "Lead", submitted("Doe", "jane@example.com", 1)).await;
    assert_eq!(
        form.inbox
            .queue()
            .again(&Which::One(id.clone()))
            .await
            .unwrap(),
        1
    );
    let (done, _) = intake.step().await.unwrap();
    assert_eq!((done.done, done.given_up), (1, 0));
    assert!(form.letters().await.is_empty());
    assert_eq!(form.leads().await.len(), 2);
}

#[tokio::test]
async fn what_was_cut_off_while_it_was_written_is_written_again_by_its_key_and_never_created_twice()
{
    let form = Form::open().await;
    let soon = Duration::ZERO;
    form.submit("msg_1", &submitted("Doe", "jane@example.com", 1))
        .await;
    // Somebody takes it, writes it, and dies.
    assert_eq!(form.inbox.take(10, soon).await.unwrap().items.len(), 1);
    create(&form.crm, "Lead", submitted("Doe", "jane@example.com", 1)).await;
    let by_key = form.intake(Some("Email")).await;
    let (done, _) = by_key.step().await.unwrap();
    assert_eq!(done.done, 1);
    assert_eq!(form.leads().await.len(), 1);

    form.submit("msg_2", &submitted("Roe", "a@example.com", 1))
        .await;
    assert_eq!(form.inbox.take(10, soon).await.unwrap().items.len(), 1);
    let by_creating = form.intake(None).await;
    let (done, _) = by_creating.step().await.unwrap();
    assert_eq!((done.done, done.given_up), (0, 1));
    let letters = form.letters().await;
    assert!(letters[0].1.contains("look whether"), "{letters:?}");
    assert_eq!(form.leads().await.len(), 1);
    // Somebody has looked: it is not there.
    form.inbox.queue().again(&Which::All).await.unwrap();
    let (done, _) = by_creating.step().await.unwrap();
    assert_eq!(done.done, 1);
    assert_eq!(form.leads().await.len(), 2);
}

#[tokio::test]
async fn what_passes_is_put_off_and_what_nobody_knows_is_given_up_rather_than_created_twice() {
    let form = Form::open().await;
    let control = &form.site.control;
    let (by_key, by_creating) = (form.intake(Some("Email")).await, form.intake(None).await);
    let waiting = async || {
        let page = form.inbox.queue().list(QueueState::Waiting, None, 10).await;
        page.unwrap().items.remove(0)
    };
    let lost = |after| FaultRule {
        after,
        ..FaultRule::next(1, "/sobjects/Lead", FaultKind::Drop)
    };
    form.submit("msg_1", &submitted("Doe", "jane@example.com", 1))
        .await;
    control.add_fault(lost(true));
    let (done, _) = by_creating.step().await.unwrap();
    assert_eq!((done.done, done.given_up, done.put_off), (0, 1, 0));
    assert!(form.letters().await[0].1.contains("the answer was lost"));
    assert_eq!(form.leads().await.len(), 1);

    form.submit("msg_2", &submitted("Roe", "a@example.com", 1))
        .await;
    control.add_fault(lost(true));
    let (done, _) = by_key.step().await.unwrap();
    assert_eq!((done.done, done.given_up, done.put_off), (0, 0, 1));
    let item = waiting().await;
    assert!(item.problem.unwrap().contains("the answer was lost"));
    assert!(item.due_ms >= item.put_ms + 5_000);
    form.inbox.queue().erase().await.unwrap();

    form.submit("msg_3", &submitted("Poe", "b@example.com", 1))
        .await;
    let quota = control.quota();
    control.set_quota_used(quota.max);
    let (done, _) = by_creating.step().await.unwrap();
    assert_eq!((done.done, done.given_up, done.put_off), (0, 0, 1));
    assert_eq!(waiting().await.id, "msg_3");
}
