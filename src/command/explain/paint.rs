//! Colours for people, on a terminal that may have them (<https://no-color.org>).

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
    /// Colours on a terminal, unless `NO_COLOR` is set.
    pub(super) fn new(is_terminal: bool) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: is_terminal && !unwanted }
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
    fn there_is_colour_on_a_terminal_only() {
        let (colours, none) = (Paint { colours: true }, Paint::new(false));
        assert_eq!(colours.of(Look::Refused, "no"), "\x1b[31mno\x1b[0m");
        assert_eq!(colours.of(Look::Plain, "yes"), "yes");
        assert_eq!(none.of(Look::Refused, "no"), "no");
    }
}
