//! The recipes of relabel.md: each is run, by the rules as they come out of a configuration.

use std::path::Path;

use axp_exporter::config::{Account, Config};
use axp_exporter::label::labels::Labels;
use axp_exporter::label::relabel::Rules;
use regex::Regex;

use crate::docs::page::Page;

/// What a recipe says of a row that a rule drops.
const NO_ROW: &str = "no row";

fn labels(text: &str) -> Labels {
    let pair = Regex::new(r#"([a-z_0-9]+)="([^"]*)""#).unwrap();
    let braced = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let inside = braced.unwrap_or_else(|| panic!("{text} is no set of labels"));
    let labels: Labels =
        pair.captures_iter(inside).map(|found| (found[1].to_owned(), found[2].to_owned())).collect();
    let plain: Vec<_> = pair.find_iter(inside).map(|found| found.as_str()).collect();
    assert_eq!(plain.join(","), inside, "labels with commas between");
    labels
}

/// What the rules of a configuration make of a row.
fn run(configuration: &str, before: &str) -> String {
    let loaded = Config::from_text(Account::Optional, Path::new("recipe"), configuration, std::iter::empty());
    let config = loaded.unwrap_or_else(|problems| panic!("{problems}\n{configuration}")).config;
    let rules = Rules::compile(&config.relabel).unwrap();
    let mut labels = labels(before);
    if !rules.apply(&mut labels) {
        return NO_ROW.to_owned();
    }
    labels.drop_internal();
    let mut text = String::new();
    labels.write_text(&mut text);
    format!("{{{text}}}")
}

#[test]
fn every_recipe_does_what_it_shows() {
    let page = Page::read(Path::new("docs/relabel.md"));
    let mut recipes = 0;
    let mut blocks = page.blocks.iter().peekable();
    while let Some(block) = blocks.next() {
        if block.language != "toml" || !block.text.contains("[[relabel]]") {
            continue;
        }
        let Some(rows) = blocks.next_if(|next| next.language == "text") else {
            panic!("no rows behind\n{}", block.text)
        };
        let lines: Vec<_> = rows.text.lines().collect();
        for row in lines.chunks(2) {
            let [before, after] = row else { panic!("{row:?} has no other half") };
            let after = after.strip_prefix("→ ").unwrap_or_else(|| panic!("no arrow in front of {after}"));
            assert_eq!(run(&block.text, before), after, "{before} under\n{}", block.text);
        }
        recipes += 1;
    }
    assert!(recipes >= 8, "{recipes} recipes");
}
