//! Parameters of packaged questions: what they are, and how a value is written into a question.
//!
//! A value never gets into a question as it was typed: it is read as its type says and written anew as a literal, or refused.

use std::fmt;
use std::net::IpAddr;

use chrono::{DateTime, NaiveDate, NaiveTime};
use ipnet::IpNet;

use super::lexer::{Dialect, pieces};

/// A parameter of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, without the colon.
    pub name: String,
    /// What it takes.
    pub takes: Takes,
    /// What it is unless it is told: as it would be typed, or `None` within for no value; `None` if it must be told.
    pub default: Option<Option<String>>,
    /// What it means.
    pub meaning: String,
}

/// What a parameter takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Takes {
    /// An address.
    Address,
    /// A network, or an address.
    Network,
    /// Networks, with commas between.
    Networks,
    /// An id of AWS, or of ours; named like this.
    Id(&'static str),
    /// Any text.
    Text,
    /// One of these words.
    OneOf(Vec<String>),
    /// A whole number from 0 on.
    Count,
    /// A number.
    Number,
    /// A port.
    Port,
    /// A protocol, by name or number.
    Protocol,
    /// `true` or `false`.
    Flag,
    /// A time, or a day for its midnight.
    Time,
    /// A day.
    Day,
    /// A span of time.
    Duration,
}

/// Kinds of ids.
const IDS: [&str; 8] = ["interface", "instance", "rule", "group", "vpc", "subnet", "account", "finding"];

/// A declaration that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{declaration}` is no parameter: {fault}")]
pub struct ParameterError {
    /// What it says.
    pub declaration: String,
    /// What is wrong with it.
    pub fault: &'static str,
}

impl Parameter {
    /// Reads `name (type) meaning` or `name (type) = default meaning`.
    ///
    /// # Errors
    /// When it is something else, or the default is none of the type.
    pub fn parse(declaration: &str) -> Result<Self, ParameterError> {
        let wrong = |fault| ParameterError { declaration: declaration.replace('\n', " "), fault };
        let (name, rest) = declaration.split_once('(').ok_or_else(|| wrong("there is no (type)"))?;
        let (takes, rest) = rest.split_once(')').ok_or_else(|| wrong("there is no (type)"))?;
        let name = name.trim();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) {
            return Err(wrong("a name is a letter, then letters, digits and `_`, all small"));
        }
        let takes = Takes::parse(takes.trim()).ok_or_else(|| wrong("the type is unknown"))?;
        let rest = rest.trim();
        let (default, meaning) = match rest.strip_prefix('=') {
            None => (None, rest),
            Some(rest) => {
                let (value, meaning) = word(rest.trim_start());
                (Some(value), meaning)
            }
        };
        let parameter = Self {
            name: name.to_owned(),
            takes,
            default,
            meaning: meaning.split_whitespace().collect::<Vec<_>>().join(" "),
        };
        if let Some(Some(default)) = &parameter.default
            && parameter.takes.literal(default, Dialect::Sql).is_none()
        {
            return Err(wrong("the default is none of the type"));
        }
        Ok(parameter)
    }
}

/// The first word, or text in quotes, and what follows. The word `null` is no value.
fn word(text: &str) -> (Option<String>, &str) {
    if text.starts_with('\'') {
        let end = pieces(text, Dialect::Sql).first().map_or(text.len(), |(_, range)| range.end);
        let inner = text[1..end].strip_suffix('\'').unwrap_or(&text[1..end]);
        return (Some(inner.replace("''", "'")), &text[end..]);
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let value = &text[..end];
    ((value != "null").then(|| value.to_owned()), &text[end..])
}

impl Takes {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "address" => Self::Address,
            "network" => Self::Network,
            "networks" => Self::Networks,
            "text" => Self::Text,
            "count" => Self::Count,
            "number" => Self::Number,
            "port" => Self::Port,
            "protocol" => Self::Protocol,
            "flag" => Self::Flag,
            "time" => Self::Time,
            "day" => Self::Day,
            "duration" => Self::Duration,
            words if words.contains('|') => Self::OneOf(words.split('|').map(str::to_owned).collect()),
            id => Self::Id(IDS.into_iter().find(|known| *known == id)?),
        })
    }

    /// How a value is to be given.
    #[must_use]
    pub fn example(&self) -> &'static str {
        match self {
            Self::Address => "an address like 203.0.113.7 or 2001:db8::7",
            Self::Network => "a network like 10.0.0.0/8, or an address",
            Self::Networks => "networks with commas between, like 10.0.0.0/8,2001:db8::/32",
            Self::Id("interface") => "an id like eni-0123456789abcdef0",
            Self::Id("instance") => "an id like i-0123456789abcdef0",
            Self::Id("rule") => "an id like sgr-0123456789abcdef0",
            Self::Id("group") => "an id like sg-0123456789abcdef0",
            Self::Id("vpc") => "an id like vpc-0123456789abcdef0",
            Self::Id("subnet") => "an id like subnet-0123456789abcdef0",
            Self::Id("account") => "the 12 digits of an account",
            Self::Id(_) => "an id",
            Self::Text => "any text",
            Self::OneOf(_) => "one of the words",
            Self::Count => "a whole number from 0 on",
            Self::Number => "a number like 10 or 0.5",
            Self::Port => "a port from 0 to 65535",
            Self::Protocol => "tcp, udp, icmp, icmpv6 or a number",
            Self::Flag => "true or false",
            Self::Time => "a time like 2026-03-01T12:00:00Z, or 2026-03-01 for its midnight UTC",
            Self::Day => "a day like 2026-03-01",
            Self::Duration => "a time span like 90s, 5m, 2h or 7d",
        }
    }

    /// The literal of a value, as this dialect writes it; `None` if it is none of this type.
    #[must_use]
    pub fn literal(&self, value: &str, dialect: Dialect) -> Option<String> {
        let insights = dialect == Dialect::Insights;
        let quoted = |text: &str| quote(text, dialect);
        Some(match self {
            Self::Address => quoted(&address(value)?.to_string()),
            Self::Network => quoted(&network(value)?.to_string()),
            Self::Networks => {
                let networks: Vec<String> = value
                    .split(',')
                    .map(|part| network(part.trim()).map(|network| network.to_string()))
                    .collect::<Option<_>>()?;
                quoted(&networks.join(","))
            }
            Self::Id(_) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.' | '/');
                quoted(Some(value).filter(|id| !id.is_empty() && id.chars().all(plain))?)
            }
            Self::Text => quoted(Some(value).filter(|text| !text.contains('\0'))?),
            Self::OneOf(words) => quoted(words.iter().find(|word| *word == value)?),
            Self::Count => whole(value).filter(|&count| count <= i64::MAX as u64)?.to_string(),
            Self::Number => number(value)?,
            Self::Port => whole(value).filter(|&port| port <= 65_535)?.to_string(),
            Self::Protocol => protocol(value)?.to_string(),
            Self::Flag => {
                let flag: bool = value.parse().ok()?;
                if insights { flag.to_string() } else { flag.to_string().to_uppercase() }
            }
            Self::Time => {
                let time = DateTime::from_timestamp_micros(time(value)?)?;
                if insights {
                    time.timestamp().to_string()
                } else {
                    format!("TIMESTAMP '{}'", time.format("%Y-%m-%d %H:%M:%S%.f"))
                }
            }
            Self::Day => {
                let day = day(value)?.format("%Y-%m-%d").to_string();
                if insights { quoted(&day) } else { format!("DATE '{day}'") }
            }
            Self::Duration => duration(value)?.to_string(),
        })
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "address",
            Self::Network => "network",
            Self::Networks => "networks",
            Self::Id(name) => name,
            Self::Text => "text",
            Self::OneOf(words) => return f.write_str(&words.join("|")),
            Self::Count => "count",
            Self::Number => "number",
            Self::Port => "port",
            Self::Protocol => "protocol",
            Self::Flag => "flag",
            Self::Time => "time",
            Self::Day => "day",
            Self::Duration => "duration",
        })
    }
}

fn quote(text: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Sql => format!("'{}'", text.replace('\'', "''")),
        Dialect::Insights => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

/// As logs write it: IPv4 in IPv6 is IPv4.
fn address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok().or_else(|| address(text).map(IpNet::from))?;
    Some(network.trunc())
}

fn whole(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

/// A negative one in parentheses: two minus signs would be a comment.
fn number(text: &str) -> Option<String> {
    let positive = text.strip_prefix('-').unwrap_or(text);
    let (before, after) = positive.split_once('.').unwrap_or((positive, "0"));
    let digits = |part: &str| !part.is_empty() && part.len() < 19 && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(before) || !digits(after) {
        return None;
    }
    Some(if positive.len() < text.len() { format!("({text})") } else { text.to_owned() })
}

fn protocol(text: &str) -> Option<u8> {
    Some(match text.to_ascii_lowercase().as_str() {
        "icmp" => 1,
        "tcp" => 6,
        "udp" => 17,
        "gre" => 47,
        "esp" => 50,
        "ah" => 51,
        "icmpv6" => 58,
        "sctp" => 132,
        number => u8::try_from(whole(number)?).ok()?,
    })
}

/// Microseconds since 1970.
fn time(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_micros());
    }
    Some(day(text)?.and_time(NaiveTime::MIN).and_utc().timestamp_micros())
}

fn day(text: &str) -> Option<NaiveDate> {
    // chrono would also take `+2026-3-1`.
    let strict = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| strict)
}

/// Seconds.
fn duration(text: &str) -> Option<u64> {
    let unit = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let (number, seconds) =
        unit.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    whole(number)?.checked_mul(*seconds).filter(|&seconds| seconds <= i64::MAX as u64)
}
