//! Text that must not be longer than somebody takes.

use super::sanitise;

/// Stands where something was cut.
const MARK: &str = "… [cut; all of it is in findings.jsonl]";

/// Safe to show, and at most `most` UTF-16 units long, which is what services count that speak of characters. What is
/// cut is said.
pub(super) fn clip(text: &str, most: usize) -> String {
    // No character gets shorter by being made safe: what lies beyond this many is cut in any case.
    let end = text.char_indices().nth(most.saturating_add(1)).map_or(text.len(), |(at, _)| at);
    let clean = sanitise(&text[..end], true);
    if end == text.len() && units(&clean) <= most {
        return clean.into_owned();
    }
    let mark: String = MARK.chars().take(most).collect();
    let room = most.saturating_sub(units(&mark));
    let mut used = 0;
    let kept = clean.chars().take_while(|c| {
        used += c.len_utf16();
        used <= room
    });
    kept.chain(mark.chars()).collect()
}

/// The same for what must hold something else than blanks.
pub(super) fn clip_or(text: &str, most: usize, instead: &str) -> String {
    if text.trim().is_empty() { instead.to_owned() } else { clip(text, most) }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_and_said() {
        assert_eq!(clip("short", 5), "short");
        assert_eq!(clip("a\u{1b}[2J", 50), "a\\u{1b}[2J");
        for text in ["x".repeat(100_000), "\u{1b}".repeat(100_000), "😀".repeat(100_000)] {
            for most in [0, 1, 39, 40, 256, 1024] {
                let clipped = clip(&text, most);
                assert!(units(&clipped) <= most, "{most}");
                assert!(most < 40 || clipped.ends_with(MARK));
            }
        }
        assert_eq!(units(&clip(&"x".repeat(300), 256)), 256);
        assert_eq!(clip_or(" \u{a0}", 9, "?"), "?");
    }
}
