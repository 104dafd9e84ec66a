//! Colours for people.

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    colours: bool,
}

/// How something looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// As all other text.
    Plain,
    /// A heading.
    Heading,
    /// Beside the point.
    Faint,
    /// Left out as it was wished.
    Hidden,
    /// Refused.
    Refused,
}

impl Paint {
    /// Colours, if they are wanted.
    pub(super) const fn new(colours: bool) -> Self {
        Self { colours }
    }

    /// The text in its look.
    pub(super) fn of(self, look: Look, text: &str) -> String {
        let code = match look {
            _ if !self.colours => return text.to_owned(),
            Look::Plain => return text.to_owned(),
            Look::Heading => "1",
            Look::Faint => "2",
            Look::Hidden => "33",
            Look::Refused => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_colour_where_it_is_wanted_only() {
        let (colours, none) = (Paint::new(true), Paint::new(false));
        assert_eq!(colours.of(Look::Refused, "no"), "\x1b[31mno\x1b[0m");
        assert_eq!(colours.of(Look::Plain, "yes"), "yes");
        assert_eq!(none.of(Look::Refused, "no"), "no");
    }
}
