//! Which formats lines without a header may have, object by object.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::decode::fields::FIELDS;
use crate::decode::{DecodeOptions, FormatCandidate, LogFormat};
use crate::inventory::Timeline;
use crate::source::Object;

/// Decoding options: for the log groups that the inventory knows, and for everything else.
pub(super) struct Formats {
    by_group: BTreeMap<String, Arc<DecodeOptions>>,
    any: Arc<DecodeOptions>,
}

impl Formats {
    /// The user's format counts alone. Without one, those of all flow logs that any observation has: what was
    /// deleted since may have written what is read now.
    pub fn new(base: &DecodeOptions, timeline: &Timeline) -> Self {
        let mut known: BTreeMap<&str, (&str, Option<&str>)> = BTreeMap::new();
        let observed = timeline.observations().iter().flat_map(|o| &o.flow_logs);
        let recorded = timeline.history().flow_logs.iter();
        let recorded = recorded.flat_map(|(id, track)| track.configurations().map(move |log| (id, log)));
        for (id, log) in recorded.chain(observed) {
            if let Some(format) = &log.log_format {
                known.insert(id, (format, log.log_group.as_deref()));
            }
        }
        let with = |wanted: &dyn Fn(Option<&str>) -> bool| {
            let mut options = base.clone();
            if options.log_formats.is_empty() {
                let wanted = known.iter().filter(|(_, (_, group))| wanted(*group));
                // A format that can't be read is a gap of the inventory, which its check shows.
                options.log_formats = wanted
                    .filter_map(|(id, (format, _))| {
                        Some(FormatCandidate::flow_log(*id, LogFormat::parse(format).ok()?))
                    })
                    .collect();
            }
            Arc::new(options)
        };
        let groups: Vec<&str> = known.values().filter_map(|(_, group)| *group).collect();
        let by_group = groups.into_iter().map(|name| (name.to_owned(), with(&|group| group == Some(name))));
        Self { by_group: by_group.collect(), any: with(&|_| true) }
    }

    /// How to decode an object.
    pub fn options(&self, object: &Object) -> Arc<DecodeOptions> {
        // `cloudwatch:REGION:GROUP/SLICE`; a group's name has no colon.
        let group = object.name.strip_prefix("cloudwatch:").and_then(|rest| {
            let (place, _) = rest.rsplit_once('/')?;
            place.rsplit(':').next()
        });
        let options = group.and_then(|group| self.by_group.get(group)).unwrap_or(&self.any);
        Arc::clone(options)
    }
}

/// Names of all fields of flow logs, as AWS spells them.
#[must_use]
pub fn log_fields() -> Vec<&'static str> {
    FIELDS.iter().map(|field| field.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{FlowLog, Inventory};

    fn timeline() -> Timeline {
        let log = |id: &str, format: &str, group: Option<&str>| FlowLog {
            id: id.to_owned(),
            log_format: Some(format.to_owned()),
            log_group: group.map(str::to_owned),
            ..FlowLog::default()
        };
        let logs = [
            log("fl-1", "${version} ${srcaddr}", Some("/vpc/a")),
            log("fl-2", "${srcaddr} ${version}", Some("/vpc/b")),
            log("fl-3", "${dstaddr} ${version}", None),
            log("fl-4", "", Some("/vpc/b")),
        ];
        let flow_logs = logs.into_iter().map(|log| (log.id.clone(), log)).collect();
        Timeline::new(vec![Inventory { flow_logs, ..Inventory::default() }])
    }

    fn origins(formats: &Formats, name: &str) -> Vec<String> {
        let options = formats.options(&Object::new(name, None));
        options.log_formats.iter().map(|format| format.origin.to_string()).collect()
    }

    #[test]
    fn a_log_group_has_the_formats_of_its_flow_logs() {
        let formats = Formats::new(&DecodeOptions::default(), &timeline());
        assert_eq!(
            origins(&formats, "cloudwatch:eu-west-1:/vpc/a/2026-01-01T00:00:00Z--x"),
            ["flow log fl-1"]
        );
        assert_eq!(origins(&formats, "cloudwatch:eu-west-1:1234:/vpc/b/2026--x#00001"), ["flow log fl-2"]);
        assert_eq!(origins(&formats, "cloudwatch:eu-west-1:/other/2026--x").len(), 3);
        assert_eq!(origins(&formats, "/vpc/a/x.log").len(), 3);
    }

    #[test]
    fn the_users_format_counts_alone() {
        let user = LogFormat::parse("${version} ${bytes}").unwrap();
        let base =
            DecodeOptions { log_formats: vec![FormatCandidate::user(user)], ..DecodeOptions::default() };
        let formats = Formats::new(&base, &timeline());
        assert_eq!(origins(&formats, "cloudwatch:eu-west-1:/vpc/a/2026--x"), ["--log-format"]);
        assert_eq!(origins(&formats, "x.log"), ["--log-format"]);
    }
}
