//! Packaged questions: what the head of their file says.

use super::lexer::{Dialect, Kind, pieces};
use super::parameter::{Parameter, ParameterError};

/// A question that comes with the program.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its name: that of its file.
    pub name: &'static str,
    /// One line.
    pub title: String,
    /// What is asked, in sentences.
    pub question: String,
    /// Columns of the answer, with what they mean.
    pub columns: Vec<(String, String)>,
    /// What can be told.
    pub parameters: Vec<Parameter>,
    /// Tables that it reads.
    pub tables: Vec<String>,
    /// The SQL, without the head.
    pub sql: &'static str,
    /// The same question for Athena, or why there is none.
    pub athena: Twin,
    /// The same question for CloudWatch Logs Insights, or why there is none.
    pub insights: Twin,
}

/// A question in the language of another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Twin {
    /// There it is.
    Text(&'static str),
    /// There is none, for this reason.
    None(String),
}

/// A head that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A line of the head is neither `-- key: value` nor goes on with the one before.
    #[error("{name}: line {line} of the head is not understood")]
    Line {
        /// The question.
        name: String,
        /// From 1.
        line: usize,
    },
    /// A key is missing, or there twice.
    #[error("{name}: `{key}` is missing, or there twice")]
    Key {
        /// The question.
        name: String,
        /// The key.
        key: &'static str,
    },
    /// A parameter can't be read.
    #[error("{name}: {error}")]
    Parameter {
        /// The question.
        name: String,
        /// Why.
        error: ParameterError,
    },
    /// What the text uses and what the head declares are not the same parameters.
    #[error("{name}: the parameter `{parameter}` is {fault}")]
    Unmatched {
        /// The question.
        name: String,
        /// The parameter.
        parameter: String,
        /// What is wrong.
        fault: &'static str,
    },
}

const KEYS: [&str; 7] = ["title", "question", "columns", "param", "tables", "no-athena", "no-insights"];

impl Question {
    /// Reads a file and its twins.
    ///
    /// # Errors
    /// When the head is wrong.
    pub fn parse(
        name: &'static str,
        file: &'static str,
        athena: Option<&'static str>,
        insights: Option<&'static str>,
    ) -> Result<Self, HeaderError> {
        let (entries, sql) = entries(name, file)?;
        let all = |key: &str| -> Vec<&str> {
            entries.iter().filter(|(k, _)| *k == key).map(|(_, value)| value.as_str()).collect()
        };
        let one = |key: &'static str| match all(key)[..] {
            [value] if !value.trim().is_empty() => Ok(value.trim().to_owned()),
            _ => Err(HeaderError::Key { name: name.to_owned(), key }),
        };
        let parameter = |error| HeaderError::Parameter { name: name.to_owned(), error };
        let parameters: Vec<Parameter> =
            all("param").into_iter().map(Parameter::parse).collect::<Result<_, _>>().map_err(parameter)?;
        let twin = |text: Option<&'static str>, key: &'static str| match text {
            Some(text) => Ok(Twin::Text(text)),
            None => one(key).map(Twin::None),
        };
        let columns = one("columns")?
            .split([';', '\n'])
            .filter(|part| !part.trim().is_empty())
            .map(|part| {
                let (column, meaning) = part.split_once('=').unwrap_or((part, ""));
                (column.trim().to_owned(), meaning.trim().to_owned())
            })
            .collect();
        let question = Self {
            name,
            title: one("title")?,
            question: one("question")?.replace('\n', " "),
            columns,
            parameters,
            tables: one("tables")?.split(',').map(|table| table.trim().to_owned()).collect(),
            sql,
            athena: twin(athena, "no-athena")?,
            insights: twin(insights, "no-insights")?,
        };
        question.match_parameters()?;
        Ok(question)
    }

    /// The parameter of this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    fn match_parameters(&self) -> Result<(), HeaderError> {
        let unmatched = |parameter: &str, fault| {
            Err(HeaderError::Unmatched { name: self.name.to_owned(), parameter: parameter.to_owned(), fault })
        };
        let used = used(self.sql, Dialect::Sql);
        for (at, parameter) in self.parameters.iter().enumerate() {
            if self.parameters[..at].iter().any(|other| other.name == parameter.name) {
                return unmatched(&parameter.name, "declared twice");
            }
            if !used.contains(&&*parameter.name) {
                return unmatched(&parameter.name, "not used");
            }
        }
        let twin = |twin: &Twin, dialect| twin.text().map(|text| self::used(text, dialect));
        let twins = [twin(&self.athena, Dialect::Sql), twin(&self.insights, Dialect::Insights)];
        for name in used.into_iter().chain(twins.into_iter().flatten().flatten()) {
            if self.parameter(name).is_none() {
                return unmatched(name, "used, but not declared");
            }
        }
        Ok(())
    }
}

impl Twin {
    /// Its text, if there is one.
    #[must_use]
    pub fn text(&self) -> Option<&'static str> {
        match self {
            Self::Text(text) => Some(text),
            Self::None(_) => None,
        }
    }
}

/// Names of the parameters that a text uses, each once.
pub(super) fn used(text: &str, dialect: Dialect) -> Vec<&str> {
    let mut found: Vec<&str> = pieces(text, dialect)
        .into_iter()
        .filter(|piece| piece.0 == Kind::Parameter)
        .map(|(_, range)| &text[range.start + 1..range.end])
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Keys of a head with their values.
type Entries<'a> = Vec<(&'a str, String)>;

/// The entries of the head, and what comes after it.
fn entries<'a>(name: &str, file: &'a str) -> Result<(Entries<'a>, &'a str), HeaderError> {
    let mut entries: Entries<'_> = Vec::new();
    let mut rest = file;
    for number in 1.. {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let Some(comment) = line.trim_end().strip_prefix("--") else { break };
        rest = after;
        let key = comment
            .strip_prefix(' ')
            .and_then(|text| text.split_once(':'))
            .filter(|(key, _)| KEYS.contains(key));
        match (key, entries.last_mut()) {
            (Some((key, value)), _) => entries.push((key, value.trim().to_owned())),
            (None, Some((_, value))) if comment.starts_with("   ") => {
                value.push('\n');
                value.push_str(comment.trim());
            }
            (None, _) => return Err(HeaderError::Line { name: name.to_owned(), line: number }),
        }
    }
    Ok((entries, rest))
}
