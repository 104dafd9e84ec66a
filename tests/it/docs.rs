//! The documentation: what it says of keys, metrics, alerts, log lines, commands and files is so, what it shows can
//! be run, and what it takes from the program is what the program says.
//!
//! `WRITE_DOCS=1 cargo test --test it docs` writes the latter anew.

mod configuration;
mod links;
mod measures;
mod page;
mod recipes;
mod words;

use std::env;
use std::fs;
use std::path::PathBuf;

use page::root;

/// Where what is made begins, with its name.
const BEGIN: &str = "<!-- made by the tests: ";
/// Where it ends.
const END: &str = "<!-- end -->\n";

#[tokio::test]
async fn what_pages_take_from_the_program_is_what_it_says() {
    let configuration = configuration::keys();
    let metrics = measures::own_metrics(&measures::exposition().await);
    hold("configuration.md", "every key", &configuration);
    hold("measures.md", "measures", &measures::of_axp());
    hold("measures.md", "own metrics", &metrics);
}

/// Holds a part of a page equal to a text, or writes it.
fn hold(page: &str, part: &str, text: &str) {
    let path: PathBuf = root().join("docs").join(page);
    let old = fs::read_to_string(&path).unwrap();
    let begin = format!("{BEGIN}{part} -->\n");
    let (before, rest) = old.split_once(&begin).unwrap_or_else(|| panic!("{page} has no {begin}"));
    let (_, after) = rest.split_once(END).unwrap_or_else(|| panic!("{page} has no {END}"));
    let new = format!("{before}{begin}\n{text}\n{END}{after}");
    if env::var_os("WRITE_DOCS").is_some() {
        fs::write(&path, new).unwrap();
    } else if let Some((old, new)) = old.lines().zip(new.lines()).find(|(old, new)| old != new) {
        panic!(
            "docs/{page} says\n    {old}\nand the program\n    {new}\nWRITE_DOCS=1 cargo test --test it docs"
        );
    } else {
        assert_eq!(old.len(), new.len(), "docs/{page}: WRITE_DOCS=1 cargo test --test it docs");
    }
}
