//! A record: lines as they lie in a spool file.
//!
//! `length, CRC32C, time, lines`: the length of the lines as a u32, the checksum of everything
//! after it as a u32, when they came as milliseconds since the epoch in a u64, all little-endian;
//! then the lines. A record is written in one go. One that a crash cut short is longer than what
//! is left of its file; one that was damaged does not fit its checksum.

use std::io::{self, Read};

use crate::sink::influx::load::cut_at;

/// Bytes before the lines.
pub(super) const HEAD_BYTES: usize = 16;
/// What damage may cost: a record has at most so many bytes of lines, or one line.
pub(super) const LINES_BYTES: usize = 64 << 10;
/// Most bytes of lines that are read as one record: more than any line can be, less than what
/// would hurt. A length beyond it is damage.
const LINES_BYTES_MAX: usize = 32 << 20;

/// What lies at one place of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// Whole lines, and when they came.
    Lines(Vec<u8>, u64),
    /// So many bytes that are no lines any more.
    Damaged(Vec<u8>),
    /// Nothing that could be read; nor can anything after it.
    End,
}

/// Lines as records, one after the other.
pub(super) fn encode_all(lines: &[u8], unix_ms: u64) -> Vec<u8> {
    let mut records = Vec::with_capacity(lines.len() + (lines.len() / LINES_BYTES + 1) * HEAD_BYTES);
    let mut rest = lines;
    while !rest.is_empty() {
        let (lines, after) = rest.split_at(cut_at(rest, LINES_BYTES));
        records.extend_from_slice(&encode(lines, unix_ms));
        rest = after;
    }
    records
}

/// The record as bytes.
pub(super) fn encode(lines: &[u8], unix_ms: u64) -> Vec<u8> {
    let time = unix_ms.to_le_bytes();
    let length = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    let checksum = !crc32c(crc32c(u32::MAX, &time), lines);
    let mut record = Vec::with_capacity(HEAD_BYTES + lines.len());
    record.extend_from_slice(&length.to_le_bytes());
    record.extend_from_slice(&checksum.to_le_bytes());
    record.extend_from_slice(&time);
    record.extend_from_slice(lines);
    record
}

/// Reads the next record of a file that has `left` more bytes.
///
/// # Errors
/// Where the file cannot be read.
pub(super) fn read(file: &mut impl Read, left: u64) -> io::Result<Record> {
    let mut head = [0; HEAD_BYTES];
    let room = left.checked_sub(HEAD_BYTES as u64);
    let Some(room) = room else { return Ok(Record::End) };
    file.read_exact(&mut head)?;
    let [l0, l1, l2, l3, c0, c1, c2, c3, time @ ..] = head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length == 0 || length > LINES_BYTES_MAX || length as u64 > room {
        return Ok(Record::End);
    }
    let mut lines = vec![0; length];
    file.read_exact(&mut lines)?;
    let checksum = !crc32c(crc32c(u32::MAX, &time), &lines);
    let is_whole = checksum == u32::from_le_bytes([c0, c1, c2, c3]) && lines.last() == Some(&b'\n');
    Ok(if is_whole { Record::Lines(lines, u64::from_le_bytes(time)) } else { Record::Damaged(lines) })
}

/// CRC-32C, Castagnoli's polynomial ([RFC 3720](https://www.rfc-editor.org/rfc/rfc3720#appendix-B.4)),
/// before its last inversion.
fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(crc, |crc, byte| {
        let index = (crc ^ u32::from(*byte)) & 0xff;
        TABLE.get(index as usize).copied().unwrap_or_default() ^ (crc >> 8)
    })
}

/// The remainder of each byte.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let mut remainder = index as u32;
        let mut bit = 0;
        while bit < 8 {
            let poly = if remainder & 1 == 1 { 0x82f6_3b78 } else { 0 };
            remainder = (remainder >> 1) ^ poly;
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "checked by the loop, and at compile time")]
        {
            table[index] = remainder;
        }
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc32c() {
        for (bytes, checksum) in [
            (b"123456789".to_vec(), 0xe306_9283),
            (vec![0; 32], 0x8a91_36aa),
            (vec![0xff; 32], 0x62a8_ab43),
            ((0..32).collect(), 0x46dd_794e),
        ] {
            assert_eq!(!crc32c(u32::MAX, &bytes), checksum, "{bytes:?}");
        }
    }

    #[test]
    fn a_record_is_read_back_and_every_flipped_bit_is_noticed() {
        let record = encode(b"a x=1 1\n", 77);
        let read = |bytes: &[u8]| read(&mut &*bytes, bytes.len() as u64).unwrap();
        assert_eq!(read(&record), Record::Lines(b"a x=1 1\n".to_vec(), 77));
        for bit in 0..record.len() * 8 {
            let mut damaged = record.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(read(&damaged), Record::Damaged(_) | Record::End), "bit {bit}");
        }
        for length in 0..record.len() {
            assert_eq!(read(&record[..length]), Record::End, "{length} bytes");
        }
    }
}
