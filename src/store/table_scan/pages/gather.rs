//! Values of a page at some places.

use super::page::{Form, NULL, Page, Places, Words, text};
use super::{Shape, Trouble, Unpack, broken, delta};

/// Texts, or nothing where a place is [`NULL`].
pub(super) fn texts<'p>(
    page: &'p Page,
    words: Option<&'p Words>,
    places: &[u32],
    mut take: impl FnMut(Option<&'p str>),
) -> Result<(), Trouble> {
    match page.form {
        Form::Words => {
            let words = words.ok_or(Trouble::Unknown)?;
            let mut codes = page.codes()?;
            // What repeats is looked up once.
            let mut last: Option<(u32, &str)> = None;
            for &place in places {
                if place == NULL {
                    take(None);
                    continue;
                }
                let code = codes.at(place as usize).ok_or_else(short)?;
                let word = match last {
                    Some((before, word)) if before == code => word,
                    _ => words.text(code)?,
                };
                last = Some((code, word));
                take(Some(word));
            }
        }
        Form::Plain => {
            let (mut rest, mut at) = (page.body(), 0);
            for &place in places {
                if place == NULL {
                    take(None);
                    continue;
                }
                let value = loop {
                    let (length, behind) = rest.split_first_chunk::<4>().ok_or_else(short)?;
                    let length = u32::from_le_bytes(*length) as usize;
                    let (value, behind) = behind.split_at_checked(length).ok_or_else(short)?;
                    rest = behind;
                    at += 1;
                    if at > place {
                        break value;
                    }
                };
                take(Some(text(value)?));
            }
        }
        Form::Delta => return Err(Trouble::Unknown),
    }
    Ok(())
}

/// Numbers of so many bytes.
pub(super) fn numbers<const WIDTH: usize>(
    page: &Page,
    words: Option<&Words>,
    places: &[u32],
    unpack: &mut Unpack,
    mut take: impl FnMut(Option<i64>),
) -> Result<(), Trouble> {
    if page.form == Form::Delta {
        let last = places.iter().rev().find(|place| **place != NULL);
        let count = last.map_or(0, |last| *last as usize + 1);
        delta::first(page.body(), count, &mut unpack.numbers).ok_or_else(short)?;
        for &place in places {
            let value = || unpack.numbers.get(place as usize).copied().ok_or_else(short);
            take(if place == NULL { None } else { Some(value()?) });
        }
        return Ok(());
    }
    let plain = |values: &[u8], at: usize| {
        let value = at.checked_mul(WIDTH).and_then(|from| values.get(from..))?.first_chunk::<WIDTH>()?;
        let mut number = [0; 8];
        number[..WIDTH].copy_from_slice(value);
        let number = i64::from_le_bytes(number);
        Some(if WIDTH == 4 { i64::from(number as i32) } else { number })
    };
    if page.form == Form::Plain {
        for &place in places {
            let value = || plain(page.body(), place as usize).ok_or_else(short);
            take(if place == NULL { None } else { Some(value()?) });
        }
        return Ok(());
    }
    let words = words.ok_or(Trouble::Unknown)?;
    let mut codes = page.codes()?;
    for &place in places {
        let mut value = || plain(words.bytes(), codes.at(place as usize)? as usize);
        take(if place == NULL { None } else { Some(value().ok_or_else(short)?) });
    }
    Ok(())
}

/// Flags, each a bit.
pub(super) fn flags(page: &Page, places: &[u32], mut take: impl FnMut(Option<bool>)) -> Result<(), Trouble> {
    if page.form != Form::Plain {
        return Err(Trouble::Unknown);
    }
    for &place in places {
        let (byte, bit) = (place as usize / 8, place % 8);
        let flag = || page.body().get(byte).map(|byte| byte >> bit & 1 == 1).ok_or_else(short);
        take(if place == NULL { None } else { Some(flag()?) });
    }
    Ok(())
}

/// Hands on the rows that have one of the words that fit; of lists, those of which one element is such a word.
pub(super) fn any_of_words(
    page: &Page,
    rows: &[u32],
    fitting: &[bool],
    places: &mut Places,
    mut take: impl FnMut(u32),
) -> Result<(), Trouble> {
    page.places(rows, places)?;
    let mut codes = page.codes()?;
    let mut fits = |place: u32| {
        if place == NULL {
            return Ok(false);
        }
        let code = codes.at(place as usize).ok_or_else(short)?;
        fitting.get(code as usize).copied().ok_or_else(short)
    };
    if page.shape != Shape::List {
        for (&row, &place) in rows.iter().zip(&places.values) {
            if fits(place)? {
                take(row);
            }
        }
        return Ok(());
    }
    let mut values = places.values.iter();
    for (&row, length) in rows.iter().zip(&places.lengths) {
        let mut any = false;
        for &place in values.by_ref().take(length.unwrap_or(0) as usize) {
            any |= fits(place)?;
        }
        if any {
            take(row);
        }
    }
    Ok(())
}

fn short() -> Trouble {
    broken("a page ends too early")
}
