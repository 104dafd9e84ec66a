//! The order of files: as they were recorded, however they were named.
//!
//! A shell gives `feed.jsonl.gz*` with the newest first. Headers tell what goes on from what, and when
//! each recording began.

use std::collections::HashMap;

use super::reader::{Error, Reader};
use super::record::Header;

/// The files in the order in which they were recorded: recordings as they began by the wall clock,
/// each by its parts.
///
/// # Errors
/// The first that cannot be replayed together with the others.
pub fn in_order(mut readers: Vec<Reader>) -> Result<Vec<Reader>, Error> {
    let Some(first) = readers.first().map(|reader| reader.header().clone()) else { return Ok(readers) };
    let unfit = |reader: &Reader, why| Err(Error::Unfit(reader.path().to_owned(), why));
    let mut began: HashMap<String, i64> = HashMap::new();
    for reader in &readers {
        if let Some(why) = strange(&first, reader.header()) {
            return unfit(reader, why);
        }
        let (_, unix_ns) = reader.begins_at();
        let earliest = began.entry(reader.header().recording.clone()).or_insert(unix_ns);
        *earliest = unix_ns.min(*earliest);
    }
    readers.sort_by_cached_key(|reader| {
        let Header { recording, part, .. } = reader.header();
        (began.get(recording).copied(), recording.clone(), *part)
    });
    let place = |reader: &Reader| (reader.header().recording.clone(), reader.header().part);
    for pair in readers.windows(2) {
        if let [before, reader] = pair
            && place(before) == place(reader)
        {
            return unfit(reader, "it is the same part of the recording as another file");
        }
    }
    Ok(readers)
}

/// Why a file cannot be replayed together with another.
fn strange(first: &Header, header: &Header) -> Option<&'static str> {
    if first.privacy != header.privacy {
        return Some("[privacy] was another when it was recorded; replay it by itself");
    }
    (first.account_id != header.account_id).then_some("it is of another account; replay it by itself")
}
