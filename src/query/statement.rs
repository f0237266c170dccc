//! What may be asked: one question, which only reads.

use super::error::QueryError;
use super::lexer::{Dialect, Kind, pieces};

/// Words that a question begins with.
const READING: [&str; 7] = ["SELECT", "WITH", "FROM", "VALUES", "TABLE", "SHOW", "EXPLAIN"];

/// Refuses what is no single question.
pub(super) fn check(sql: &str) -> Result<(), QueryError> {
    let mut parts = pieces(sql, Dialect::Sql)
        .into_iter()
        .filter(|(kind, _)| !matches!(kind, Kind::Blank | Kind::Comment))
        .map(|(kind, range)| (kind, &sql[range]))
        .skip_while(|(_, text)| *text == "(");
    let Some((kind, first)) = parts.next() else {
        return Err(QueryError::Syntax { message: "there is no question".to_owned(), place: None });
    };
    let word = first.to_ascii_uppercase();
    if kind == Kind::Word && !READING.contains(&&*word) {
        // Words that are SQL, but change something; the parser has better words for what is no SQL at all.
        let changing = [
            "ALTER", "ANALYZE", "ATTACH", "BEGIN", "CALL", "COMMIT", "COPY", "CREATE", "DELETE", "DETACH",
            "DROP", "EXECUTE", "GRANT", "INSERT", "INSTALL", "LOAD", "MERGE", "PRAGMA", "REPLACE", "REVOKE",
            "ROLLBACK", "SET", "TRUNCATE", "UPDATE", "USE", "VACUUM",
        ];
        if changing.contains(&&*word) {
            return Err(QueryError::Refused { what: word });
        }
    }
    let after = parts.skip_while(|part| *part != (Kind::Sign, ";")).skip(1);
    if after.into_iter().any(|part| part != (Kind::Sign, ";")) {
        return Err(QueryError::Refused { what: "more than one statement".to_owned() });
    }
    Ok(())
}

/// The first words of a text, as they are, that may be names; each once.
pub(super) fn names(sql: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (kind, range) in pieces(sql, Dialect::Sql) {
        let text = &sql[range];
        let name = match kind {
            Kind::Word => text.to_owned(),
            Kind::Quoted if !text.starts_with('\'') => text.trim_matches(['"', '`']).to_owned(),
            _ => continue,
        };
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_pass() {
        for sql in [
            "SELECT 1",
            "-- a remark\n select 1 ; ",
            "(SELECT 1)",
            "WITH a AS (SELECT 1) SELECT * FROM a",
            "SHOW TABLES",
            "EXPLAIN SELECT 1",
            "SELECT '; DROP TABLE x', \"; DELETE\" -- ; DROP\n",
        ] {
            assert!(check(sql).is_ok(), "{sql}");
        }
    }

    #[test]
    fn what_changes_something_is_refused() {
        for (sql, what) in [
            ("drop table connections", "DROP"),
            ("/* x */ CREATE TABLE a AS SELECT 1", "CREATE"),
            ("INSERT INTO a VALUES (1)", "INSERT"),
            ("DELETE FROM connections", "DELETE"),
            ("truncate connections", "TRUNCATE"),
            ("COPY connections TO 'file'", "COPY"),
            ("SELECT 1; DROP TABLE a", "more than one statement"),
            ("SELECT 1;;SELECT 2", "more than one statement"),
        ] {
            let refused = matches!(check(sql), Err(QueryError::Refused { what: of }) if of == what);
            assert!(refused, "{sql}");
        }
        for sql in ["", " -- nothing\n"] {
            assert!(matches!(check(sql), Err(QueryError::Syntax { .. })), "{sql:?}");
        }
    }
}
