//! Lines of a given width, with tones, and safe to show.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use super::sanitise::{NO_BREAK, sanitise};

/// How text may look. Decided by the caller, who knows the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns; at least [`Look::MIN_WIDTH`] is used.
    pub width: usize,
    /// Colours and other ANSI styles.
    pub color: bool,
    /// Characters outside of ASCII. Off: ours are avoided, others are escaped.
    pub unicode: bool,
}

impl Look {
    /// Narrower than this, tables would fall apart.
    pub const MIN_WIDTH: usize = 40;
}

/// What a piece of text means; decides its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Running text.
    #[default]
    Plain,
    /// Stands out: headings, names.
    Strong,
    /// Steps back: labels, ids.
    Faint,
    /// As it should be.
    Good,
    /// Worth a look.
    Note,
    /// To be dealt with.
    Warn,
    /// Wrong.
    Bad,
}

impl Tone {
    fn style(self) -> Style {
        let color = |color: AnsiColor| Style::new().fg_color(Some(color.into()));
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Good => color(AnsiColor::Green),
            Self::Note => color(AnsiColor::Cyan),
            Self::Warn => color(AnsiColor::Yellow).bold(),
            Self::Bad => color(AnsiColor::Red).bold(),
        }
    }
}

/// A piece of text with its tone. Any text is fine: [`Page`] sanitises it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    tone: Tone,
    text: String,
}

impl Span {
    /// A piece of text.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, text: text.into() }
    }

    /// Its text, as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Running text.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(Tone::Plain, text)
    }
}

/// Writes lines. The only way from text to a terminal.
pub struct Page<'a> {
    out: &'a mut dyn Write,
    look: Look,
}

/// Pieces without a blank between them: never torn apart.
type Word = Vec<(Tone, String)>;

impl<'a> Page<'a> {
    /// A page on `out`.
    pub fn new(out: &'a mut dyn Write, look: Look) -> Self {
        Self { out, look: Look { width: look.width.max(Look::MIN_WIDTH), ..look } }
    }

    /// Columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.look.width
    }

    /// Characters outside of ASCII are shown.
    #[must_use]
    pub fn is_unicode(&self) -> bool {
        self.look.unicode
    }

    /// An empty line.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn blank(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// One line as it is, blanks included, however long.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn line(&mut self, spans: &[Span]) -> io::Result<()> {
        for span in spans {
            self.put(span.tone, &sanitise(&span.text, self.look.unicode))?;
        }
        writeln!(self.out)
    }

    /// One line, cut with an ellipsis where it would not fit.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn cut(&mut self, lead: &[Span], body: &str) -> io::Result<()> {
        let ellipsis = if self.look.unicode { "…" } else { "..." };
        let room = self.look.width.saturating_sub(self.width_of(lead));
        let clean = sanitise(body, self.look.unicode).replace(NO_BREAK, " ");
        for span in lead {
            self.put(span.tone, &sanitise(&span.text, self.look.unicode))?;
        }
        if clean.width() <= room {
            return writeln!(self.out, "{clean}");
        }
        let room = room.saturating_sub(ellipsis.width());
        let end = clean
            .char_indices()
            .map(|(at, c)| at + c.len_utf8())
            .take_while(|&end| clean[..end].width() <= room)
            .last()
            .unwrap_or(0);
        writeln!(self.out, "{}{ellipsis}", clean[..end].trim_end_matches([' ', ',']))
    }

    /// `lead` as it is, then `body` wrapped at blanks; further lines are indented by `hang`.
    ///
    /// A word that is longer than a line is left whole, so that names and commands can be copied.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn flow(&mut self, lead: &[Span], hang: usize, body: &[Span]) -> io::Result<()> {
        for span in lead {
            self.put(span.tone, &sanitise(&span.text, self.look.unicode))?;
        }
        let mut column = self.width_of(lead);
        let mut runs = Vec::new();
        for word in self.words(body) {
            let width: usize = word.iter().map(|(_, text)| text.width()).sum();
            let gap = usize::from(!runs.is_empty());
            // On a lead that reaches beyond the hang, a word that does not fit goes below it.
            if column + gap + width > self.look.width && (!runs.is_empty() || column > hang) {
                self.put_all(&mut runs)?;
                write!(self.out, "\n{:hang$}", "")?;
                column = hang;
            } else if gap > 0 {
                append(&mut runs, None, " ");
                column += 1;
            }
            for (tone, text) in &word {
                append(&mut runs, Some(*tone), text);
            }
            column += width;
        }
        self.put_all(&mut runs)?;
        writeln!(self.out)
    }

    fn put_all(&mut self, runs: &mut Word) -> io::Result<()> {
        runs.drain(..).try_for_each(|(tone, text)| self.put(tone, &text))
    }

    fn put(&mut self, tone: Tone, clean: &str) -> io::Result<()> {
        let text = clean.replace(NO_BREAK, " ");
        if self.look.color && tone != Tone::Plain {
            let style = tone.style();
            write!(self.out, "{style}{text}{style:#}")
        } else {
            write!(self.out, "{text}")
        }
    }

    fn width_of(&self, spans: &[Span]) -> usize {
        spans.iter().map(|span| sanitise(&span.text, self.look.unicode).width()).sum()
    }

    fn words(&self, spans: &[Span]) -> Vec<Word> {
        let mut words = Vec::new();
        let mut word: Word = Vec::new();
        for span in spans {
            for (at, part) in sanitise(&span.text, self.look.unicode).split(' ').enumerate() {
                if at > 0 && !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                if !part.is_empty() {
                    word.push((span.tone, part.to_owned()));
                }
            }
        }
        if !word.is_empty() {
            words.push(word);
        }
        words
    }
}

/// Adds text to the last run if it has the same tone; no tone goes with any.
fn append(runs: &mut Word, tone: Option<Tone>, text: &str) {
    match runs.last_mut() {
        Some((last, run)) if tone.is_none_or(|tone| tone == *last) => run.push_str(text),
        _ => runs.push((tone.unwrap_or_default(), text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(width: usize, lead: &str, hang: usize, body: &str) -> String {
        let mut out = Vec::new();
        let mut page = Page::new(&mut out, Look { width, color: false, unicode: true });
        page.flow(&[Span::plain(lead)], hang, &[Span::plain(body)]).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn wraps_at_blanks_with_a_hanging_indent() {
        let text = flow(40, "- ", 2, "one two three four five six seven eight nine ten");
        assert_eq!(text, "- one two three four five six seven\n  eight nine ten\n");
    }

    #[test]
    fn leaves_a_long_word_whole_and_on_its_own_line() {
        let path = "s3://bucket/".to_owned() + &"x".repeat(60);
        assert_eq!(flow(40, "", 2, &format!("see {path} now")), format!("see\n  {path}\n  now\n"));
        assert_eq!(flow(40, "", 0, &path), format!("{path}\n"));
    }

    #[test]
    fn counts_columns_not_bytes() {
        // Each of these takes two columns: nineteen and a blank more would be 41.
        let wide = "日".repeat(19);
        assert_eq!(flow(40, "", 0, &format!("{wide} ab")), format!("{wide}\nab\n"));
        assert_eq!(flow(40, "", 0, &format!("{wide} a")), format!("{wide} a\n"));
    }

    #[test]
    fn keeps_together_what_is_joined() {
        let text = flow(40, "", 0, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 1\u{a0}object");
        assert_eq!(text, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n1 object\n");
    }

    #[test]
    fn cuts_with_an_ellipsis() {
        let cut = |unicode| {
            let mut out = Vec::new();
            let mut page = Page::new(&mut out, Look { width: 40, color: false, unicode });
            page.cut(&[Span::plain("why: ")], &"ab, ".repeat(20)).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(cut(true), "why: ab, ab, ab, ab, ab, ab, ab, ab, ab…\n");
        assert_eq!(cut(false), "why: ab, ab, ab, ab, ab, ab, ab, ab...\n");
    }

    #[test]
    fn colours_only_when_asked() {
        let shown = |color| {
            let mut out = Vec::new();
            let mut page = Page::new(&mut out, Look { width: 40, color, unicode: true });
            page.flow(&[], 0, &[Span::new(Tone::Bad, "a b"), Span::plain("c")]).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown(false), "a bc\n");
        assert_eq!(shown(true), "\u{1b}[1m\u{1b}[31ma b\u{1b}[0mc\n");
    }
}
