//! What each command does.

pub(crate) mod batches;
pub(crate) mod events;
mod exchange;
mod exhaust;
pub(crate) mod files;
pub(crate) mod hooks;
mod http;
mod sheets;
mod storage;
mod tables;

use serde_json::{Value, json};

use crate::guest::bindings::exports::lockgate::connector::records::{
    Advice, Error, Page, PageRecords, Problem,
};
use crate::guest::bindings::lockgate::connector::{clock, quota};

/// A page, and whether there is another.
pub(crate) enum Answer {
    Last(Page),
    More(Page),
}

/// Does a command.
pub(crate) async fn run(text: &str) -> Result<Answer, Error> {
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let command = match words.next() {
        // What `query` has already done is not done again.
        Some("now") => return Ok(report(Vec::new())),
        Some(command) => command,
        None => return Ok(report(Vec::new())),
    };
    let words: Vec<&str> = words.collect();
    let word = |place: usize| words.get(place).copied().unwrap_or_default();
    let number = |place: usize| word(place).parse::<usize>().unwrap_or(1);
    let reports = match command {
        "spin" | "spin-async" | "never" | "wait" | "recurse" | "allocate" | "panic"
        | "flood-calls" | "flood-log" | "hold-streams" => exhaust::run(command, number(0)).await,
        "clock" => {
            vec![json!({ "now_ms": clock::now_ms(), "monotonic_ms": clock::monotonic_ms() })]
        }
        "send" => vec![http::send(word(0), word(1)).await],
        "send-many" => http::send_many(number(0), word(1)).await,
        "send-loop" => vec![http::send_until_refused(word(0)).await],
        "send-loop-fail" => {
            http::send_until_refused(word(0)).await;
            return Err(failure(word(1)));
        }
        "read-loop" => vec![http::read(number(0), word(1)).await],
        "send-body" => vec![http::send_body(number(0), word(1)).await],
        "send-stream" => {
            let length = word(1).parse().ok();
            vec![files::send(number(0), length, word(2)).await]
        }
        "send-stall" => vec![files::stall(word(0)).await],
        "send-header" => vec![http::send_header(word(0), word(1), word(2)).await],
        "marker" => vec![http::marker(word(0), word(1)).await],
        "forbidden-headers" => http::forbidden_headers(word(0)).await,
        "forbidden-paths" => http::forbidden_paths().await,
        "take" => vec![http::take(word(0), number(1)).await],
        "stream" => vec![http::stream(word(0), usize::MAX).await],
        "stream-part" => vec![http::stream(word(0), number(1)).await],
        "stream-lost" => vec![http::lose(word(0)).await],
        "stream-ignore" => vec![http::stream(word(0), 0).await],
        "ignore" => vec![http::ignore(word(0)).await],
        "hold-bodies" => http::hold(number(0), word(1)).await,
        "exchange" => vec![exchange::all(word(0), number(1), number(2)).await],
        "exchange-with" => vec![exchange::named(word(0), word(1)).await],
        "exchange-hold" => exchange::hold(number(0), word(1)).await,
        "exchange-leave" => vec![exchange::leave(word(0), word(1)).await],
        "exchange-slowly" => vec![exchange::read_slowly(number(0), number(1), word(2)).await],
        "exchange-burn" => vec![exchange::burn(number(0), number(1)).await],
        "exchange-wait" => vec![exchange::wait(number(0)).await],
        "exchange-cancel" => vec![exchange::give_up_reads(number(0)).await],
        "exchange-pages" => return Ok(Answer::More(page(vec![exchange::page().await]))),
        "exchange-ignore" => vec![exchange::ignore(word(0)).await],
        "keys" => storage::read_all(words.iter().map(|key| (*key).to_owned())).await,
        "guess-keys" => storage::guess(&words).await,
        "put" => vec![storage::put(word(0), number(1)).await],
        "swap" => vec![storage::swap(word(0), word(1).parse().ok(), number(2)).await],
        "delete" => vec![storage::delete(word(0)).await],
        "list" => vec![storage::list(word(0)).await],
        "fill-storage" => vec![storage::fill(number(0)).await],
        "reserve" => vec![reserve(number(0), number(1)).await],
        "reserve-many" => reserve_many(number(0)).await,
        "reserve-send" => vec![reserve_and_send(number(0), number(1), word(2)).await],
        "forge-handle" => vec![forge_handle(number(0))],
        "table" => return Ok(Answer::Last(tables::hand_on(word(0)).await)),
        "table-of" => return Ok(Answer::Last(tables::hand_on_body(word(0)).await)),
        "hold-tables" => tables::hold().await,
        "misshape" => vec![tables::misshape(word(0)).await],
        "pages" => {
            return Ok(Answer::More(page(
                http::send_many(number(0), word(1)).await,
            )));
        }
        "burn" => {
            exhaust::burn(number(0) as u64);
            return Ok(Answer::More(filler(1)));
        }
        "endless" => return Ok(Answer::More(filler(number(0)))),
        "lie" => return Ok(Answer::Last(lie(word(0)))),
        "fail" => return Err(failure(word(0))),
        other => vec![json!({ "unknown": other })],
    };
    Ok(report(reports))
}

fn report(reports: Vec<Value>) -> Answer {
    Answer::Last(page(reports))
}

fn page(reports: Vec<Value>) -> Page {
    Page {
        records: PageRecords::Json(Value::Array(reports).to_string().into_bytes()),
        total: None,
    }
}

/// A page of one record of about so many bytes.
fn filler(bytes: usize) -> Page {
    Page {
        records: PageRecords::Json(
            format!("[{{\"filler\":\"{}\"}}]", "x".repeat(bytes)).into_bytes(),
        ),
        total: None,
    }
}

/// A page that is none.
fn lie(kind: &str) -> Page {
    let records: &[u8] = match kind {
        "utf8" => b"[{\"a\":\"\xff\"}]",
        "object" => b"{}",
        "numbers" => b"[1,2]",
        "two" => b"[{}],[{}]",
        _ => b"[{",
    };
    Page {
        records: PageRecords::Json(records.to_vec()),
        total: Some(u64::MAX),
    }
}

/// An error whose text is far too long and full of what a log must not see as
/// it is.
fn failure(kind: &str) -> Error {
    let text = format!("\u{1b}[31m\r\nforged line\u{202e}{}", "ß".repeat(1_000_000));
    match kind {
        "reconnect" => Error::Reconnect,
        "over-quota" => Error::OverQuota(u64::MAX),
        "over-quota-soon" => Error::OverQuota(1),
        "unavailable" => Error::Unavailable(u64::MAX),
        "unavailable-soon" => Error::Unavailable(1),
        "unknown-outcome" => Error::UnknownOutcome,
        "refused" => Error::Refused(Problem {
            advice: Advice::Retry,
            code: text.clone(),
            message: text.clone(),
            object: Some(text.clone()),
            fields: vec![text; 8],
        }),
        _ => Error::Unexpected(text),
    }
}

async fn reserve(calls: usize, wait_ms: usize) -> Value {
    let calls = u32::try_from(calls).unwrap_or(u32::MAX);
    let wait_ms = u32::try_from(wait_ms).unwrap_or(u32::MAX);
    let outcome = quota::reserve(calls, wait_ms).await;
    let status = format!("{:?}", quota::status());
    match outcome {
        Ok(reservation) => json!({ "remaining": reservation.remaining(), "status": status }),
        Err(error) => json!({ "error": format!("{error:?}"), "status": status }),
    }
}

/// Spends some of a reservation, and gives the rest back.
async fn reserve_and_send(calls: usize, sends: usize, path: &str) -> Value {
    let calls = u32::try_from(calls).unwrap_or(u32::MAX);
    let reservation = match quota::reserve(calls, 0).await {
        Ok(reservation) => reservation,
        Err(error) => return json!({ "error": format!("{error:?}") }),
    };
    let held = quota::status();
    let sent = http::send_many(sends, path).await;
    let remaining = reservation.remaining();
    let returned = quota::Reservation::commit(reservation);
    let after = quota::status();
    json!({
        "sent": sent,
        "remaining": remaining,
        "returned": returned,
        "available-held": held.available,
        "available-after": after.available,
        "used-after": after.used,
    })
}

/// Keeps as many reservations as it gets, of one call each.
async fn reserve_many(count: usize) -> Vec<Value> {
    let mut kept = Vec::new();
    let mut error = None;
    for _ in 0..count {
        match quota::reserve(1, 0).await {
            Ok(reservation) => kept.push(reservation),
            Err(refusal) => {
                error = Some(format!("{refusal:?}"));
                break;
            }
        }
    }
    vec![json!({ "kept": kept.len(), "error": error })]
}

/// Makes up the handle of a reservation and asks what it is worth.
#[expect(
    unsafe_code,
    reason = "the attack: a handle that nobody gave to this call"
)]
fn forge_handle(number: usize) -> Value {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    // SAFETY: a handle is a number that only the host looks up.
    let forged = unsafe { quota::Reservation::from_handle(number) };
    let remaining = forged.remaining();
    json!({ "remaining": remaining, "returned": quota::Reservation::commit(forged) })
}
