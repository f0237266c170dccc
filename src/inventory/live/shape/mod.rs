//! Objects of the SDK in the JSON that the AWS CLI prints: the SDK's types know no serialisation.
//!
//! Members that are absent stay absent. What is an enumeration to the SDK is written as the service spelled it.

#![allow(
    clippy::redundant_closure_for_method_calls,
    reason = "`NetworkAclAssociationState::as_str` and thirty like it say less than `as_str`"
)]

mod groups;
mod interfaces;
mod network;

use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use aws_sdk_ec2::types::Tag;
use serde_json::{Map, Value};

pub(super) use groups::{association, security_group, security_group_rule};
pub(super) use interfaces::network_interface;
pub(super) use network::{entry, flow_log, network_acl, peering, prefix_list, subnet, vpc};

/// An object under construction.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    /// A member, if it is there.
    fn set(mut self, key: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), value.into());
        }
        self
    }

    /// A member that is an object, if it is there.
    fn object<T>(self, key: &str, value: Option<&T>, write: impl Fn(&T) -> Value) -> Self {
        self.set(key, value.map(write))
    }

    /// A member that is a list, if it is there.
    fn list<T>(self, key: &str, values: Option<&[T]>, write: impl Fn(&T) -> Value) -> Self {
        self.set(key, values.map(|values| values.iter().map(write).collect::<Vec<Value>>()))
    }

    /// Tags, sorted by key: the service promises no order.
    fn tags(self, key: &str, tags: Option<&[Tag]>) -> Self {
        let Some(tags) = tags else { return self };
        let mut tags: Vec<&Tag> = tags.iter().collect();
        tags.sort_by_key(|tag| tag.key());
        let pair = |tag: &&Tag| new().set("Key", tag.key()).set("Value", tag.value()).done();
        self.list(key, Some(&tags), pair)
    }

    /// A time, as RFC 3339. One that the calendar does not have is left out.
    fn time(self, key: &str, time: Option<&DateTime>) -> Self {
        self.set(key, time.and_then(|time| time.fmt(DateTimeFormat::DateTime).ok()))
    }

    fn done(self) -> Value {
        Value::Object(self.0)
    }
}

fn new() -> Object {
    Object::default()
}
