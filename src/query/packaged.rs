//! The questions that come with the program: the files of `queries/`, which are compiled in.

use super::header::{HeaderError, Question};

/// A file and its twins.
struct Packaged {
    name: &'static str,
    sql: &'static str,
    athena: Option<&'static str>,
    insights: Option<&'static str>,
}

macro_rules! packaged {
    ($name:literal $(, $twin:ident)*) => {{
        #[allow(unused_mut, reason = "not every question has a twin")]
        let mut packaged = Packaged {
            name: $name,
            sql: include_str!(concat!("../../queries/", $name, ".sql")),
            athena: None,
            insights: None,
        };
        $(packaged!(@$twin packaged, $name);)*
        packaged
    }};
    (@athena $packaged:ident, $name:literal) => {
        $packaged.athena = Some(include_str!(concat!("../../queries/athena/", $name, ".sql")));
    };
    (@insights $packaged:ident, $name:literal) => {
        $packaged.insights = Some(include_str!(concat!("../../queries/insights/", $name, ".txt")));
    };
}

/// One line for each, in the order of their names.
const PACKAGED: &[Packaged] = &[
    packaged!("admin-sessions", athena, insights),
    packaged!("beacons", athena),
    packaged!("before-the-alarm", athena),
    packaged!("between-subnets", athena),
    packaged!("blocked-replies", athena),
    packaged!("broad-rules", athena),
    packaged!("bytes-by-group", athena),
    packaged!("coverage-gaps", athena, insights),
    packaged!("denied-outbound", athena, insights),
    packaged!("escaped", athena),
    packaged!("exposed-services", athena, insights),
    packaged!("findings-by-group", athena),
    packaged!("first-contact", athena, insights),
    packaged!("foreign-resolvers", athena, insights),
    packaged!("internet-only-rules", athena),
    packaged!("large-transfers", athena, insights),
    packaged!("late-packets", athena),
    packaged!("lateral-movement", athena, insights),
    packaged!("misdropped", athena),
    packaged!("networks", athena),
    packaged!("new-remotes", athena),
    packaged!("port-history", athena, insights),
    packaged!("rejected-then-accepted", athena),
    packaged!("rejects-by-reason", athena, insights),
    packaged!("rejects-over-time", athena, insights),
    packaged!("rule-changes", athena),
    packaged!("rule-history", athena),
    packaged!("rule-users", athena),
    packaged!("scanners", athena, insights),
    packaged!("silent-interfaces", athena),
    packaged!("sole-matches", athena),
    packaged!("top-talkers", athena, insights),
    packaged!("unknown-openers", athena),
    packaged!("unused-rules", athena),
    packaged!("who-talked-to", athena, insights),
];

/// All packaged questions, in the order of their names.
///
/// # Errors
/// When the head of one is wrong; a test reads them all.
pub fn questions() -> Result<Vec<Question>, HeaderError> {
    let parse = |p: &Packaged| Question::parse(p.name, p.sql, p.athena, p.insights);
    PACKAGED.iter().map(parse).collect()
}
