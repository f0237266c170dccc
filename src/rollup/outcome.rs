//! What came of a connection that was let through.

use crate::connection::Connection;

/// How far an accepted connection got, as its records tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Answered, and data was exchanged.
    Data,
    /// Answered, but no data went along: a listener was found.
    Answered,
    /// Refused with a RST: nothing listens.
    Refused,
    /// Nothing came back: a probe that met no listener, or whose answer is not in the logs.
    Unanswered,
}

/// A TCP packet without data takes 40 to 60 bytes: header of IP and TCP, and a SYN's options.
const BARE: u64 = 60;

impl Outcome {
    /// Kebab-case word of the outputs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
        }
    }

    /// What an accepted connection came to.
    #[must_use]
    pub fn of(connection: &Connection) -> Self {
        let (there, back) = (&connection.forward()[0], &connection.backward()[0]);
        if !back.any() {
            // Seen without its answer: it may be lost, but data was sent that nobody sends without one.
            let spoke =
                connection.protocol == crate::flow::Protocol::TCP && there.bytes > BARE * there.packets;
            return if spoke { Self::Data } else { Self::Unanswered };
        }
        if connection.protocol != crate::flow::Protocol::TCP {
            return Self::Data;
        }
        if there.bytes > BARE * there.packets || back.bytes > BARE * back.packets {
            return Self::Data;
        }
        let reset = back.flagged && back.closed && !back.syn_ack;
        // Without flags: as many answers as questions, and no longer than a RST.
        let bare_reset = !back.flagged && back.packets <= there.packets && back.bytes <= 40 * back.packets;
        if reset || bare_reset { Self::Refused } else { Self::Answered }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Part;
    use crate::rollup::tests::connection;

    fn part(packets: u64, bytes: u64, flags: Option<(bool, bool, bool)>) -> Part {
        let (syn, syn_ack, closed) = flags.unwrap_or_default();
        Part { records: 1, packets, bytes, syn, syn_ack, closed, flagged: flags.is_some(), ..Part::default() }
    }

    #[test]
    fn probes_are_told_from_sessions() {
        let of = |there: Part, back: Part| {
            let mut c = connection(0, 1, 22, 1);
            (c.inward[0], c.outward[0]) = (there, back);
            Outcome::of(&c)
        };
        let syn = part(2, 120, Some((true, false, false)));
        assert_eq!(of(syn, Part::default()), Outcome::Unanswered);
        assert_eq!(of(syn, part(1, 40, Some((false, false, true)))), Outcome::Refused);
        assert_eq!(of(syn, part(1, 60, Some((false, true, false)))), Outcome::Answered);
        assert_eq!(
            of(part(9, 900, Some((true, false, true))), part(7, 4_000, Some((false, true, true)))),
            Outcome::Data
        );
        // Without flags.
        assert_eq!(of(part(1, 40, None), part(1, 40, None)), Outcome::Refused);
        assert_eq!(of(part(2, 100, None), part(2, 120, None)), Outcome::Answered);
        assert_eq!(of(part(5, 700, None), part(4, 200, None)), Outcome::Data);
    }
}
