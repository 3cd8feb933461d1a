//! A web form's webhook makes a lead: signed, kept durably, normalised, scored, assigned
//! by the org's rule, and one lead for each person however often the form is sent.

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use lockgate::manifest::World;
use lockgate::receiver::{Address, Hook, Receiver, ReceiverOptions, Shape, Source, Until};
use lockgate::store::{QueueState, Which};
use lockgate::webhook::{Secret, sign};
use lockgate::{Intake, TakenIn, Transform};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::report::{Course, Stopped};
use super::stage::{Record, Stage, text};
use crate::demo::{browser, scoring_rules};
use crate::packages;
use crate::steps::same;

/// The object that submissions become, and the field that tells who is who.
const OBJECT: &str = "Lead";
const KEY: &str = "Email";

/// Letters that are looked at.
const LETTERS: u32 = 10;

/// The form's side: where it sends to, and what it signs with.
struct Form {
    url: String,
    secret: Secret,
    serving: JoinHandle<()>,
}

impl Drop for Form {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Form {
    /// Sends a submission under an id, and gives the status of the answer.
    async fn submit(&self, id: &str, fields: &Json) -> Result<u16> {
        self.send(&self.url, &self.secret, id, fields).await
    }

    async fn send(&self, url: &str, secret: &Secret, id: &str, fields: &Json) -> Result<u16> {
        let body = fields.to_string().into_bytes();
        let signed = sign(std::slice::from_ref(secret), id, SystemTime::now(), &body)?;
        let mut request = browser::client()?.post(url).body(body);
        for (name, value) in signed.headers() {
            request = request.header(name, value);
        }
        Ok(request.send().await?.status().as_u16())
    }
}

pub(super) async fn run(stage: &Stage, course: &mut Course) -> Result<Json, Stopped> {
    let (form, intake) = course.step("a form's webhook", set_up(stage)).await?;
    course.step("submit", submit(&form, &intake)).await?;
    course.step("make a lead", make(stage, &intake)).await?;
    course
        .step("the same person", same_person(stage, &form, &intake))
        .await?;
    course
        .step("a bad submission", bad(stage, &form, &intake))
        .await?;
    course
        .step("refuse strangers", refuse(&form, &intake))
        .await?;
    course.step("compare", compare(stage, &intake)).await
}

/// A receiver with one webhook, and what writes its submissions as leads.
async fn set_up(stage: &Stage) -> Result<((Form, Intake), String)> {
    let normalizer = plugin(
        stage,
        "contact-normalizer",
        &json!({"default_country": "US"}),
    )
    .await?;
    let scorer = plugin(stage, "lead-scorer", &scoring_rules()).await?;
    let (address, secret) = (Address::generate()?, Secret::generate()?);
    let inbox = stage.crm.inbox("web-form")?;
    let receiver = Receiver::new(ReceiverOptions::default());
    receiver.serve(vec![Hook {
        connection: stage.crm.clone(),
        inbox: inbox.clone(),
        addresses: vec![Until::ever(address.digest())],
        source: Source::Signed(vec![Until::ever(secret.clone())]),
        shape: Shape::Records,
    }]);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = listener.local_addr()?;
    let receiver = Arc::new(receiver);
    let router = Router::new().fallback(move |request: Request| {
        let receiver = Arc::clone(&receiver);
        async move { receiver.answer(request).await.map(Body::new) }
    });
    let form = Form {
        url: format!("http://{origin}/hooks/{}", address.expose()),
        secret,
        serving: tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "the receiver ended");
            }
        }),
    };
    // The org's active rule decides who gets the lead.
    let assigned = stage.crm.with_settings(json!({ "auto_assign": true }));
    let plugins = vec![normalizer, scorer];
    let key = Some(KEY.to_owned());
    let intake = Intake::new(inbox, assigned, OBJECT.to_owned(), key, plugins);
    let what = format!("signed submissions to http://{origin} become {OBJECT} by {KEY}");
    Ok(((form, intake), what))
}

async fn plugin(stage: &Stage, name: &str, settings: &Json) -> Result<Transform> {
    let package = packages::built_in(name).context("a built-in package is missing")??;
    packages::load(&stage.host, &package, World::Transform).await?;
    Ok(stage.host.transform(name, settings).await?)
}

/// Submits once, and the same once more, as senders do that have not heard the answer.
async fn submit(form: &Form, intake: &Intake) -> Result<((), String)> {
    let ann = json!({
        "FirstName": "ann", "LastName": "LEE", "Email": "Ann.Lee@Example.com",
        "Company": "Tideway", "Title": "Head of Fleet", "NumberOfEmployees": 700,
    });
    for _ in 0..2 {
        is_taken(form.submit("form-1", &ann).await?)?;
    }
    let waiting = intake.inbox.queue().counts().await?.waiting;
    same("submissions that wait", waiting, 1)?;
    Ok(((), "taken, and known the second time".to_owned()))
}

async fn make(stage: &Stage, intake: &Intake) -> Result<((), String)> {
    same("leads written", taken_in(intake).await?.done, 1)?;
    let leads = leads(stage).await?;
    same("leads", leads.len(), 1)?;
    let lead = leads.first().context("there is no lead")?;
    for (field, value) in [
        ("FirstName", "Ann"),
        ("LastName", "Lee"),
        ("Email", "ann.lee@example.com"),
        ("Rating", "Hot"),
    ] {
        same(field, text(lead, field), Some(value))?;
    }
    let score = lead.get("Lead_Score__c").and_then(Json::as_f64);
    same("the score", score, Some(90.0))?;
    let owner = owner(lead);
    same("the owner", owner, Some("leads@example.com"))?;
    Ok((
        (),
        "normalised, scored 90, Hot, and assigned to leads@example.com".to_owned(),
    ))
}

/// The same person again, under another id and in other letters.
async fn same_person(stage: &Stage, form: &Form, intake: &Intake) -> Result<((), String)> {
    let ann = json!({
        "FirstName": "Ann", "LastName": "Lee", "Email": "ANN.LEE@example.com",
        "Company": "Tideway", "Title": "Chief Engineer", "NumberOfEmployees": 900,
    });
    is_taken(form.submit("form-2", &ann).await?)?;
    same("leads written", taken_in(intake).await?.done, 1)?;
    let leads = leads(stage).await?;
    same("leads", leads.len(), 1)?;
    let title = leads.first().and_then(|lead| text(lead, "Title"));
    same("the title", title, Some("Chief Engineer"))?;
    Ok(((), "changes the lead and makes none".to_owned()))
}

/// One that the org refuses is a letter with the reason, and holds up nobody.
async fn bad(stage: &Stage, form: &Form, intake: &Intake) -> Result<((), String)> {
    let nobody = json!({"Email": "nobody@example.com", "Company": "Nowhere"});
    is_taken(form.submit("form-3", &nobody).await?)?;
    let bo = json!({"LastName": "Berg", "Email": "bo@example.com", "Company": "Bergs"});
    is_taken(form.submit("form-4", &bo).await?)?;
    let taken = taken_in(intake).await?;
    same(
        "leads written and given up",
        (taken.done, taken.given_up),
        (1, 1),
    )?;
    let queue = intake.inbox.queue();
    let letters = queue.list(QueueState::Dead, None, LETTERS).await?;
    let letter = letters.items.first().context("there is no letter")?;
    let problem = letter
        .problem
        .as_ref()
        .context("a letter without a reason")?;
    ensure!(problem.contains("LastName"), "the reason is {problem}");
    let reason = problem.clone();
    // Once it is seen to, it is thrown away.
    same("letters thrown away", queue.discard(&Which::All).await?, 1)?;
    same("leads", leads(stage).await?.len(), 2)?;
    Ok(((), format!("a letter: {reason}")))
}

/// Another secret, another address: nothing of it is kept.
async fn refuse(form: &Form, intake: &Intake) -> Result<((), String)> {
    let eve = json!({"LastName": "Eve", "Email": "eve@example.com", "Company": "Eve"});
    let other = Secret::generate()?;
    let forged = form.send(&form.url, &other, "form-5", &eve).await?;
    same("the answer to a forgery", forged, 401)?;
    let elsewhere = form
        .url
        .rsplit_once('/')
        .context("the address has a path")?
        .0;
    let unknown = format!("{elsewhere}/{}", Address::generate()?.expose());
    let lost = form.send(&unknown, &form.secret, "form-6", &eve).await?;
    same("the answer at another address", lost, 404)?;
    let waiting = intake.inbox.queue().counts().await?.waiting;
    same("submissions that wait", waiting, 0)?;
    Ok((
        (),
        "401 without the secret, 404 without the address".to_owned(),
    ))
}

async fn compare(stage: &Stage, intake: &Intake) -> Result<(Json, String)> {
    let leads = leads(stage).await?;
    let shown: Vec<Json> = leads
        .iter()
        .map(|lead| {
            json!({
                "email": lead.get("Email"),
                "score": lead.get("Lead_Score__c"),
                "rating": lead.get("Rating"),
                "owner": owner(lead),
            })
        })
        .collect();
    same("leads", shown.len(), 2)?;
    let counts = intake.inbox.queue().counts().await?;
    same(
        "submissions that wait, and letters",
        (counts.waiting, counts.dead),
        (0, 0),
    )?;
    Ok((
        json!({ "leads": shown }),
        "a lead for each person, nothing waits".to_owned(),
    ))
}

/// Writes all that waits.
async fn taken_in(intake: &Intake) -> Result<TakenIn> {
    let (taken, _) = intake.step().await?;
    same("submissions put off", taken.put_off, 0)?;
    Ok(taken)
}

async fn leads(stage: &Stage) -> Result<Vec<Record>> {
    stage
        .query(
            "SELECT FirstName, LastName, Email, Title, Rating, Lead_Score__c, Owner.Username \
             FROM Lead ORDER BY Email",
        )
        .await
}

fn owner(lead: &Record) -> Option<&str> {
    lead.get("Owner")?.get("Username")?.as_str()
}

fn is_taken(status: u16) -> Result<()> {
    ensure!(
        (200..300).contains(&status),
        "the receiver answered {status}"
    );
    Ok(())
}
