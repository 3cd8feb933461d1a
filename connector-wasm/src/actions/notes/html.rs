//! Plain text as the HTML that content notes are made of, and back.
//!
//! Salesforce takes only a few entities (not even `&apos;`), and no line breaks but
//! `<br>`; its own editor writes paragraphs, lists and `&nbsp;`.

/// Elements that begin and end on lines of their own.
const BLOCKS: [&str; 13] = [
    "blockquote",
    "div",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "li",
    "ol",
    "p",
    "pre",
    "ul",
];

/// The longest entity that is looked for, in bytes between `&` and `;`.
const MAX_ENTITY_BYTES: usize = 8;

/// Writes a text as HTML.
pub(super) fn of_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\r' if letters.peek() == Some(&'\n') => {}
            '\r' | '\n' => out.push_str("<br>"),
            letter => out.push(letter),
        }
    }
    out
}

/// Reads the text out of HTML: a line for each `<br>` and each block.
pub(super) fn to_text(html: &str) -> String {
    let mut text = Text::default();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let (before, from) = rest.split_at(start);
        text.push(before);
        let end = from.find('>').filter(|_| is_tag(from));
        let (tag, after) = from.split_at(end.map_or(1, |end| end + 1));
        if end.is_some() {
            text.tag(tag);
        } else {
            text.push(tag);
        }
        rest = after;
    }
    text.push(rest);
    text.out
}

/// Whether a text that starts with `<` may be a tag.
fn is_tag(text: &str) -> bool {
    let name = text.strip_prefix('<').unwrap_or_default();
    name.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!'))
}

#[derive(Default)]
struct Text {
    out: String,
    /// A block has ended: what comes next is on a line of its own.
    is_line_due: bool,
}

impl Text {
    fn tag(&mut self, tag: &str) {
        let name = tag.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let end = name.find(|c: char| !c.is_ascii_alphanumeric());
        let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
        if name.eq_ignore_ascii_case("br") {
            self.break_line();
            self.out.push('\n');
        } else if BLOCKS.iter().any(|block| name.eq_ignore_ascii_case(block)) {
            self.is_line_due = !self.out.is_empty() && !self.out.ends_with('\n');
        }
    }

    /// Adds what stands between two tags.
    fn push(&mut self, run: &str) {
        // Between blocks, line breaks of the source are no text.
        if run.is_empty() || (run.trim().is_empty() && run.contains('\n')) {
            return;
        }
        self.break_line();
        let mut rest = run;
        while let Some(start) = rest.find('&') {
            let (before, from) = rest.split_at(start);
            self.out.push_str(before);
            match entity(from) {
                Some((letter, length)) => {
                    self.out.push(letter);
                    rest = from.get(length..).unwrap_or_default();
                }
                None => {
                    self.out.push('&');
                    rest = from.get(1..).unwrap_or_default();
                }
            }
        }
        self.out.push_str(rest);
    }

    fn break_line(&mut self) {
        if std::mem::take(&mut self.is_line_due) {
            self.out.push('\n');
        }
    }
}

/// The letter that an entity at the start of a text stands for, and the entity's
/// length in bytes.
fn entity(text: &str) -> Option<(char, usize)> {
    let (name, _) = text.strip_prefix('&')?.split_once(';')?;
    if name.len() > MAX_ENTITY_BYTES {
        return None;
    }
    let letter = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        name => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(number.ok()?)?
        }
    };
    Some((letter, name.len() + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back_as_it_went() {
        for text in [
            "",
            "Tom & Ann's <b>\"plan\"</b> &amp; Größe 😀",
            "one\n\n two\tthree \n",
            "a &#39; b &nosuch; c & d",
        ] {
            assert_eq!(to_text(&of_text(text)), text);
        }
        assert_eq!(of_text("a\r\nb\rc"), "a<br>b<br>c");
        assert_eq!(of_text("<'&\">"), "&lt;&#39;&amp;&quot;&gt;");
    }

    #[test]
    fn paragraphs_and_items_of_the_editor_are_lines() {
        for (html, text) in [
            ("<p>a</p><p><br></p><p>b</p>", "a\n\nb"),
            ("<P class=\"x\">a<br/>b</P>\n<p>c&nbsp;d</p>\n", "a\nb\nc d"),
            (
                "<ul><li>one</li><li><b>two</b>!</li></ul>end",
                "one\ntwo!\nend",
            ),
            ("x <strong>bold</strong><img src=\"y\"> y", "x bold y"),
            ("<div><p>a</p></div>", "a"),
        ] {
            assert_eq!(to_text(html), text, "{html}");
        }
    }

    #[test]
    fn what_is_no_html_stays_as_it_is() {
        for text in [
            "a < b",
            "a < b > c <",
            "AT&T; R&D",
            "&#xD800;",
            "line\nbreak",
            "&",
            "&;",
        ] {
            assert_eq!(to_text(text), text);
        }
        assert_eq!(to_text("&#65;&#x42;&apos;"), "AB'");
    }
}
