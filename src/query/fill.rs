//! Puts values into a packaged question.

use std::collections::BTreeMap;

use super::header::{Question, Twin};
use super::lexer::{Dialect, Kind, pieces};
use super::parameter::{Parameter, Takes};

/// Values that don't fit a question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// The question has no such parameter.
    #[error("{question} has no parameter `{name}`")]
    Unknown {
        /// The question.
        question: &'static str,
        /// What was told.
        name: String,
        /// Those it has.
        known: Vec<String>,
    },
    /// A parameter must be told.
    #[error("{question} needs `{}`: {}", parameter.name, parameter.meaning)]
    Missing {
        /// The question.
        question: &'static str,
        /// The parameter.
        parameter: Parameter,
    },
    /// A value is none of the parameter's type.
    #[error("{name}={value}: not {}", wanted(takes))]
    Wrong {
        /// The parameter.
        name: String,
        /// What was told.
        value: String,
        /// What it takes.
        takes: Takes,
    },
    /// There is no such text of the question.
    #[error("{question} has no twin for {dialect}: {reason}")]
    NoTwin {
        /// The question.
        question: &'static str,
        /// The other program.
        dialect: &'static str,
        /// Why there is none.
        reason: String,
    },
    /// The other program has no word for what is not there.
    #[error("for CloudWatch Logs Insights, {question} needs `{name}`")]
    NoNull {
        /// The question.
        question: &'static str,
        /// The parameter.
        name: String,
    },
}

/// What a parameter takes, for people.
fn wanted(takes: &Takes) -> String {
    match takes {
        Takes::OneOf(words) => words.join(" or "),
        other => other.example().to_owned(),
    }
}

/// What to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// This program.
    Store,
    /// Athena.
    Athena,
    /// CloudWatch Logs Insights.
    Insights,
}

impl Question {
    /// The text for a target with these values, and with defaults for what is not told.
    ///
    /// # Errors
    /// When a value is unknown, missing or none of its type, and when there is no such text.
    pub fn fill(&self, target: Target, values: &BTreeMap<String, String>) -> Result<String, FillError> {
        let (twin, dialect, other) = match target {
            Target::Store => (&Twin::Text(self.sql), Dialect::Sql, ""),
            Target::Athena => (&self.athena, Dialect::Sql, "Athena"),
            Target::Insights => (&self.insights, Dialect::Insights, "CloudWatch Logs Insights"),
        };
        let question = self.name;
        if let Some(name) = values.keys().find(|name| self.parameter(name).is_none()) {
            let known = self.parameters.iter().map(|parameter| parameter.name.clone()).collect();
            return Err(FillError::Unknown { question, name: name.clone(), known });
        }
        let text = match twin {
            Twin::Text(text) => text,
            Twin::None(reason) => {
                return Err(FillError::NoTwin { question, dialect: other, reason: reason.clone() });
            }
        };
        let mut filled = String::with_capacity(text.len());
        for (kind, range) in pieces(text, dialect) {
            let piece = &text[range];
            match self.parameter(piece.trim_start_matches(':')).filter(|_| kind == Kind::Parameter) {
                None => filled.push_str(piece),
                Some(parameter) => filled.push_str(&self.literal(parameter, values, dialect)?),
            }
        }
        Ok(filled)
    }

    fn literal(
        &self,
        parameter: &Parameter,
        values: &BTreeMap<String, String>,
        dialect: Dialect,
    ) -> Result<String, FillError> {
        let question = self.name;
        let value = match (values.get(&parameter.name), &parameter.default) {
            (Some(value), _) => Some(value),
            (None, Some(default)) => default.as_ref(),
            (None, None) => return Err(FillError::Missing { question, parameter: parameter.clone() }),
        };
        match value {
            None if dialect == Dialect::Insights => {
                Err(FillError::NoNull { question, name: parameter.name.clone() })
            }
            None => Ok("NULL".to_owned()),
            Some(value) => parameter.takes.literal(value, dialect).ok_or_else(|| FillError::Wrong {
                name: parameter.name.clone(),
                value: value.clone(),
                takes: parameter.takes.clone(),
            }),
        }
    }
}
