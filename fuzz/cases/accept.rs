//! Any `Accept`, and behind the first line's end any `Accept-Encoding`: the answer is one that there is,
//! and asking for just that answer gives it again.

use axp_exporter::web::accept::{Coding, Dialect};

/// Negotiates.
pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (accept, encoding) = text.split_once('\n').unwrap_or((&text, ""));
    let dialect = Dialect::negotiate(accept);
    let content_type = dialect.content_type();
    let content_type = content_type.to_str().expect("of letters and punctuation");
    assert_eq!(Dialect::negotiate(content_type), dialect, "{accept:?} gives {content_type}");
    // What nobody can read takes nothing from the rest.
    for nonsense in [",", ",x/y;q=1", ",text/plain;q=2", ",text/plain;version=7", ",;q=", ",text/plain;q=0"] {
        assert_eq!(Dialect::negotiate(&format!("{accept}{nonsense}")), dialect, "{accept:?}{nonsense}");
    }
    let coding = Coding::negotiate(encoding);
    let names = |name| encoding.to_ascii_lowercase().contains(name) || encoding.contains('*');
    match coding {
        Some(Coding::Gzip) => assert!(names("gzip"), "nobody asked for it: {encoding:?}"),
        Some(Coding::Identity) => {}
        None => assert!(names("identity"), "nobody ruled it out: {encoding:?}"),
    }
    assert_eq!(Coding::negotiate(&format!("{encoding},deflate")), coding, "{encoding:?}");
}
