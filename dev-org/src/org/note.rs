//! What may stand in a content note, what is shown of it, and that a file is
//! linked to a record once.

use super::Org;
use super::draft::Draft;
use crate::fault::Fault;
use crate::value::Value;

/// Most characters of a note's preview.
const PREVIEW_CHARS: usize = 255;

/// The markup that notes are made of.
const TAGS: [&str; 17] = [
    "a", "b", "br", "div", "em", "i", "img", "li", "ol", "p", "s", "span", "strike", "strong",
    "sub", "u", "ul",
];

/// The entities that are known, beside those by number.
const ENTITIES: [&str; 5] = ["amp", "lt", "gt", "quot", "nbsp"];

/// The content of a note as it is kept: HTML of a few tags, with everything else
/// escaped, and in one line.
pub(super) fn admitted(content: Vec<u8>) -> Result<Vec<u8>, Fault> {
    let html = String::from_utf8(content).ok();
    let html = html.filter(|html| is_clean(html)).ok_or_else(|| {
        Fault::bad_request(
            "FIELD_INTEGRITY_EXCEPTION",
            "Note can't be saved because it contains HTML tags or unescaped characters that are \
             not allowed in a Note.",
        )
        .on("Content")
    })?;
    Ok(html.replace(['\r', '\n'], " ").into_bytes())
}

fn is_clean(html: &str) -> bool {
    let are_tags_known = html.split('<').skip(1).all(|part| {
        let name = part.trim_start_matches('/');
        let end = name.find(|c: char| !c.is_ascii_alphanumeric());
        let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
        part.contains('>') && TAGS.iter().any(|tag| tag.eq_ignore_ascii_case(name))
    });
    let are_entities_known = html.split('&').skip(1).all(|part| {
        let name = part.split_once(';').map_or("", |(name, _)| name);
        let number = name.strip_prefix('#').unwrap_or_default();
        ENTITIES.contains(&name)
            || (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    });
    let has_controls = html.contains(|c: char| c.is_control() && !"\r\n\t".contains(c));
    are_tags_known && are_entities_known && !has_controls
}

/// The text of a note without its markup, cut to a preview's length.
pub(super) fn preview(content: &Value) -> Value {
    let html = content
        .as_blob()
        .map(|bytes| String::from_utf8_lossy(bytes));
    let mut in_tag = false;
    let text: String = html
        .unwrap_or_default()
        .chars()
        .filter(|letter| match letter {
            '<' => {
                in_tag = true;
                false
            }
            '>' => !std::mem::replace(&mut in_tag, false),
            _ => !in_tag,
        })
        .take(PREVIEW_CHARS)
        .collect();
    match text.is_empty() {
        true => Value::Null,
        false => Value::text(text),
    }
}

impl Org {
    /// Refuses a link that is there already.
    pub(super) fn check_link(&self, draft: &Draft<'_>) -> Result<(), Fault> {
        let document = draft.get("ContentDocumentId");
        let entity = draft.get("LinkedEntityId");
        let columns = ["ContentDocumentId", "LinkedEntityId"].map(|name| draft.object.column(name));
        let [Some(document_column), Some(entity_column)] = columns else {
            return Ok(());
        };
        let links = self.table(draft.object).find(document_column, document);
        let mut links = links.into_iter().filter(|row| !row.is_deleted());
        if !draft.is_new() || !links.any(|row| row.get(entity_column) == entity) {
            return Ok(());
        }
        Err(Fault::bad_request(
            "DUPLICATE_VALUE",
            format!(
                "Document with ID: {} is already linked with the entity with ID: {}",
                draft.text("ContentDocumentId"),
                draft.text("LinkedEntityId")
            ),
        )
        .on("LinkedEntityId"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_takes_known_tags_and_escaped_text_only() {
        for html in [
            "plain",
            "<p>a &amp; b&#39;s</p><br/>",
            "don't \"x\"",
            "\u{e9}",
        ] {
            assert!(is_clean(html), "{html}");
        }
        for html in [
            "a & b",
            "&eacute;",
            "&apos;",
            "a < b",
            "<script>x</script>",
            "<b",
            "\u{1}",
        ] {
            assert!(!is_clean(html), "{html}");
        }
        assert!(admitted(vec![0xff]).is_err());
        assert_eq!(admitted(b"a\nb".to_vec()).unwrap(), b"a b");
    }
}
