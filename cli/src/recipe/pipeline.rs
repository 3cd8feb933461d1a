//! A deal changes its stage: a signed webhook tells an app of it, which tags the customer
//! on the mailing list and leaves a follow-up task in the CRM, once however often it is
//! told.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockgate::outbound::{Courier, Endpoint, Retries, Tested};
use lockgate::webhook::{Secret, sign};
use lockgate::{Connection, Records, ScanOptions, WriteOptions};
use serde_json::{Value as Json, json};

use super::app::App;
use super::report::{Course, Stopped};
use super::stage::{Record, Stage, id, text, written};
use crate::demo::browser;
use crate::steps::same;
use crate::text::counted;

/// The field by which a follow-up is found again.
const KEY: &str = "External_Id__c";

/// The stage that is acted on.
const WON: &str = "Closed Won";

/// What members whose deal is won are tagged with.
const TAG: &str = "customer";

/// More members than an account has.
const MAX_MEMBERS: usize = 200;

/// The longest wait until the webhook hears of changes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pause before a webhook is sent again; a real endpoint has those of the
/// specification, from 5 s on.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn run(stage: &Stage, course: &mut Course) -> Result<Json, Stopped> {
    let (mut app, courier) = course.step("an app, a webhook", set_up(stage)).await?;
    let served = async {
        tokio::select! {
            ended = courier.run() => Err(anyhow::anyhow!("the webhook has ended: {ended:?}")),
            played = play(stage, course, &mut app, &courier) => Ok(played),
        }
    };
    match served.await {
        Ok(played) => played,
        Err(error) => course.step("serve the webhook", async { Err(error) }).await,
    }
}

/// An app with its secret, and a webhook to it that leaves out the app's own changes.
async fn set_up(stage: &Stage) -> Result<((App, Courier), String)> {
    let secret = Secret::generate()?;
    let app = App::start(secret.clone()).await?;
    let mut endpoint = Endpoint::new("pipeline", app.url(), secret, &["Opportunity"]);
    endpoint.allow_local = true;
    endpoint.tell_own = false;
    endpoint.retries = Retries {
        pauses: vec![PAUSE],
        max_tries: 5,
    };
    let courier = stage.crm.courier(endpoint)?;
    let what = format!("changes of Opportunity go to {}", app.url());
    Ok(((app, courier), what))
}

async fn play(
    stage: &Stage,
    course: &mut Course,
    app: &mut App,
    courier: &Courier,
) -> Result<Json, Stopped> {
    course.step("test", test(stage, app, courier)).await?;
    let sales = stage
        .crm
        .with_settings(json!({ "call_options": { "client": "sales" } }));
    let deal = course.step("a deal", deal(stage, &sales, app)).await?;
    let body = course.step("it is won", win(&sales, app, &deal)).await?;
    course.step("act on it", act(stage, &body)).await?;
    course
        .step("told again", async {
            act(stage, &body).await?;
            let tasks = stage.query("SELECT Id FROM Task").await?;
            same("follow-up tasks", tasks.len(), 1)?;
            Ok(((), "the follow-up is there once".to_owned()))
        })
        .await?;
    course.step("refuse forgeries", forge(app)).await?;
    course
        .step("compare", compare(stage, &sales, app, courier, &deal))
        .await
}

/// Waits until the webhook hears of changes, and sends a test.
async fn test(stage: &Stage, app: &mut App, courier: &Courier) -> Result<((), String)> {
    let events = stage.control.events();
    let hears = tokio::time::timeout(PATIENCE, events.subscribed(1)).await;
    hears.context("the webhook does not hear of changes")?;
    match courier.test().await? {
        Tested::Answered { status, .. } => same("the app's answer", status, 204)?,
        Tested::NotReached { problem } => anyhow::bail!("the app is not reached: {problem}"),
    }
    app.next("webhook.test").await?;
    Ok(((), "signed, verified and taken".to_owned()))
}

/// A customer who is on the list, with a deal. Gives the deal's id.
async fn deal(stage: &Stage, sales: &Connection, app: &mut App) -> Result<(String, String)> {
    let account = stage
        .create("Account", json!({"Name": "Northwind Boats"}))
        .await?;
    let contact = json!({
        "LastName": "Berg", "Email": "anna@northwind.example.com", "AccountId": account,
    });
    stage.create("Contact", contact).await?;
    let member = json!({"email": "Anna@northwind.example.com", "tags": ["newsletter"]});
    let member = member.as_object().context("a member is an object")?;
    stage.service.create(member)?;
    let deal = json!({
        "Name": "Refit", "AccountId": account, "StageName": "Prospecting",
        "CloseDate": "2030-06-30",
    });
    let created = sales
        .create(
            "Opportunity",
            &Records::from_items(&[deal])?,
            WriteOptions::default(),
        )
        .await?;
    let deal = written("Opportunity", &created)?;
    let deal = deal.into_iter().next().context("no deal was made")?;
    let told = app.next("record.created").await?;
    same(
        "the deal that the app was told of",
        told.pointer("/data/record_ids/0"),
        Some(&json!(deal)),
    )?;
    Ok((deal, "Refit, Prospecting; the app is told".to_owned()))
}

/// A person of sales wins the deal; the app fails at first, and is told again.
async fn win(sales: &Connection, app: &mut App, deal: &str) -> Result<(Json, String)> {
    app.fail_once();
    let won = Records::from_items(&[json!({"Id": deal, "StageName": WON})])?;
    let results = sales
        .update("Opportunity", &won, WriteOptions::default())
        .await?;
    written("Opportunity", &results)?;
    let body = app.next("record.updated").await?;
    same(
        "the stage",
        body.pointer("/data/fields/StageName"),
        Some(&json!(WON)),
    )?;
    same("tries of one webhook", app.most_tries(), 2)?;
    Ok((
        body,
        "told once the app, which failed at first, was asked again".to_owned(),
    ))
}

/// What the app does when a deal is won: tags the contacts of its account on the list,
/// leaves a task for somebody to call, and notes the next step at the deal.
async fn act(stage: &Stage, body: &Json) -> Result<((), String)> {
    let deal = body.pointer("/data/record_ids/0").and_then(Json::as_str);
    let deal = deal.context("the webhook names no record")?;
    let quoted = format!("SELECT AccountId, Name FROM Opportunity WHERE Id = '{deal}'");
    let found = stage.query(&quoted).await?;
    let found = found.first().context("the deal is gone")?;
    let account = text(found, "AccountId").context("the deal has no account")?;
    let contacts = stage
        .query(&format!(
            "SELECT Email FROM Contact WHERE AccountId = '{account}' AND Email != null"
        ))
        .await?;
    let emails = contacts.iter().filter_map(|contact| text(contact, "Email"));
    let tagged = tag(&stage.list, emails.map(str::to_owned).collect()).await?;
    let task = json!({
        KEY: format!("won-{deal}"),
        "WhatId": deal,
        "Subject": format!("Thank them for {}", text(found, "Name").unwrap_or("the deal")),
        "Status": "Not Started",
        "Priority": "High",
    });
    let task = Records::from_items(&[task])?;
    let tasks = stage
        .crm
        .upsert("Task", KEY, &task, WriteOptions::default())
        .await?;
    written("Task", &tasks)?;
    let next = json!({"Id": deal, "NextStep": "Call"});
    stage.update("Opportunity", next).await?;
    Ok((
        (),
        format!("a task, and {} tagged", counted(tagged, "member")),
    ))
}

/// Adds the tag to those that the list's members with these addresses have, and gives
/// how many members there are.
async fn tag(list: &Connection, emails: Vec<String>) -> Result<usize> {
    let options = ScanOptions {
        fields: vec!["tags".to_owned()],
        matching: Some(("email".to_owned(), emails)),
        ..ScanOptions::default()
    };
    let pages = list.scan("Member", options).await?;
    let members: Vec<Record> = pages.collect(MAX_MEMBERS).await?.to_vec()?;
    let tagged = members.iter().map(|member| {
        let tags = [text(member, "tags").unwrap_or_default(), TAG].join(";");
        Ok(json!({"id": id(member)?, "tags": tags}))
    });
    let tagged = Records::from_items(&tagged.collect::<Result<Vec<Json>>>()?)?;
    let results = list
        .update("Member", &tagged, WriteOptions::default())
        .await?;
    Ok(written("Member", &results)?.len())
}

/// What is not signed with the secret is not taken.
async fn forge(app: &App) -> Result<((), String)> {
    let body = br#"{"type":"record.updated"}"#.to_vec();
    let signed = sign(
        &[Secret::generate()?],
        "msg_1",
        std::time::SystemTime::now(),
        &body,
    )?;
    let taken = app.taken();
    for headers in [signed.headers().to_vec(), Vec::new()] {
        let mut request = browser::client()?.post(app.url()).body(body.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        same(
            "the answer to a forgery",
            request.send().await?.status().as_u16(),
            401,
        )?;
    }
    same("webhooks that the app has taken", app.taken(), taken)?;
    Ok((
        (),
        "a wrong signature and none are answered with 401".to_owned(),
    ))
}

async fn compare(
    stage: &Stage,
    sales: &Connection,
    app: &mut App,
    courier: &Courier,
    deal: &str,
) -> Result<(Json, String)> {
    let tasks = stage.query("SELECT Id, Subject, WhatId FROM Task").await?;
    same("follow-up tasks", tasks.len(), 1)?;
    let task = tasks.first().context("there is no task")?;
    ensure!(
        !id(task)?.is_empty() && text(task, "WhatId") == Some(deal),
        "{task:?}"
    );
    let members = stage.service.members();
    let tags = members.first().and_then(|member| member.get("tags"));
    same("the tags", tags, Some(&json!(["customer", "newsletter"])))?;
    // What the app did to the deal itself is not told: a change of somebody else's that
    // comes after it is the next.
    let amount = Records::from_items(&[json!({"Id": deal, "Amount": 9_000})])?;
    let results = sales
        .update("Opportunity", &amount, WriteOptions::default())
        .await?;
    written("Opportunity", &results)?;
    let next = app.next("record.updated").await?;
    let amount = next.pointer("/data/fields/Amount").and_then(Json::as_f64);
    same("the amount", amount, Some(9_000.0))?;
    same("webhooks that the app has taken", app.taken(), 4)?;
    let queue = courier.queue().counts().await?;
    same("webhooks given up", queue.dead, 0)?;
    let result = json!({ "task": task, "tags": tags, "webhooks": app.taken() });
    Ok((
        result,
        "one task at the deal, one tag, and no webhook of the app's own change".to_owned(),
    ))
}
