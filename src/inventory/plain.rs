//! Plain output of the AWS CLI, one element after the other: `{"NetworkInterfaces": […]}` with 100,000 elements takes ten
//! times the memory as a tree of values that it takes as facts.
//!
//! Whatever is not plainly that, and whatever is wrong with it, is left to [`Extract::document`], which reads the same from
//! its beginning and says what it is. So nothing here may give a document a meaning that it would not.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::{Map, Value};

use super::config_items::{ITEMS, is_item};
use super::cursor::Node;
use super::documents::Extract;
use super::kind::{Kind, list_kind};

/// What a file says if it holds nothing but plain output, one or several one after the other.
pub(super) fn plain(text: &[u8]) -> Option<Extract> {
    let mut all = Extract::default();
    for document in serde_json::Deserializer::from_slice(text).into_iter::<Document>() {
        let Document { kind, list, more } = document.ok()?;
        all.count(kind, list.elements, more);
        all.facts.extend(list.extract.facts);
    }
    (!all.seen.is_empty()).then_some(all)
}

/// One list with elements, and nothing beside it that gives it another meaning.
struct Document {
    kind: Kind,
    list: List,
    /// It is a page, and not the last one.
    more: bool,
}

#[derive(Default)]
struct List {
    extract: Extract,
    elements: usize,
    /// One of the elements has what only such elements have.
    marked: bool,
}

/// Nobody sees it.
fn other<E: de::Error>() -> E {
    E::custom("no plain output")
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain output of the AWS CLI")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Document, A::Error> {
        let mut found: Option<(String, Kind, List)> = None;
        let mut rest = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            match list_kind(&name) {
                // Entries of prefix lists do not say of which.
                Some(kind) if found.is_none() && kind != Kind::PrefixListEntries => {
                    let list = members.next_value_seed(Elements(kind))?;
                    found = Some((name, kind, list));
                }
                Some(_) => return Err(other()),
                // Wrappers.
                None if ["status_code", "data", ITEMS].contains(&name.as_str()) => return Err(other()),
                None => drop(rest.insert(name, members.next_value()?)),
            }
        }
        let (name, kind, list) = found.ok_or_else(other)?;
        let has = |key: &str| key == name || rest.contains_key(key);
        if !list.marked || is_item(has) || Kind::of_object(has).is_some() {
            return Err(other());
        }
        let rest = Value::Object(rest);
        let more = Node::root(&rest).opt_text("NextToken").is_ok_and(|token| token.is_some());
        Ok(Document { kind, list, more })
    }
}

/// The elements of a list of this kind.
struct Elements(Kind);

impl<'de> DeserializeSeed<'de> for Elements {
    type Value = List;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<List, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements {
    type Value = List;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {}", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<List, A::Error> {
        let mut list = List::default();
        while let Some(value) = elements.next_element::<Value>()? {
            if !value.is_object() {
                return Err(other());
            }
            list.elements += 1;
            list.marked |= self.0.marks(|key| value.get(key).is_some());
            list.extract.element(self.0, &Node::root(&value)).map_err(A::Error::custom)?;
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::place::Hints;
    use proptest::prelude::*;
    use std::path::Path;

    /// The same, document by document as trees of values.
    fn obvious(text: &str) -> Option<Extract> {
        let mut extract = Extract::default();
        let hints = Hints::of(Path::new("dump.json"));
        for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
            extract.document(&Node::root(&document.ok()?), &hints).ok()?;
        }
        Some(extract)
    }

    fn told(extract: &Extract) -> String {
        let Extract { facts, seen, items, error_replies } = extract;
        assert!(items.is_empty() && *error_replies == 0);
        format!("{facts:?} {seen:?}")
    }

    #[test]
    fn plain_output_is_read_without_trees() {
        for text in [
            r#"{"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}]}"#,
            r#"{"NextToken": "x", "Subnets": [{"SubnetId": "subnet-1"}, {"SubnetId": "subnet-2"}], "More": {"a": [1]}}"#,
            r#"{"Subnets": [{"SubnetId": "subnet-1"}], "NextToken": ""} {"Vpcs": [{"VpcId": "vpc-1"}]}"#,
            r#"{"Reservations": [{"Instances": [{"InstanceId": "i-1", "NetworkInterfaces": [{"NetworkInterfaceId": "eni-1"}]}]}]}"#,
        ] {
            assert_eq!(told(&plain(text.as_bytes()).unwrap()), told(&obvious(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn everything_else_is_left_alone() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"Vpcs": []}"#,
            r#"{"Vpcs": null}"#,
            r#"{"Vpcs": [{"CidrBlock": "10.0.0.0/16"}]}"#,
            r#"{"Vpcs": [{"VpcId": "vpc-1"}, 7]}"#,
            r#"{"Vpcs": [{"VpcId": "vpc-1"}], "Subnets": []}"#,
            r#"{"Vpcs": [{"VpcId": "vpc-1"}], "Vpcs": [{"VpcId": "vpc-2"}]}"#,
            r#"{"Vpcs": [{"VpcId": "vpc-1"}], "status_code": 500, "data": {}}"#,
            r#"{"Vpcs": [{"VpcId": "vpc-1"}], "InstanceId": "i-1", "ImageId": "ami-1"}"#,
            r#"{"Vpcs": [{"VpcId": "vpc-1"}]} []"#,
            r#"{"Vpcs": [{"VpcId": "vpc-1"}]} {"#,
            r#"[{"Vpcs": [{"VpcId": "vpc-1"}]}]"#,
            r#"{"Entries": [{"Cidr": "10.0.0.0/8"}], "PrefixListId": "pl-1"}"#,
            r#"{"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "nonsense"}]}"#,
        ] {
            assert!(plain(text.as_bytes()).is_none(), "{text}");
        }
    }

    /// Documents made of the words that matter.
    fn documents() -> impl Strategy<Value = String> {
        let element = prop::sample::subsequence(
            vec![
                r#""VpcId": "vpc-1""#,
                r#""SubnetId": "subnet-1""#,
                r#""CidrBlock": "10.0.0.0/16""#,
                r#""InstanceId": "i-1""#,
                r#""NetworkInterfaces": [{"NetworkInterfaceId": "eni-1"}]"#,
                r#""GroupId": "sg-1""#,
                r#""IpPermissions": []"#,
            ],
            0..4,
        );
        let element = element.prop_map(|members| format!("{{{}}}", members.join(", ")));
        let names =
            ["Vpcs", "Subnets", "subnets", "Instances", "SecurityGroups", "Entries", "VpcId", "InstanceId"];
        let list = (prop::sample::select(names.to_vec()), prop::collection::vec(element, 0..4))
            .prop_map(|(name, elements)| format!(r#""{name}": [{}]"#, elements.join(", ")));
        let beside = prop::sample::select(vec![
            r#""NextToken": "t""#,
            r#""NextToken": null"#,
            r#""status_code": 200"#,
            r#""data": {}"#,
            r#""CidrBlock": "10.0.0.0/8""#,
            r#""configurationItems": []"#,
        ]);
        let member = prop_oneof![3 => list, 1 => beside.prop_map(str::to_owned)];
        let document =
            prop::collection::vec(member, 0..3).prop_map(|members| format!("{{{}}}", members.join(", ")));
        prop::collection::vec(document, 1..3).prop_map(|documents| documents.join("\n"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn neither_way_gives_another_meaning(text in documents()) {
            if let Some(extract) = plain(text.as_bytes()) {
                prop_assert_eq!(told(&extract), told(&obvious(&text).expect("the careful way reads it, too")));
            }
        }
    }
}
