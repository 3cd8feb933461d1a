//! Reads what a product says of its count in a header such as
//! `api-usage=10018/100000; per-app-api-usage=17/250(appName=x)`.

/// The longest header that is read, in bytes. Real ones are under 200.
const MAX_HEADER_BYTES: usize = 1024;

/// The largest count that is believed: far above any that is sold, and so small
/// that sums of them stay exact.
const MAX_CALLS: u64 = 1_000_000_000_000_000;

/// What the product counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) used: u64,
    pub(super) limit: u64,
}

/// The first entry of this name; `None` if there is none that makes sense.
///
/// Only the first counts: later entries may carry names that users gave, and
/// those could be made to look like an entry.
pub(super) fn usage(header: &str, entry: &str) -> Option<Usage> {
    if header.len() > MAX_HEADER_BYTES {
        return None;
    }
    let (_, value) = header
        .split([';', ','])
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case(entry))?;
    let (used, limit) = value.split_once('/')?;
    let limit = limit.trim_start();
    let end = limit
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(limit.len());
    let usage = Usage {
        used: count(used.trim())?,
        limit: count(limit.get(..end)?)?,
    };
    // A limit of nothing is no limit that anybody sells.
    (usage.limit > 0).then_some(usage)
}

fn count(digits: &str) -> Option<u64> {
    let digits_only = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = digits_only.then(|| digits.parse().ok())??;
    (number <= MAX_CALLS).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_whatever_stands_around_it() {
        for header in [
            "api-usage=18/5000",
            "API-Usage = 18 / 5000 ",
            "api-usage=18/5000; per-app-api-usage=17/250(appName=sample)",
            "api-bursts=1/750;api-usage=18/5000",
            "api-usage=18/5000(of=org), other=1/2",
            ";;api-usage=18/5000;x;=;",
        ] {
            let expected = Usage {
                used: 18,
                limit: 5_000,
            };
            assert_eq!(usage(header, "api-usage"), Some(expected), "{header}");
        }
    }

    #[test]
    fn a_name_that_a_user_gave_is_not_taken_for_an_entry() {
        let header = "api-usage=9/10; per-app-api-usage=1/2(appName=x; api-usage=0/999999)";
        let expected = Usage { used: 9, limit: 10 };
        assert_eq!(usage(header, "api-usage"), Some(expected));
    }

    #[test]
    fn what_makes_no_sense_is_passed_over() {
        let long = format!("api-usage=1/2;{}", "x".repeat(MAX_HEADER_BYTES));
        for header in [
            "",
            "api-usage",
            "api-usage=",
            "api-usage=18",
            "api-usage=/5",
            "api-usage=5/",
            "api-usage=-1/5",
            "api-usage=+1/5",
            "api-usage=1.5/5",
            "api-usage=1/0",
            "api-usage=1/99999999999999999999999",
            "api-usage=9999999999999999/5",
            "my-api-usage=1/5",
            &long,
        ] {
            assert_eq!(usage(header, "api-usage"), None, "{header}");
        }
    }
}
