//! Links: they lead to files and headings that are there.

use std::path::{Component, Path, PathBuf};

use crate::docs::page::{Page, root};

/// The path from the root that a link on a page means.
fn target(page: &Path, link: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for part in page.parent().unwrap().join(link).components() {
        if part == Component::ParentDir {
            assert!(path.pop(), "{}: {link} leads out of the repository", page.display());
        } else {
            path.push(part);
        }
    }
    path
}

#[test]
fn every_link_leads_somewhere() {
    for page in Page::all() {
        for link in page.links() {
            if link.starts_with("https://") {
                continue;
            }
            let shown = format!("{}: {link}", page.path.display());
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = if file.is_empty() { page.path.clone() } else { target(&page.path, file) };
            assert!(root().join(&path).exists(), "{shown}: no such file");
            let is_heading = || Page::read(&path).anchors().contains(anchor);
            assert!(anchor.is_empty() || is_heading(), "{shown}: no such heading");
        }
    }
}

#[test]
fn every_page_is_reached_from_the_index_and_says_first_what_it_is_for() {
    let index = Page::read(Path::new("docs/README.md")).links();
    for page in Page::all().iter().filter(|page| page.path.starts_with("docs")) {
        let name = page.path.file_name().unwrap().to_str().unwrap();
        assert!(name == "README.md" || index.iter().any(|link| link == name), "{name} is not in the index");
        let [title, blank, first, ..] = page.prose.as_slice() else { panic!("{name} is empty") };
        assert!(title.starts_with("# ") && blank.is_empty(), "{name}: {title}");
        assert!(first.starts_with(char::is_uppercase), "{name}: {first}");
    }
}
