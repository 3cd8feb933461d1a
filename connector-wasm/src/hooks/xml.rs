//! XML as it is read: elements by the URIs of their namespaces, and text; nothing of
//! it is held as a tree.
//!
//! A document type is refused, so there are no entities but the five that XML has and
//! characters by their number: nothing can grow on the way. Depth, attributes and
//! namespaces have bounds; the length has the host's.

use quick_xml::NsReader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, QName, ResolveResult};

/// How deep elements may nest: a message needs eight.
const MAX_DEPTH: usize = 16;
/// Attributes of an element, declarations of namespaces included.
const MAX_ATTRIBUTES: usize = 32;
/// Namespaces that are known at a time.
const MAX_NAMESPACES: usize = 64;

/// The namespaces that mean something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// SOAP 1.1.
    Soap,
    /// Outbound messages.
    Outbound,
    /// Records.
    Objects,
    /// `xsi`, of attributes.
    Instance,
    Other,
}

impl Space {
    fn of(uri: &str) -> Self {
        match uri {
            "http://schemas.xmlsoap.org/soap/envelope/" => Self::Soap,
            "http://soap.sforce.com/2005/09/outbound" => Self::Outbound,
            "urn:sobject.enterprise.soap.sforce.com" => Self::Objects,
            "http://www.w3.org/2001/XMLSchema-instance" => Self::Instance,
            _ => Self::Other,
        }
    }
}

/// The beginning of an element.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) space: Space,
    pub(super) name: String,
    /// `xsi:nil`: it has no value.
    pub(super) is_nil: bool,
    /// `xsi:type`, resolved.
    pub(super) kind: Option<(Space, String)>,
}

impl Element {
    pub(super) fn is(&self, space: Space, name: &str) -> bool {
        self.space == space && self.name == name
    }
}

/// Why a document is not read on, as a part of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

const NOT_XML: Malformed = Malformed("it is no well-formed XML");

/// What comes next.
enum Token {
    Open(Element),
    Text(String),
    Close,
    /// The document's end.
    End,
}

/// A document that is read from its beginning to its end.
#[derive(Debug)]
pub(super) struct Document<'d> {
    reader: NsReader<&'d [u8]>,
    depth: usize,
}

impl<'d> Document<'d> {
    pub(super) fn new(text: &'d str) -> Self {
        let mut reader = NsReader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        reader
            .resolver_mut()
            .set_max_namespace_bindings(MAX_NAMESPACES);
        Self { reader, depth: 0 }
    }

    /// The next element within the one that is open, or of the document; none where
    /// that ends. Text beside elements means nothing and is refused.
    pub(super) fn child(&mut self) -> Result<Option<Element>, Malformed> {
        loop {
            match self.next()? {
                Token::Open(element) => return Ok(Some(element)),
                Token::Close | Token::End => return Ok(None),
                Token::Text(text) if text.trim().is_empty() => {}
                Token::Text(_) => return Err(Malformed("it has text where elements belong")),
            }
        }
    }

    /// The text of the element that is open, up to its end.
    pub(super) fn text(&mut self) -> Result<String, Malformed> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Token::Text(part) => text.push_str(&part),
                Token::Close => return Ok(text),
                Token::Open(_) | Token::End => {
                    return Err(Malformed("it has elements where text belongs"));
                }
            }
        }
    }

    /// Passes over what the open element holds, up to its end, and keeps none of it.
    pub(super) fn skip(&mut self) -> Result<(), Malformed> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.next()?;
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Token, Malformed> {
        loop {
            let event = self.reader.read_event().map_err(|_| NOT_XML)?;
            return Ok(match event {
                Event::Start(start) | Event::Empty(start) => {
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err(Malformed("its elements are nested too deeply"));
                    }
                    Token::Open(self.element(&start)?)
                }
                Event::End(_) => {
                    self.depth = self.depth.checked_sub(1).ok_or(NOT_XML)?;
                    Token::Close
                }
                Event::Text(text) => Token::Text(text.xml10_content().into_owned()),
                Event::CData(text) if self.depth > 0 => {
                    Token::Text(text.xml10_content().into_owned())
                }
                Event::GeneralRef(reference) => Token::Text(character(&reference)?),
                Event::Decl(_) | Event::Comment(_) => continue,
                Event::DocType(_) => return Err(Malformed("it has a document type")),
                Event::PI(_) => return Err(Malformed("it has processing instructions")),
                Event::Eof if self.depth == 0 => Token::End,
                Event::CData(_) | Event::Eof => return Err(NOT_XML),
            });
        }
    }

    fn element(&self, start: &BytesStart<'_>) -> Result<Element, Malformed> {
        let (space, name) = self.place(start.name(), true)?;
        let mut element = Element {
            space,
            name,
            is_nil: false,
            kind: None,
        };
        for (at, attribute) in start.attributes().enumerate() {
            let attribute = attribute.map_err(|_| NOT_XML)?;
            if at == MAX_ATTRIBUTES {
                return Err(Malformed("an element has too many attributes"));
            }
            let (space, name) = self.place(attribute.key, false)?;
            if space != Space::Instance {
                continue;
            }
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|_| NOT_XML)?;
            match name.as_str() {
                "nil" => element.is_nil = matches!(value.trim(), "true" | "1"),
                "type" => element.kind = Some(self.place(QName(value.trim()), true)?),
                _ => {}
            }
        }
        Ok(element)
    }

    /// A name by the URI of its namespace. One without a prefix is in the default
    /// namespace, unless it is that of an attribute.
    fn place(&self, name: QName<'_>, is_in_default: bool) -> Result<(Space, String), Malformed> {
        let (space, local) = self.reader.resolver().resolve(name, is_in_default);
        let space = match space {
            ResolveResult::Bound(Namespace(uri)) => Space::of(uri),
            ResolveResult::Unbound => Space::Other,
            ResolveResult::Unknown(_) => {
                return Err(Malformed("it has a prefix without a namespace"));
            }
        };
        Ok((space, local.as_ref().to_owned()))
    }
}

/// The character that a reference stands for: by its number, or one of XML's five.
fn character(reference: &BytesRef<'_>) -> Result<String, Malformed> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Ok(character.to_string()),
        Ok(None) => resolve_predefined_entity(reference)
            .map(str::to_owned)
            .ok_or(Malformed(
                "it has an entity that XML does not have by itself",
            )),
        Err(_) => Err(NOT_XML),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACES: &str = "xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
        xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"";

    /// Reads a document to its end, with the text of all elements that hold none.
    fn read(text: &str) -> Result<Vec<String>, Malformed> {
        fn within(document: &mut Document<'_>, out: &mut Vec<String>) -> Result<(), Malformed> {
            while let Some(element) = document.child()? {
                out.push(format!("{:?} {}", element.space, element.name));
                match element.name.as_str() {
                    "text" => out.push(document.text()?),
                    "skip" => document.skip()?,
                    _ => within(document, out)?,
                }
            }
            Ok(())
        }
        let mut out = Vec::new();
        within(&mut Document::new(text), &mut out)?;
        Ok(out)
    }

    #[test]
    fn elements_are_known_by_the_uri_of_their_namespace_whatever_the_prefix() {
        let text = format!(
            "\u{feff}<?xml version=\"1.0\"?><!-- a --><s:Envelope {SPACES}>\n<text \
             xmlns=\"http://soap.sforce.com/2005/09/outbound\">a &lt; b&#x21;<![CDATA[ &amp;]]>\
             </text><s:skip>&amp;<a><b/></a> c</s:skip><none/></s:Envelope>\n"
        );
        assert_eq!(
            read(&text).unwrap(),
            [
                "Soap Envelope",
                "Outbound text",
                "a < b! &amp;",
                "Soap skip",
                "Other none"
            ]
        );
    }

    #[test]
    fn nil_and_type_are_those_of_the_schema_instance_and_no_others() {
        let text = format!(
            "<a {SPACES} xmlns=\"urn:sobject.enterprise.soap.sforce.com\" i:nil=\"1\" i:type=\"s:T\" \
             nil=\"true\"><b nil=\"true\" i:type=\"U\"/></a>"
        );
        let mut document = Document::new(&text);
        let a = document.child().unwrap().unwrap();
        assert!(a.is_nil);
        assert_eq!(a.kind, Some((Space::Soap, "T".to_owned())));
        let b = document.child().unwrap().unwrap();
        assert!(!b.is_nil);
        assert_eq!(b.kind, Some((Space::Objects, "U".to_owned())));
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for text in [
            "<a>",
            "<a></b>",
            "</a>",
            "<a/>text",
            "text<a/>",
            "<a b=c/>",
            "<a b='1' b='2'/>",
            "<a>&amp</a>",
            "<a>&#0;</a>",
            "<a>&#xd800;</a>",
            "<p:a/>",
            "<a p:b='1'/>",
            "<a><![CDATA[x]]</a>",
            "<![CDATA[x]]>",
            "<a><?php x?></a>",
            "{\"a\": 1}",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bombs_are_refused_before_they_go_off() {
        let laughs = "<!DOCTYPE a [<!ENTITY x \"xxxxxxxx\"><!ENTITY y \"&x;&x;&x;&x;\">]>\
                      <text>&y;&y;&y;&y;</text>";
        assert_eq!(read(laughs), Err(Malformed("it has a document type")));
        let outside = "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><text>x</text>";
        assert_eq!(read(outside), Err(Malformed("it has a document type")));
        let entity = "<text>&y;</text>";
        let unknown = Malformed("it has an entity that XML does not have by itself");
        assert_eq!(read(entity), Err(unknown));

        let nested = |deep: usize| "<a>".repeat(deep) + &"</a>".repeat(deep);
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        let deep = Err(Malformed("its elements are nested too deeply"));
        assert_eq!(read(&nested(MAX_DEPTH + 1)), deep);
        assert_eq!(read(&"<skip>".repeat(100_000)), deep);

        let attributes = |count: usize| -> String {
            let all: Vec<_> = (0..count).map(|at| format!(" a{at}='1'")).collect();
            format!("<a{}/>", all.join(""))
        };
        assert!(read(&attributes(MAX_ATTRIBUTES)).is_ok());
        let many = Err(Malformed("an element has too many attributes"));
        assert_eq!(read(&attributes(MAX_ATTRIBUTES + 1)), many);
        let spaces: Vec<_> = (0..100).map(|at| format!(" xmlns:n{at}='u'")).collect();
        assert_eq!(read(&format!("<a{}/>", spaces.join(""))), Err(NOT_XML));
    }
}
