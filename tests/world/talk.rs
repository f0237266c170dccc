//! Conversations: what two hosts say to each other, given what gets through.

use super::rng::Rng;
use super::sim::{FIN, Flow, Pk, RST, SYN, SYN_ACK, Sim};

/// What the server does with a SYN that reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    Accept,
    /// Nobody there: no answer at all.
    Silent,
    /// Nobody listens: RST.
    Refuse,
}

/// How a TCP connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    ClientFin,
    ServerFin,
    ClientRst,
    ServerRst,
    /// Not within the world's time.
    Never,
}

/// One exchange, at an offset in milliseconds: packets and bytes both ways.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub at: i64,
    pub up: (u32, u64),
    pub down: (u32, u64),
}

/// A TCP connection to play.
pub struct Tcp<'a> {
    pub flow: Flow,
    /// First SYN, milliseconds.
    pub start: i64,
    pub reply: Reply,
    /// When SYNs are sent, relative to `start`, until one is answered.
    pub tries: &'a [i64],
    pub turns: &'a [Turn],
    pub end: End,
    /// Packets after the close: delay after it in milliseconds, from the client?, flags.
    pub late: &'a [(i64, bool, u8)],
}

/// Linux: SYN retries after 1, 2, 4, 8, 16, 32 s.
pub const LINUX_TRIES: &[i64] = &[0, 1000, 3000, 7000, 15_000, 31_000, 63_000];
pub const ONE_TRY: &[i64] = &[0];
pub const TWO_TRIES: &[i64] = &[0, 3000];

/// What became of a conversation, as its client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Established,
    Refused,
    /// The opening packets left the client, or not; no answer came.
    NoAnswer,
}

const EMPTY: Pk = Pk { packets: 1, bytes: 52, flags: 0 };

fn flagged(flags: u8) -> Pk {
    let bytes = match flags {
        RST => 40,
        SYN | SYN_ACK => 60,
        _ => 52,
    };
    Pk { packets: 1, bytes, flags }
}

/// Half a round trip, milliseconds: short inside the VPC.
fn half_trip(flow: &Flow) -> i64 {
    match (flow.client, flow.server) {
        (super::sim::Host::Eni(..), super::sim::Host::Eni(..)) => 1,
        _ => 20,
    }
}

/// Plays a TCP connection.
pub fn tcp(sim: &mut Sim<'_>, talk: &Tcp<'_>) -> Outcome {
    let flow = &talk.flow;
    let half = half_trip(flow);
    let mut opened = None;
    for back in talk.tries {
        let at = talk.start + back;
        if !sim.send(flow, true, at, flagged(SYN)) {
            continue;
        }
        match talk.reply {
            Reply::Silent => {}
            Reply::Refuse => {
                sim.send(flow, false, at + half, flagged(RST));
                sim.close(flow);
                return Outcome::Refused;
            }
            Reply::Accept => {
                if sim.send(flow, false, at + half, flagged(SYN_ACK)) {
                    opened = Some(at + 2 * half);
                    break;
                }
            }
        }
    }
    let Some(opened) = opened else { return Outcome::NoAnswer };
    let mut last = opened;
    let send = |sim: &mut Sim<'_>, up, at, pk| {
        assert!(sim.send(flow, up, at, pk), "an open connection is cut: {flow:?}");
    };
    send(sim, true, last, EMPTY);
    for turn in talk.turns {
        let at = opened + turn.at;
        for (up, at, (packets, bytes)) in [(true, at, turn.up), (false, at + half, turn.down)] {
            if packets > 0 {
                send(sim, up, at, Pk { packets, bytes, flags: 0 });
            }
        }
        last = last.max(at + half);
    }
    last += 2 * half;
    match talk.end {
        End::Never => return Outcome::Established,
        End::ClientFin | End::ServerFin => {
            let first = talk.end == End::ClientFin;
            send(sim, first, last, flagged(FIN));
            send(sim, !first, last + half, flagged(FIN));
            send(sim, first, last + 2 * half, EMPTY);
            last += 2 * half;
        }
        End::ClientRst => send(sim, true, last, flagged(RST)),
        End::ServerRst => send(sim, false, last, flagged(RST)),
    }
    sim.close(flow);
    for &(delay, up, flags) in talk.late {
        sim.send(flow, up, last + delay, flagged(flags));
    }
    Outcome::Established
}

/// Plays exchanges of a protocol without handshake: UDP, ICMP, ESP, GRE. `turns` holds absolute times. A request that
/// does not arrive is not answered.
pub fn exchange(sim: &mut Sim<'_>, flow: &Flow, turns: &[Turn]) -> Outcome {
    let half = half_trip(flow);
    let mut outcome = Outcome::NoAnswer;
    for turn in turns {
        let (packets, bytes) = turn.up;
        let arrived = packets > 0 && sim.send(flow, true, turn.at, Pk { packets, bytes, flags: 0 });
        let (packets, bytes) = turn.down;
        if arrived && packets > 0 && sim.send(flow, false, turn.at + half, Pk { packets, bytes, flags: 0 }) {
            outcome = Outcome::Established;
        }
    }
    outcome
}

/// A few quick request-response turns.
pub fn short_turns(rng: &mut Rng, most: i64) -> Vec<Turn> {
    let mut at = 1;
    (0..rng.range(1, most))
        .map(|_| {
            at += rng.range(5, 900);
            data(rng, at)
        })
        .collect()
}

/// Turns up to an offset, with waits between `least` and `most` milliseconds.
pub fn long_turns(rng: &mut Rng, until: i64, least: i64, most: i64) -> Vec<Turn> {
    let mut turns = Vec::new();
    let mut at = 1;
    while at < until {
        turns.push(data(rng, at));
        at += rng.range(least, most);
    }
    turns
}

/// Turns at a fixed pace in absolute time, for [`exchange`].
pub fn paced(from: i64, until: i64, pace: i64, up: (u32, u64), down: (u32, u64)) -> Vec<Turn> {
    let mut turns = Vec::new();
    let mut at = from;
    while at < until {
        turns.push(Turn { at, up, down });
        at += pace;
    }
    turns
}

fn data(rng: &mut Rng, at: i64) -> Turn {
    let up = rng.range(1, 4) as u32;
    let down = rng.range(1, 12) as u32;
    Turn {
        at,
        up: (up, u64::from(up) * 52 + rng.range(40, 900) as u64),
        down: (down, u64::from(down) * 52 + rng.range(100, 14_000) as u64),
    }
}
