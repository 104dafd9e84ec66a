//! Invented people and queues. Any likeness is chance; every address is under example.com, which nobody owns.
//!
//! The lists are short; when there are more agents or queues than names, numbers tell them apart.

use rand::{RngExt, rngs::StdRng};

const FIRST: [&str; 32] = [
    "Ada", "Amir", "Anna", "Ben", "Carla", "Chen", "Dana", "Elif", "Emil", "Fatima", "Felix", "Grace",
    "Hugo", "Ines", "Ivan", "Jonas", "Kemal", "Lea", "Lucia", "Marek", "Mina", "Nadia", "Noah", "Olga",
    "Pablo", "Priya", "Rosa", "Sami", "Tara", "Tom", "Yuki", "Zoë",
];

const LAST: [&str; 32] = [
    "Abel", "Adler", "Baker", "Bianchi", "Costa", "Demir", "Duarte", "Evans", "Fischer", "Garcia", "Haas",
    "Ito", "Jansen", "Kaya", "Keller", "Kowalski", "Lang", "Lopez", "Mendes", "Moreau", "Nowak", "O'Neill",
    "Olsen", "Patel", "Quinn", "Rossi", "Sato", "Schmidt", "Silva", "Tanaka", "Weber", "Young",
];

const QUEUES: [&str; 16] = [
    "General Enquiries",
    "Sales",
    "Billing",
    "Technical Support",
    "Returns",
    "Orders & Delivery",
    "Premium Care",
    "Complaints",
    "Retention",
    "Account Security",
    "Bookings",
    "Claims",
    "New Customers",
    "Partners",
    "Français",
    "Español",
];

/// Reasons for not being ready.
pub(super) const REASONS: [&str; 6] = ["Break", "Lunch", "Training", "Meeting", "Coaching", "Admin"];

/// First name, last name and login of the agent with this number.
pub(super) fn agent(number: usize) -> (String, String, String) {
    let first = FIRST.get(number % FIRST.len()).copied().unwrap_or("Agent");
    // Shifted by one for every round of first names, so that 1,024 people come before the first namesake.
    let last = LAST.get((number + number / FIRST.len()) % LAST.len()).copied().unwrap_or("Agent");
    let login = format!("{first}.{last}.{number}@example.com")
        .to_lowercase()
        .replace(['\'', ' '], "")
        .replace('ë', "e");
    (first.to_owned(), last.to_owned(), login)
}

/// The name of the queue with this number; the first is the default queue.
pub(super) fn queue(number: usize) -> String {
    let name = QUEUES.get(number % QUEUES.len()).copied().unwrap_or("Queue");
    match number / QUEUES.len() {
        0 => name.to_owned(),
        round => format!("{name} {}", round + 1),
    }
}

/// A random UUID of version 4, as text.
pub(super) fn uuid(rng: &mut StdRng) -> String {
    let bits = (rng.random::<u128>() & !(0xf << 76) & !(0b11 << 62)) | (0x4 << 76) | (0b10 << 62);
    let digits = format!("{bits:032x}");
    let mut text = String::with_capacity(36);
    for (place, digit) in digits.chars().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_uuid_looks_like_one() {
        let text = uuid(&mut StdRng::seed_from_u64(1));
        assert_eq!(text.len(), 36);
        assert_eq!(&text[14..15], "4");
        assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"));
    }

    #[test]
    fn names_of_many_differ() {
        let mut queues: Vec<_> = (0..100).map(queue).collect();
        queues.sort();
        queues.dedup();
        assert_eq!(queues.len(), 100);
        assert!((0..2_000).all(|number| agent(number).2.is_ascii()));
    }
}
