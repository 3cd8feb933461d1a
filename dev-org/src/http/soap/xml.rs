//! As much of XML as a SOAP request needs: elements, text, entities. A document
//! type is refused, since entities of its own could grow without end.

/// How deep elements may nest.
const MOST_DEEP: usize = 64;

/// An element without its namespace prefix and attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Self>,
    /// `xsi:nil="true"`
    pub(crate) nil: bool,
}

impl Element {
    /// The root of a document; nothing when it is not well formed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = Rest(text.trim_start_matches('\u{feff}'));
        rest.skip_between()?;
        let root = rest.element(0)?;
        rest.skip_between()?;
        rest.0.is_empty().then_some(root)
    }

    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of a child that is there and neither empty nor nil.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        let child = self.child(name)?;
        let text = child.text.trim();
        (!child.nil && !text.is_empty()).then_some(text)
    }
}

/// What has not been read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn take(&mut self, prefix: &str) -> bool {
        let after = self.0.strip_prefix(prefix);
        self.0 = after.unwrap_or(self.0);
        after.is_some()
    }

    fn until(&mut self, end: &str) -> Option<&'a str> {
        let (before, after) = self.0.split_once(end)?;
        self.0 = after;
        Some(before)
    }

    /// White space, declarations and comments between elements.
    fn skip_between(&mut self) -> Option<()> {
        loop {
            self.0 = self.0.trim_start();
            if self.take("<?") {
                self.until("?>")?;
            } else if self.take("<!--") {
                self.until("-->")?;
            } else {
                return (!self.0.starts_with("<!")).then_some(());
            }
        }
    }

    fn element(&mut self, depth: usize) -> Option<Element> {
        if depth > MOST_DEEP || !self.take("<") {
            return None;
        }
        let (name, nil, is_empty) = self.tag()?;
        let mut element = Element {
            name: local(name).to_owned(),
            nil,
            ..Element::default()
        };
        if is_empty {
            return Some(element);
        }
        loop {
            let (text, _) = self.0.split_once('<')?;
            element.text.push_str(&resolved(text)?);
            self.0 = self.0.get(text.len()..)?;
            if self.take("</") {
                let closing = self.until(">")?.trim();
                return (closing == name).then_some(element);
            } else if self.take("<!--") {
                self.until("-->")?;
            } else if self.take("<![CDATA[") {
                element.text.push_str(self.until("]]>")?);
            } else if self.take("<?") {
                self.until("?>")?;
            } else if self.0.starts_with("<!") {
                return None;
            } else {
                element.children.push(self.element(depth + 1)?);
            }
        }
    }

    /// The rest of an opening tag: name, whether it says nil, whether it
    /// closes itself.
    fn tag(&mut self) -> Option<(&'a str, bool, bool)> {
        let end = self
            .0
            .find(|letter: char| letter.is_whitespace() || letter == '>' || letter == '/')?;
        let name = self.0.get(..end).filter(|name| !name.is_empty())?;
        self.0 = self.0.get(end..)?;
        let mut nil = false;
        loop {
            self.0 = self.0.trim_start();
            if self.take("/>") {
                return Some((name, nil, true));
            }
            if self.take(">") {
                return Some((name, nil, false));
            }
            let attribute = self.until("=")?.trim();
            self.0 = self.0.trim_start();
            let quote = if self.take("\"") {
                "\""
            } else if self.take("'") {
                "'"
            } else {
                return None;
            };
            let value = self.until(quote)?;
            nil |= local(attribute) == "nil" && matches!(value, "true" | "1");
        }
    }
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// Text with its entities resolved.
fn resolved(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (entity, after) = after.split_once(';')?;
        out.push_str(before);
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = entity.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                char::from_u32(code.ok()?)?
            }
        });
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// Text as it may stand in a document.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_without_prefixes_and_text_with_its_entities() {
        let text = "<?xml version='1.0'?><!-- a --><s:A xmlns:s=\"x>y\">\n<b>1 &lt; 2<![CDATA[&amp;]]></b><c xsi:nil='true'/><s:d >&#x41;&#66;</s:d></s:A>";
        let root = Element::parse(text).unwrap();
        assert_eq!(root.name, "A");
        assert_eq!(root.text_of("b"), Some("1 < 2&amp;"));
        assert_eq!(root.text_of("c"), None);
        assert_eq!(root.text_of("d"), Some("AB"));
    }

    #[test]
    fn what_is_not_well_formed_or_declares_entities_is_refused() {
        for text in [
            "",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a>&unknown;</a>",
            "<a b=c/>",
            "<!DOCTYPE a [<!ENTITY x 'xx'>]><a>&x;</a>",
        ] {
            assert_eq!(Element::parse(text), None, "{text}");
        }
        let deep = "<a>".repeat(100) + &"</a>".repeat(100);
        assert_eq!(Element::parse(&deep), None);
    }
}
