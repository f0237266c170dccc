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
    packaged!("first-contact", athena),
    packaged!("rule-users"),
    packaged!("top-talkers", athena, insights),
];

/// All packaged questions, in the order of their names.
///
/// # Errors
/// When the head of one is wrong; a test reads them all.
pub fn questions() -> Result<Vec<Question>, HeaderError> {
    let parse = |p: &Packaged| Question::parse(p.name, p.sql, p.athena, p.insights);
    PACKAGED.iter().map(parse).collect()
}
