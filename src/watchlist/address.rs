//! One address, block or range, as people write it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::flow::{address_bits, address_from_bits, is_v4};

/// Inclusive, IPv4 mapped into IPv6.
pub(super) type Range = (u128, u128);

/// An address, CIDR block or range: `192.0.2.7`, `192.0.2.0/24`, `192.0.2.1 - 192.0.2.9`, `2001:db8::/32`; with a port,
/// in quotes or brackets, or defanged, too. Host bits of a block are ignored.
pub(super) fn parse(text: &str) -> Option<Range> {
    // Nothing of what is meant is longer, and most words of a text are.
    if text.len() > 300 {
        return None;
    }
    let text = unquoted(text);
    if let Some(range) = plain(text) {
        return Some(range);
    }
    if let Some(range) = dashed(text) {
        return Some(range);
    }
    let fanged = fanged(text)?;
    plain(&fanged).or_else(|| dashed(&fanged))
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(|c| matches!(c, '"' | '\'' | '`')).trim()
}

fn plain(text: &str) -> Option<Range> {
    match text.split_once('/') {
        None => {
            let bits = address_bits(single(text)?);
            Some((bits, bits))
        }
        Some((address, length)) => block(address.trim_end(), length.trim_start()),
    }
}

/// With an address's port, too: `192.0.2.7:443`, `[2001:db8::1]:443`.
fn single(text: &str) -> Option<IpAddr> {
    let first = *text.as_bytes().first()?;
    if !first.is_ascii_hexdigit() && first != b':' && first != b'[' {
        return None;
    }
    if let Ok(v4) = text.parse::<Ipv4Addr>() {
        return Some(IpAddr::V4(v4));
    }
    if let Ok(v6) = text.parse::<Ipv6Addr>() {
        // Written as a mapped one, an IPv4 address is meant.
        return Some(v6.to_canonical());
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return inner.parse().ok();
    }
    text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip())
}

fn block(address: &str, length: &str) -> Option<Range> {
    let bits = address_bits(single(address)?);
    // A mapped address with the length of an IPv6 block.
    let mapped = address.contains(':') && is_v4(bits);
    let width = if is_v4(bits) { 32 } else { 128 };
    let length: u32 = match length.parse::<Ipv4Addr>() {
        // `192.0.2.0/255.255.255.0`
        Ok(mask) if width == 32 => length_of(mask)?,
        _ if length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit()) => return None,
        _ => length.parse().ok()?,
    };
    let length = if mapped { length.checked_sub(96)? } else { length };
    if length > width {
        return None;
    }
    Some(around(bits, width - length))
}

/// The block that an address is in; of so many host bits.
fn around(bits: u128, host_bits: u32) -> Range {
    let hosts = 1_u128.checked_shl(host_bits).map_or(u128::MAX, |size| size - 1);
    (bits & !hosts, bits | hosts)
}

/// The prefix length of a netmask.
pub(super) fn length_of(mask: Ipv4Addr) -> Option<u32> {
    let bits = mask.to_bits();
    (bits.leading_ones() + bits.trailing_zeros() == 32 || bits == u32::MAX).then(|| bits.leading_ones())
}

/// A block given by a netmask beside it.
pub(super) fn masked(address: Range, mask: &str) -> Option<Range> {
    let mask: Ipv4Addr = mask.parse().ok()?;
    // `0.0.0.0` beside an address is no mask that anybody means.
    let length = length_of(mask).filter(|&length| length > 0)?;
    (address.0 == address.1 && is_v4(address.0)).then(|| around(address.0, 32 - length))
}

/// `a - b`, also without spaces, and with other dashes.
fn dashed(text: &str) -> Option<Range> {
    let (low, high) = text.split_once(['-', '\u{2013}', '\u{2014}'])?;
    let (low, high) = (single(unquoted(low))?, single(unquoted(high))?);
    from_to(low, high)
}

/// The range between two addresses of one family.
pub(super) fn from_to(low: IpAddr, high: IpAddr) -> Option<Range> {
    (low.is_ipv4() == high.is_ipv4() && low <= high).then(|| (address_bits(low), address_bits(high)))
}

/// What a defanged address or URL means: `198[.]51[.]100[.]7`, `198(.)51…`, `198[dot]51…`, `2001[:]db8…`,
/// `hxxp://198.51.100.7/path`. `None` if nothing about it is defanged.
fn fanged(text: &str) -> Option<String> {
    let mut out = text.to_owned();
    let mut changed = false;
    for (written, meant) in [
        ("[.]", "."),
        ("(.)", "."),
        ("{.}", "."),
        ("[dot]", "."),
        ("(dot)", "."),
        ("[:]", ":"),
        ("[://]", "://"),
        ("\\.", "."),
        ("[.", "."),
        (".]", "."),
    ] {
        if out.contains(written) {
            out = out.replace(written, meant);
            changed = true;
        }
    }
    if let Some((scheme, rest)) = out.split_once("://")
        && (1..=6).contains(&scheme.len())
        && scheme.bytes().all(|b| b.is_ascii_alphabetic())
    {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        out = rest[..end].to_owned();
        changed = true;
    }
    changed.then_some(out)
}

/// As people write it: an address, a block, or the two ends.
pub(super) fn written(low: u128, high: u128) -> String {
    let (first, last) = (address_from_bits(low), address_from_bits(high));
    if low == high {
        return first.to_string();
    }
    let width: u32 = if first.is_ipv4() { 32 } else { 128 };
    let size = high - low;
    let is_block = size & size.wrapping_add(1) == 0 && low & size == 0;
    match size.checked_add(1) {
        None => "::/0".to_owned(),
        Some(count) if is_block => format!("{first}/{}", width - count.trailing_zeros()),
        Some(_) => format!("{first}-{last}"),
    }
}
