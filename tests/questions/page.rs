//! `docs/queries.md` is what the heads of the questions say.

use std::fmt::Write;
use std::fs;

use arrow::datatypes::DataType;
use flowgate::query::{Question, Twin, questions};
use flowgate::store::{Column, Table};

use crate::questions::root;

const HEAD: &str = "\
# Questions

Questions that come with the program, to be asked of a [store](store.md). Drawn from the heads of the files in `queries/`.

```sh
flowgate query --list
flowgate query who-talked-to --store store/ --param address=203.0.113.7
flowgate query who-talked-to --param address=203.0.113.7 --athena
```

Times are in UTC. Private addresses are those of RFC 1918 and RFC 6598, loopback, link-local and unique local ones; all
others are public. A direction is that of the opener, never that of a record. Where the opener is unknown, a question says
null, or in its text that it leaves such connections out; `unknown-openers` lists them. A connection over midnight has a
row on each day in the store: questions count it once, on the day it began.

";

const ATHENA: &str = "\
## In Athena

Most twins ask the tables of a store that lies in S3. These define them; put your bucket in. Twins that begin with `Over the
records themselves` need no store: they ask `vpc_flow_logs`, the table that the AWS documentation on flow logs and Athena
creates, with partitions by `date`.

";

const INSIGHTS: &str = "\
## In CloudWatch Logs Insights

Twins ask records of the default format, whose fields are discovered: in other formats, begin with `parse`. Choose the time in
the console. Records have neither opener nor rule nor connection, so these say less, and each says at its head what.
";

fn table(into: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    *into += &line(&heads.iter().map(|&head| head.to_owned()).collect::<Vec<_>>());
    *into += &format!("|{}\n", "---|".repeat(heads.len()));
    for row in rows {
        *into += &line(&row.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>());
    }
    into.push('\n');
}

fn section(page: &mut String, question: &Question) {
    write!(page, "## {}\n\n**{}.** {}\n\n", question.name, question.title, question.question).unwrap();
    let parameters = question.parameters.iter().map(|parameter| {
        let default = match &parameter.default {
            None => "must be given".to_owned(),
            Some(None) => "not given".to_owned(),
            Some(Some(value)) => format!("`{value}`"),
        };
        vec![format!("`{}`", parameter.name), parameter.takes.to_string(), default, parameter.meaning.clone()]
    });
    table(page, &["parameter", "type", "default", "meaning"], parameters);
    let columns = question.columns.iter().map(|(name, meaning)| vec![format!("`{name}`"), meaning.clone()]);
    table(page, &["column", "meaning"], columns);
    for (twin, program) in [(&question.athena, "Athena"), (&question.insights, "CloudWatch Logs Insights")] {
        if let Twin::None(reason) = twin {
            write!(page, "No twin for {program}: {reason}.\n\n").unwrap();
        }
    }
}

fn hive(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Utf8 => "string",
        DataType::Int32 => "int",
        DataType::Int64 => "bigint",
        DataType::Boolean => "boolean",
        DataType::Timestamp(..) => "timestamp",
        DataType::List(_) => "array<string>",
        other => panic!("{other}"),
    }
}

/// The statement that makes a table known to Athena.
fn definition(table: Table) -> String {
    let column = |column: Column| {
        // Words of Hive's DDL.
        let reserved = ["start", "end", "first", "local"].contains(&column.name);
        let name = if reserved { format!("`{}`", column.name) } else { column.name.to_owned() };
        format!("{name} {}", hive(&column.data_type))
    };
    let mut lines: Vec<String> = vec![String::new()];
    for part in table.columns().into_iter().map(column) {
        let last = lines.last_mut().unwrap();
        if last.len() + part.len() > 108 {
            lines.push(part);
        } else {
            *last += if last.is_empty() { "" } else { ", " };
            *last += &part;
        }
    }
    let name = table.name();
    let mut text = format!("CREATE EXTERNAL TABLE {name} (\n  {}\n)\n", lines.join(",\n  "));
    let location = format!("s3://BUCKET/store/{name}/");
    if table.by_day() {
        text += "PARTITIONED BY (dt date)\n";
    }
    write!(text, "STORED AS PARQUET LOCATION '{location}'").unwrap();
    if table.by_day() {
        write!(
            text,
            "\nTBLPROPERTIES (\n  'projection.enabled' = 'true', 'projection.dt.type' = 'date', \
             'projection.dt.format' = 'yyyy-MM-dd',\n  'projection.dt.range' = '2020-01-01,NOW', \
             'storage.location.template' = '{location}dt=${{dt}}/'\n)"
        )
        .unwrap();
    }
    text + ";\n"
}

fn page() -> String {
    let questions = questions().unwrap();
    let mut page = HEAD.to_owned();
    let mark = |twin: &Twin| if twin.text().is_some() { "yes".to_owned() } else { String::new() };
    let rows = questions.iter().map(|question| {
        let name = format!("[`{0}`](#{0})", question.name);
        vec![name, question.title.clone(), mark(&question.athena), mark(&question.insights)]
    });
    table(&mut page, &["question", "", "Athena", "Insights"], rows);
    for question in &questions {
        section(&mut page, question);
    }
    page += ATHENA;
    page += "```sql\n";
    page += &Table::ALL.map(definition).join("\n");
    page += "```\n\n";
    page + INSIGHTS
}

#[test]
fn the_page_of_questions_is_their_heads() {
    let made = page();
    let path = root().join("docs/queries.md");
    if std::env::var_os("FLOWGATE_BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let page = fs::read_to_string(path).unwrap_or_default();
    assert!(page == made, "docs/queries.md is not what the questions say; FLOWGATE_BLESS=1 writes it again");
}
