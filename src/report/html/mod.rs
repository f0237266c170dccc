//! A report in one file, for a browser: no network, no script but its own, readable without script.
//!
//! Templates with automatic escaping make the pages; every value passes [`text::environment`], so that none can forget
//! it. Tables are written as their first rows, and as data for a script that sorts, filters and searches all of them.
//! A Content Security Policy names the hashes of the one style sheet and the one script; nothing else is executed or loaded.
//! What is embedded is bounded, and where something is left out, the page says what and where it is.

mod estate;
mod evidence;
mod findings;
mod graph;
mod groups;
mod interfaces;
mod investigation;
mod layout;
mod overview;
mod proposals;
mod rules;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod timeline;
mod words;

use std::io::{self, Write};

use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};

use super::Renderer;
use crate::finding::Conclusions;
use crate::tighten::Plan;
use estate::Estate;

pub(super) use investigation::write_investigation;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
const TEMPLATES: [(&str, &str); 10] = [
    ("page.html", include_str!("page.html")),
    ("macros.html", include_str!("macros.html")),
    ("overview.html", include_str!("overview.html")),
    ("timeline.html", include_str!("timeline.html")),
    ("findings.html", include_str!("findings.html")),
    ("groups.html", include_str!("groups.html")),
    ("interfaces.html", include_str!("interfaces.html")),
    ("graph.html", include_str!("graph.html")),
    ("reading.html", include_str!("reading.html")),
    ("investigation.html", include_str!("investigation.html")),
];

/// The page, with proposals if there is a plan.
pub(super) struct Html<'a> {
    pub plan: Option<&'a Plan>,
}

impl Renderer for Html<'_> {
    fn render(&self, conclusions: &Conclusions, out: &mut dyn Write) -> io::Result<()> {
        // Templates are part of the program: that they can be rendered is tested.
        let page = render(conclusions, self.plan).map_err(io::Error::other)?;
        out.write_all(page.as_bytes())
    }
}

fn templates() -> Result<Environment<'static>, minijinja::Error> {
    let mut env = text::environment();
    for (name, source) in TEMPLATES {
        env.add_template(name, source)?;
    }
    Ok(env)
}

/// What templates see of a view.
fn shown<T: serde::Serialize>(view: T) -> Value {
    Value::from(Serde(view))
}

fn render(conclusions: &Conclusions, plan: Option<&Plan>) -> Result<String, minijinja::Error> {
    let estate = Estate::new(conclusions, plan);
    let tables =
        [findings::table(&estate), rules::table(&estate), groups::table(&estate), interfaces::table(&estate)];
    let data: serde_json::Map<String, serde_json::Value> =
        tables.iter().map(|table| (table.id.to_owned(), table.data())).collect();
    let views: std::collections::BTreeMap<&str, _> =
        tables.iter().map(|table| (table.id, table.view())).collect();
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        text::hash_source(STYLE),
        text::hash_source(SCRIPT),
    );
    let context = context! {
        policy => policy,
        style => Value::from_safe_string(STYLE.to_owned()),
        script => Value::from_safe_string(SCRIPT.to_owned()),
        data => Value::from_safe_string(text::json(serde_json::Value::Object(data))),
        version => env!("CARGO_PKG_VERSION"),
        tables => shown(&views),
        overview => shown(overview::overview(&estate)),
        timeline => shown(timeline::timeline(&estate)),
        findings => shown(findings::pages(&estate)),
        more_findings => conclusions.findings.len() - estate.articles,
        groups => shown(groups::pages(&estate)),
        more_groups => estate.rules.len() - estate.group_pages.len(),
        interfaces => shown(interfaces::pages(&estate)),
        more_interfaces => conclusions.summary.coverage.len() - estate.interface_pages.len(),
        planned => plan.is_some(),
        graph => shown(graph::graph(&estate)),
        reading => shown(overview::reading(&conclusions.summary)),
        words => shown(words::CHAPTERS),
    };
    templates()?.get_template("page.html")?.render(context)
}
