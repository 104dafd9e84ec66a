//! A page of the documentation, as far as tests look into it: Markdown with fences, spans of code and headings.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Where the repository lies.
pub(super) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A block of code.
#[derive(Debug)]
pub(super) struct Block {
    /// What stands behind its fence; empty where it is indented.
    pub(super) language: String,
    pub(super) text: String,
}

/// A page.
#[derive(Debug)]
pub(super) struct Page {
    /// From the root.
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// In their order.
    pub(super) blocks: Vec<Block>,
    /// What is not in blocks, a line at a time.
    pub(super) prose: Vec<String>,
}

impl Page {
    /// The page at this path from the root.
    pub(super) fn read(path: &Path) -> Self {
        let text =
            fs::read_to_string(root().join(path)).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
        let (mut blocks, mut prose) = (Vec::new(), Vec::new());
        let mut lines = text.lines().peekable();
        let mut is_after_blank = true;
        let is_indented = |line: &&str| line.starts_with("    ");
        let joined = |lines: Vec<&str>| lines.join("\n") + "\n";
        while let Some(line) = lines.next() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                let inside = lines.by_ref().take_while(|line| !line.trim_start().starts_with("```"));
                blocks.push(Block { language: language.to_owned(), text: joined(inside.collect()) });
            } else if is_after_blank && is_indented(&line) {
                let mut inside = vec![line];
                inside.extend(std::iter::from_fn(|| {
                    lines.next_if(|line| is_indented(line) || line.is_empty())
                }));
                blocks.push(Block { language: String::new(), text: joined(inside) });
            } else {
                is_after_blank = line.is_empty();
                prose.push(line.to_owned());
            }
        }
        Self { path: path.to_owned(), text, blocks, prose }
    }

    /// README.md, and all pages below docs/.
    pub(super) fn all() -> Vec<Self> {
        let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
        let mut paths: Vec<_> = docs.map(|name| Path::new("docs").join(name)).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
        paths.push("README.md".into());
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// The pieces of code within the prose.
    pub(super) fn spans(&self) -> Vec<String> {
        let span = Regex::new("`([^`]+)`").unwrap();
        let prose = self.prose.join("\n");
        span.captures_iter(&prose).map(|found| found[1].replace('\n', " ")).collect()
    }

    /// Where its links lead.
    pub(super) fn links(&self) -> Vec<String> {
        let (code, link) = (Regex::new("`[^`]+`").unwrap(), Regex::new(r"\]\(([^)\s]+)\)").unwrap());
        let prose = self.prose.join("\n");
        let prose = code.replace_all(&prose, "");
        link.captures_iter(&prose).map(|found| found[1].to_owned()).collect()
    }

    /// What a link may name behind its `#`, as GitHub makes it of headings.
    pub(super) fn anchors(&self) -> BTreeSet<String> {
        let headings = self.prose.iter().filter(|line| line.starts_with('#'));
        let anchor = |line: &String| {
            let text = line.trim_start_matches('#').trim().to_lowercase();
            let kept = text.chars().filter(|letter| letter.is_alphanumeric() || "-_ ".contains(*letter));
            kept.collect::<String>().replace(' ', "-")
        };
        headings.map(anchor).collect()
    }

    /// Its tables: under which heading they stand, and their rows, the head first.
    pub(super) fn tables(&self) -> Vec<(String, Vec<Vec<String>>)> {
        let (mut tables, mut heading, mut is_inside): (Vec<(String, Vec<_>)>, _, _) =
            (Vec::new(), String::new(), false);
        for line in &self.prose {
            if line.starts_with('#') {
                heading.clone_from(line);
            }
            let Some(row) = line.strip_prefix('|').and_then(|row| row.strip_suffix('|')) else {
                is_inside = false;
                continue;
            };
            let cells: Vec<_> = row.split(" | ").map(|cell| cell.trim().to_owned()).collect();
            match tables.last_mut().filter(|_| is_inside) {
                Some((_, rows)) if !row.starts_with("---") => rows.push(cells),
                Some(_) => {}
                None => tables.push((heading.clone(), vec![cells])),
            }
            is_inside = true;
        }
        tables
    }
}
