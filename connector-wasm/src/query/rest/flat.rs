//! Pages of queries whose records have no children, which are nearly all: the
//! records are cut out by where their array begins and ends, unread. The host
//! looks at each of them anyway.

use super::next_of;
use crate::wire::QueryPage;

/// Whether no record of a query can have children, which may go on elsewhere: no
/// query stands within it. A text that looks like one only costs the longer way.
pub(super) fn is_flat(text: &str) -> bool {
    !text.split('(').skip(1).any(|inner| {
        let word = inner.trim_start().as_bytes().get(..6);
        word.is_some_and(|word| word.eq_ignore_ascii_case(b"SELECT"))
    })
}

/// Cuts a body down to its records; gives how many the whole answer has, and
/// where the next page is. `None`, and the body as it was, if it is not certain
/// that the records are what stands behind all else.
pub(super) fn cut(body: &mut Vec<u8>) -> Option<(Option<u64>, Option<String>)> {
    let start = body.iter().position(|byte| *byte == b'[')?;
    let inner = body.trim_ascii_end().strip_suffix(b"}")?.trim_ascii_end();
    let (end, inner) = (inner.len(), inner.strip_suffix(b"]")?.get(start + 1..)?);
    // Else the last array is not the one that begins there.
    if closes_before_a_member(inner) {
        return None;
    }
    let head = str::from_utf8(body.get(..start)?).ok()?;
    let head = format!("{head}[]}}");
    let page = QueryPage::read(&head)?;
    let next = next_of(&page).ok()?;
    let total = page.total_size;
    body.truncate(end);
    // Blanks in front are left out by the host, which need not move the records.
    body.iter_mut().take(start).for_each(|byte| *byte = b' ');
    Some((total, next))
}

/// Whether anywhere a bracket closes before what could be another member: `],"`.
/// Within a text that says so it only costs the longer way.
fn closes_before_a_member(text: &[u8]) -> bool {
    memchr::memchr_iter(b']', text).any(|at| {
        let behind = text.get(at + 1..).unwrap_or_default().trim_ascii_start();
        behind
            .strip_prefix(b",")
            .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\""))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Cut = (String, Option<u64>, Option<String>);

    fn of(text: &str) -> Option<Cut> {
        let mut body = text.as_bytes().to_vec();
        let cut = cut(&mut body);
        let left = String::from_utf8(body).unwrap();
        if cut.is_none() {
            assert_eq!(left, text);
        }
        cut.map(|(total, next)| (left.trim().to_owned(), total, next))
    }

    #[test]
    fn only_queries_within_a_query_bring_children() {
        assert!(is_flat(
            "SELECT Id, toLabel(Status), (Name) FROM Lead WHERE Name = 'select'"
        ));
        assert!(!is_flat(
            "SELECT Id, (\n select Id FROM Contacts) FROM Account"
        ));
        assert!(!is_flat(
            "SELECT Id FROM Lead WHERE OwnerId IN (SELECT Id FROM User)"
        ));
    }

    #[test]
    fn records_are_cut_out_with_what_the_page_says_of_the_others() {
        let records = format!("[ {{\"A\":\"]\"}} , {{\"B\":\"{}],x\"}} ]", "y".repeat(99));
        let page = format!(
            "{{\"totalSize\":3 ,\"done\": false,\"nextRecordsUrl\":\"/services/n\",\"records\":{records} }} \n"
        );
        let next = Some("/services/n".to_owned());
        assert_eq!(of(&page), Some((records, Some(3), next)));
        assert_eq!(
            of(r#"{"done":true,"records":[]}"#),
            Some(("[]".to_owned(), None, None))
        );
    }

    #[test]
    fn what_is_not_certain_is_left_as_it_was() {
        let long = "z".repeat(200);
        for page in [
            r#"[{"errorCode":"X"}]"#.to_owned(),
            r#"{"done":true,"records":[{}]"#.to_owned(),
            r#"{"done":true,"records":[{}],"done":true}"#.to_owned(),
            format!(r#"{{"done":true,"records":[{{"A":"{long}"}}] , "more":[1]}}"#),
            format!(r#"{{"done":true,"records":[{{}}],"more":["{long}"]}}"#),
            r#"{"more":[1],"done":true,"records":[{}]}"#.to_owned(),
            r#"{"records":[{}]}"#.to_owned(),
            r#"{"done":false,"records":[{}]}"#.to_owned(),
        ] {
            assert_eq!(of(&page), None, "{page}");
        }
    }
}
