//! The allowlist: which of a producer's measures are exported, by globs on AXP's names.
//!
//! `*` stands for any run of characters, `?` for one; everything else for itself, upper
//! and lower case told apart. An empty `allow` lets everything pass; `deny` wins.

/// The globs of one producer.
#[derive(Debug, Clone, Default)]
pub struct Allowlist {
    allow: Vec<String>,
    deny: Vec<String>,
}

impl Allowlist {
    /// An allowlist of the two lists of globs.
    pub fn new(allow: &[String], deny: &[String]) -> Self {
        Self { allow: allow.to_vec(), deny: deny.to_vec() }
    }

    /// What the lists say of the measure of this name.
    pub fn listing(&self, measure: &str) -> Listing<'_> {
        let find = |globs| <[String]>::iter(globs).find(|glob| matches(glob, measure));
        match (find(&self.deny), find(&self.allow)) {
            (Some(glob), _) => Listing::Denied(glob),
            (None, Some(glob)) => Listing::Allowed(glob),
            (None, None) if self.allow.is_empty() => Listing::Unlisted,
            (None, None) => Listing::NotAllowed,
        }
    }
}

/// What an allowlist says of one measure, and which glob says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing<'a> {
    /// There is no `allow`, and no glob of `deny` describes it.
    Unlisted,
    /// This glob of `allow` describes it, and none of `deny`.
    Allowed(&'a str),
    /// There is an `allow`, and none of its globs describes it.
    NotAllowed,
    /// This glob of `deny` describes it.
    Denied(&'a str),
}

impl Listing<'_> {
    /// True if the measure is exported.
    pub const fn is_exported(self) -> bool {
        matches!(self, Self::Unlisted | Self::Allowed(_))
    }
}

/// True if `glob` describes all of `text`; time is at most the product of their lengths.
fn matches(glob: &str, text: &str) -> bool {
    let (mut glob, mut text) = (glob.chars(), text.chars());
    // Where to go on after the last `*`, once with one more character swallowed.
    let mut retry = None;
    loop {
        let text_before = text.clone();
        match (glob.next(), text.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                retry = Some((glob.clone(), text_before.clone()));
                text = text_before;
            }
            (Some('?'), Some(_)) => {}
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => {
                let Some((after_star, mut swallowed)) = retry.take() else {
                    return false;
                };
                if swallowed.next().is_none() {
                    return false;
                }
                retry = Some((after_star.clone(), swallowed.clone()));
                (glob, text) = (after_star, swallowed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn globs_describe_the_whole_name() {
        for (glob, text, expected) in [
            ("answered", "answered", true),
            ("answered", "Answered", false),
            ("answered", "answeredLate", false),
            ("*Duration", "activeDuration", true),
            ("*Duration", "Durations", false),
            ("active*", "active", true),
            ("*in*", "contactsQueueing", true),
            ("?nswered", "Answered", true),
            ("?nswered", "nswered", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("**", "", true),
            ("?", "ä", true),
            ("", "", true),
            ("[ab]", "a", false),
        ] {
            assert_eq!(matches(glob, text), expected, "{glob} {text}");
        }
    }

    #[test]
    fn deny_wins_and_an_empty_allow_is_all() {
        let list = |allow: &[&str], deny: &[&str]| {
            let own = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect::<Vec<_>>();
            Allowlist::new(&own(allow), &own(deny))
        };
        for (allow, deny, measure, expected) in [
            (&[][..], &[][..], "anything", Listing::Unlisted),
            (&[], &["any*"], "anything", Listing::Denied("any*")),
            (&["b*", "a*"], &[], "anything", Listing::Allowed("a*")),
            (&["a*"], &[], "nothing", Listing::NotAllowed),
            (&["a*"], &["*thing"], "anything", Listing::Denied("*thing")),
        ] {
            assert_eq!(list(allow, deny).listing(measure), expected, "{allow:?} {deny:?}");
        }
    }

    #[test]
    fn many_stars_stay_quick() {
        assert!(!matches(&"*a".repeat(100), &"a".repeat(99)));
        assert!(!matches(&("*a".repeat(200) + "b"), &"a".repeat(2000)));
    }

    proptest! {
        #[test]
        fn a_name_matches_itself_and_any_run(name in "[a-zA-Z0-9]{0,20}", cut in 0usize..20) {
            prop_assert!(matches(&name, &name));
            let cut = cut.min(name.len());
            let glob = format!("{}*{}", &name[..cut], &name[cut..]);
            prop_assert!(matches(&glob, &name));
        }
    }
}
