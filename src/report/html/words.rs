//! The words of the report, for who reads it first.

use serde::Serialize;

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Word {
    word: &'static str,
    class: &'static str,
    meaning: &'static str,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Chapter {
    title: &'static str,
    words: &'static [Word],
}

const fn word(word: &'static str, class: &'static str, meaning: &'static str) -> Word {
    Word { word, class, meaning }
}

pub(super) const CHAPTERS: [Chapter; 5] = [
    Chapter {
        title: "Verdicts: what happened against what is configured",
        words: &[
            word("permitted", "verdict-permitted", "Accepted, and at least one rule permits it."),
            word(
                "escaped",
                "verdict-escaped",
                "Accepted, although no rule permits it. `no rule` and `rule removed new` are alarms; `rule removed tracked` \
                 is a connection older than the removal of its rule, which AWS lets go on; `inventory gap` and `opener \
                 unknown` say what would have to be known.",
            ),
            word(
                "rejected",
                "verdict-rejected",
                "Rejected, and that is what is configured: by security groups, by a network ACL on the way in, or by one on the \
                 way out, which stops the reply.",
            ),
            word("misdropped", "verdict-misdropped", "Rejected, although rules and ACLs permit it."),
            word(
                "not evaluable",
                "verdict-not-evaluable",
                "It can't be said, and the reason is told. It is never counted as harmless.",
            ),
        ],
    },
    Chapter {
        title: "Severities: how much it matters",
        words: &[
            word("critical", "sev-critical", "Act now."),
            word("high", "sev-high", "Act soon."),
            word("medium", "sev-medium", "Plan a change."),
            word("low", "sev-low", "Tidy up when you pass by."),
            word("informational", "sev-informational", "Good to know."),
        ],
    },
    Chapter {
        title: "Grades: how far the logs carry it",
        words: &[
            word("reliable", "grade-reliable", "The logs cover what the conclusion needs."),
            word("weak", "grade-weak", "Something is missing that could change it; the reasons say what."),
            word(
                "not-evaluable",
                "grade-not-evaluable",
                "The logs can't carry a conclusion. For a rule: do not take it for unused.",
            ),
        ],
    },
    Chapter {
        title: "Classes of rules: what the traffic says about them",
        words: &[
            word("used", "class-used", "Needed as it is."),
            word("unused", "class-unused", "No connection used it. Replies don't count as use."),
            word(
                "redundant",
                "class-redundant",
                "Used, but other rules permit every one of its connections.",
            ),
            word("permissive", "class-permissive", "Used, but it permits far more than was used."),
            word("not-evaluable", "class-not-evaluable", "The logs can't tell."),
        ],
    },
    Chapter {
        title: "Other words",
        words: &[
            word("record", "", "One row of a flow log: one direction, one interface, one interval."),
            word(
                "connection",
                "",
                "Both directions of one 5-tuple at one interface, until it closes or stays idle too long. A long one counts once.",
            ),
            word(
                "opener",
                "",
                "Which side began it, with the evidence that decided. Nothing is judged by the direction of a single record.",
            ),
            word("inbound, outbound", "", "Opened by the other side, opened by the interface."),
            word("sole", "", "A connection that exactly one rule permits: it would be lost with the rule."),
            word(
                "openness",
                "",
                "log2 of addresses x ports x protocols that a rule permits. One less is half as open: a /24 on one port is 8, \
                 everything from everywhere is 56.",
            ),
            word(
                "heard of",
                "",
                "The share of 10-minute steps of the window for which there is any row of an interface.",
            ),
            word("SKIPDATA", "", "AWS says that it lost records. What was not seen may have happened."),
            word(
                "late packet",
                "",
                "A reject of a connection that was accepted before: no attempt of anybody.",
            ),
        ],
    },
];
