//! A strict reader of the HTML that reports are made of: whatever a browser would have to guess is a failure.

/// A tag, `/name` if it closes.
#[derive(Debug)]
pub(super) struct Tag {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    /// Text since the tag before.
    pub before: String,
}

impl Tag {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

const VOID: [&str; 5] = ["meta", "col", "br", "input", "link"];
const ELEMENTS: &str = "html head body meta title style script a p span b strong i em br code header nav main section article aside \
    footer ul ol li dl dt dd div h1 h2 h3 h4 table caption colgroup col thead tbody tr th td details summary figure figcaption \
    form button dialog svg g path rect circle text desc defs marker";
const ATTRIBUTES: &str = "lang charset http-equiv content name class href id aria-label aria-labelledby aria-live aria-rowcount \
    aria-hidden role tabindex scope title data-table hidden colspan method type viewBox d x y width height rx cx cy r \
    preserveAspectRatio focusable stroke-width marker-end refX refY markerWidth markerHeight markerUnits orient";

/// Every tag. Panics at what is not well-formed: a tag that is not closed, a stray `<`, an attribute without quotes, an
/// id that is there twice, an element or attribute that reports don't have.
pub(super) fn parse(page: &str) -> Vec<Tag> {
    let mut rest = page.trim_start().strip_prefix("<!DOCTYPE html>").expect("a document type");
    let (mut tags, mut open, mut ids) = (Vec::new(), Vec::<String>::new(), std::collections::BTreeSet::new());
    while let Some(at) = rest.find('<') {
        let before = text(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('/') {
            let (name, after) = after.split_once('>').expect("a closing tag ends");
            assert_eq!(open.pop().as_deref(), Some(name), "closes what is open");
            tags.push(Tag { name: format!("/{name}"), attributes: Vec::new(), before });
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).expect("a tag ends");
        let name = rest[..end].to_owned();
        assert!(
            ELEMENTS.split_whitespace().any(|known| known == name),
            "<{name}: {}",
            &rest[..rest.len().min(80)]
        );
        rest = &rest[end..];
        let (attributes, empty, after) = attributes(rest);
        rest = after;
        for (attribute, value) in &attributes {
            assert!(ATTRIBUTES.split_whitespace().any(|known| known == attribute), "{name} {attribute}=");
            if attribute == "id" {
                assert!(ids.insert(value.clone()), "id {value} is there twice");
                assert!(
                    value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
                    "id {value:?}"
                );
            }
        }
        let raw = name == "script" || name == "style";
        if !empty && !VOID.contains(&name.as_str()) {
            open.push(name.clone());
        }
        tags.push(Tag { name: name.clone(), attributes, before });
        if raw {
            // The only place where these words end something is their own end.
            let (content, after) = rest.split_once(&format!("</{name}")).expect("an end");
            assert!(
                !content.contains("<!--") && !content.to_ascii_lowercase().contains("<script"),
                "in a {name}"
            );
            rest = after.strip_prefix('>').expect("an end");
            open.pop();
            tags.push(Tag { name: format!("/{name}"), attributes: Vec::new(), before: content.to_owned() });
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} is open at the end");
    tags
}

/// Text without markup; entities are those that escaping makes.
fn text(raw: &str) -> String {
    assert!(!raw.contains(['>', '\0']), "{raw:?}");
    let mut clean = String::new();
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('&') {
        let (entity, after) = after.split_once(';').unwrap_or_else(|| panic!("a bare & in {raw:?}"));
        clean.push_str(before);
        clean.push(match entity {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "#x27" => '\'',
            "#x2f" => '/',
            other => panic!("&{other};"),
        });
        rest = after;
    }
    clean + rest
}

type Attributes = Vec<(String, String)>;

fn attributes(mut rest: &str) -> (Attributes, bool, &str) {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix("/>") {
            return (found, true, after);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (found, false, after);
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').expect("an attribute ends");
        assert!(end > 0, "an attribute begins: {}", &rest[..rest.len().min(80)]);
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let Some(after) = rest.strip_prefix("=\"") else {
            assert_eq!(name, "hidden", "only this one has no value");
            found.push((name, String::new()));
            continue;
        };
        let (value, after) = after.split_once('"').expect("a value ends");
        assert!(!value.contains('<'), "{name}={value:?}");
        found.push((name, text(value)));
        rest = after;
    }
}
