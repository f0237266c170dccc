//! The records of one tuple become connections. A connection is a list of records; every question about it
//! is asked of the whole list again (domain A.4, C.2, C.5).

use super::model::Record;

/// A record with the way it travels.
#[derive(Clone, Debug)]
pub struct Seen {
    pub record: Record,
    pub inward: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Connection {
    pub seen: Vec<Seen>,
    /// Rejected packets that came too late: no part of the connection's life.
    pub late: Vec<Seen>,
    pub after_accepted: bool,
    /// The last rejected record spoke of Block Public Access.
    pub blocked_public_access: bool,
}

/// A SYN without ACK: its sender opens.
pub fn opens(record: &Record) -> bool {
    record.flags.is_some_and(|f| f & 2 != 0 && f & 16 == 0)
}

/// A SYN with ACK: its sender answers.
pub fn answers(record: &Record) -> bool {
    record.flags.is_some_and(|f| f & 2 != 0 && f & 16 != 0)
}

pub fn closes(record: &Record) -> bool {
    record.flags.is_some_and(|f| f & 1 != 0 || f & 4 != 0)
}

/// What is known of the interface.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub protocol: u8,
    /// TCP established, UDP stream, UDP.
    pub timeouts: [Option<i64>; 3],
    /// First second that the interface was heard of.
    pub since: i64,
}

impl Connection {
    /// Records of one direction and action.
    pub fn pick(&self, inward: bool, accepted: bool) -> Vec<&Record> {
        self.seen
            .iter()
            .filter(|s| s.inward == inward && s.record.accepted == accepted)
            .map(|s| &s.record)
            .collect()
    }

    fn accepted(&self, inward: bool) -> Vec<&Record> {
        self.pick(inward, true)
    }

    pub fn any_accepted(&self) -> bool {
        self.seen.iter().any(|s| s.record.accepted)
    }

    fn both_ways_accepted(&self) -> bool {
        !self.accepted(true).is_empty() && !self.accepted(false).is_empty()
    }

    fn members(&self) -> &[Seen] {
        if self.seen.is_empty() { &self.late } else { &self.seen }
    }

    pub fn start(&self) -> i64 {
        self.members().iter().map(|s| s.record.start).min().unwrap()
    }

    pub fn end(&self) -> i64 {
        self.members().iter().map(|s| s.record.end).max().unwrap()
    }

    /// How long it may be silent and still be the same connection.
    fn patience(&self, terms: &Terms) -> i64 {
        let [tcp, stream, single] = terms.timeouts;
        if !self.any_accepted() {
            // An attempt: SYNs are repeated with pauses of up to 64 s.
            return 180;
        }
        match terms.protocol {
            6 => tcp.unwrap_or(432_000),
            17 => {
                let packets = |inward| self.accepted(inward).iter().map(|r| r.packets).sum::<u64>();
                let streams = packets(true) > 1 && packets(false) > 1;
                let from_before = self.start() <= terms.since + 180;
                if streams || from_before { stream.unwrap_or(180) } else { single.unwrap_or(30) }
            }
            _ => 600,
        }
    }

    /// An accepted record that was sent the other way than the rejected ones so far, of the same time: the
    /// rejected ones are replies, and were merely listed first.
    fn is_request_of_rejected_replies(&self, next: &Seen) -> bool {
        let replies = self.pick(!next.inward, false);
        let Some(last) = replies.iter().map(|r| r.end).max() else { return false };
        !replies.iter().any(|r| opens(r))
            && self.pick(next.inward, false).is_empty()
            && next.record.start <= last + 60
    }

    /// Is this record the first one of another connection?
    fn is_over_before(&self, next: &Seen, terms: &Terms) -> bool {
        let record = &next.record;
        let tcp = terms.protocol == 6;
        let only_attempts_so_far = !self.any_accepted();
        let starts_accepting =
            record.accepted && only_attempts_so_far && !self.is_request_of_rejected_replies(next);

        // The middle of a stream opens nothing, but accepted traffic is not part of a rejected attempt.
        let middle = tcp && record.flags.is_some() && !opens(record) && !answers(record);
        if middle {
            return starts_accepting;
        }
        let pause = (record.start - self.end()).max(0);
        // The first answer was let in by what it answers, so it came in time, whatever the times say.
        let first_answer = record.accepted
            && self.accepted(next.inward).is_empty()
            && !self.accepted(!next.inward).is_empty();
        if pause > self.patience(terms) + if first_answer { 60 } else { 0 } {
            return true;
        }
        if tcp && opens(record) {
            return self.is_over_before_syn(next, pause, starts_accepting);
        }
        if tcp && record.accepted && answers(record) {
            // After the close, a second SYN-ACK answers a SYN that was not captured.
            let closed = self.seen.iter().any(|s| closes(&s.record));
            let second = self.accepted(next.inward).iter().any(|r| answers(r));
            if second && closed && record.start > self.end() {
                return true;
            }
        }
        if record.accepted && only_attempts_so_far {
            return starts_accepting;
        }
        if !tcp && !record.accepted && self.both_ways_accepted() {
            // Without connections there are no late packets: an attempt of its own.
            return pause > 0 && self.pick(next.inward, false).is_empty();
        }
        false
    }

    fn is_over_before_syn(&self, next: &Seen, pause: i64, starts_accepting: bool) -> bool {
        let record = &next.record;
        let same = self.pick(next.inward, record.accepted);
        let opposite = self.pick(!next.inward, record.accepted);
        let later = record.start > self.end();
        let syn_before = same.iter().any(|r| opens(r));
        if !record.accepted && self.any_accepted() {
            // Rejected after something was accepted: another attempt, counted once.
            return !syn_before;
        }
        if record.accepted && !self.any_accepted() {
            return starts_accepting;
        }
        let closed = self.seen.iter().any(|s| closes(&s.record));
        if !syn_before {
            let opened_by_other_side = opposite.iter().any(|r| opens(r));
            let tail_of_older =
                self.any_accepted() && !self.accepted(!next.inward).iter().any(|r| answers(r));
            let finished = closed && self.both_ways_accepted();
            return later && (opened_by_other_side || tail_of_older || finished);
        }
        if closed && later {
            return true;
        }
        if !self.accepted(!next.inward).is_empty() {
            // It was answered, so this is no retransmission.
            let last_same = same.iter().map(|r| r.end).max().unwrap();
            return record.start > last_same && (pause > 60 || closes(record));
        }
        pause > 180
    }

    fn take(&mut self, next: Seen, protocol: u8) {
        let record = &next.record;
        if !record.accepted {
            let syn = record.flags.is_some_and(|f| f & 2 != 0);
            let late = protocol == 6 && !syn && (self.both_ways_accepted() || self.after_accepted);
            if late && !record.blocked_public_access {
                self.late.push(next);
                return;
            }
            self.blocked_public_access = record.blocked_public_access;
        }
        self.seen.push(next);
    }
}

/// Cuts a tuple's records, sorted by time.
pub fn cut(records: Vec<Seen>, terms: &Terms) -> Vec<Connection> {
    let mut done: Vec<Connection> = Vec::new();
    let mut current = Connection::default();
    for next in records {
        if !current.seen.is_empty() && current.is_over_before(&next, terms) {
            let after_accepted = current.any_accepted() || current.after_accepted;
            done.push(std::mem::take(&mut current));
            current.after_accepted = after_accepted;
        }
        current.take(next, terms.protocol);
    }
    if !current.seen.is_empty() || !current.late.is_empty() {
        done.push(current);
    }
    done
}
