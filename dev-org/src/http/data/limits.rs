//! `/limits`: what the org may use and what is left of it.

use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::config::Edition;
use crate::http::answer;
use crate::state::Shared;

/// Limits that nothing in this org uses up, with the numbers of a Developer
/// Edition.
const UNTOUCHED: [(&str, u64); 20] = [
    ("AnalyticsExternalDataSizeMB", 40_960),
    ("ConcurrentAsyncGetReportInstances", 200),
    ("ConcurrentSyncReportRuns", 20),
    ("DailyAnalyticsDataflowJobExecutions", 60),
    ("DailyAsyncApexExecutions", 250_000),
    ("DailyBulkV2QueryFileStorageMB", 976_562),
    ("DailyDurableGenericStreamingApiEvents", 10_000),
    ("DailyDurableStreamingApiEvents", 10_000),
    ("DailyGenericStreamingApiEvents", 10_000),
    ("DailyStandardVolumePlatformEvents", 10_000),
    ("DailyStreamingApiEvents", 10_000),
    ("DailyWorkflowEmails", 1_000),
    ("FileStorageMB", 20),
    ("HourlyAsyncReportRuns", 1_200),
    ("HourlyODataCallout", 1_000),
    ("HourlySyncReportRuns", 500),
    ("HourlyTimeBasedWorkflow", 50),
    ("MassEmail", 10),
    ("SingleEmail", 15),
    ("StreamingApiConcurrentClients", 20),
];

/// Answers `/limits`.
pub(crate) fn limits(shared: &Shared) -> Response {
    let now_ms = shared.clock.now_ms();
    let (max, used) = {
        let mut usage = shared.usage();
        (usage.max, usage.used(now_ms))
    };
    let mut limits: Map<String, Value> = UNTOUCHED
        .iter()
        .map(|(name, max)| ((*name).to_owned(), json!({ "Max": max, "Remaining": max })))
        .collect();
    limits.insert(
        "DailyApiRequests".to_owned(),
        json!({ "Max": max, "Remaining": max.saturating_sub(used) }),
    );
    {
        let mut jobs = shared.bulk.jobs();
        let quota = &mut jobs.quota;
        for (name, limit) in [
            ("DailyBulkApiBatches", &mut quota.batches),
            ("DailyBulkV2QueryJobs", &mut quota.query_jobs),
        ] {
            let shown = limit.show(now_ms);
            let left = shown.max.saturating_sub(shown.used);
            limits.insert(
                name.to_owned(),
                json!({ "Max": shown.max, "Remaining": left }),
            );
        }
    }
    limits.insert(
        "DataStorageMB".to_owned(),
        json!({ "Max": 5, "Remaining": 5 }),
    );
    let published = match shared.config.edition {
        Edition::Developer => 50_000,
        _ => 250_000,
    };
    let delivered = shared.events.deliveries(now_ms);
    let left = delivered.max.saturating_sub(delivered.used);
    limits.insert(
        "DailyDeliveredPlatformEvents".to_owned(),
        json!({ "Max": delivered.max, "Remaining": left }),
    );
    limits.insert(
        "HourlyPublishedPlatformEvents".to_owned(),
        json!({ "Max": published, "Remaining": published }),
    );
    // The one entry with a limit inside a limit.
    limits.insert(
        "PermissionSets".to_owned(),
        json!({
            "Max": 1500,
            "Remaining": 1499,
            "CreateCustom": { "Max": 1000, "Remaining": 999 },
        }),
    );
    limits.sort_keys();
    answer::json(200, &Value::Object(limits))
}
