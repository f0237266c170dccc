//! What must be found: one of every class, of sizes from hardly visible to plain.

use super::world::{DAY, HOUR, PRIVATE, PUBLIC, Plant, Row, START, World, id, ip};

/// Plants everything.
pub fn plant(world: &mut World) {
    brute_force(world);
    port_scan(world, false);
    port_scan(world, true);
    host_sweep(world, false);
    host_sweep(world, true);
    distributed_surge(world);
    broken_dependency(world);
    blocked_egress(world);
    blocked_reply(world);
    backscatter(world);
    slow_scan(world, false);
    slow_scan(world, true);
    unclassified(world);
}

/// A time in the second half, or later than the first day of a short log, with room for what takes long.
fn begin(world: &mut World, length: i64) -> i64 {
    let (from, to) = (START + DAY, world.end() - length - HOUR);
    world.random.range(from, to.max(from + 1))
}

/// A number of attempts.
fn some(world: &mut World, least: i64, most: i64) -> i64 {
    (world.random.range(least, most) as f64 * world.strength).ceil() as i64
}

/// Seconds between attempts.
fn slower(world: &World, pause: i64) -> i64 {
    (pause as f64 / world.strength).ceil() as i64
}

fn public(world: &mut World) -> usize {
    world.random.range(0, PUBLIC as i64 - 2) as usize
}

/// One that no other plant is about.
fn private(world: &mut World) -> usize {
    world.random.range(PUBLIC as i64 + 6, (PUBLIC + PRIVATE) as i64 - 1) as usize
}

fn inside(world: &mut World) -> String {
    format!("10.3.{}.{}", world.random.range(0, 20), world.random.range(1, 250))
}

fn put(world: &mut World, cause: &'static str, sources: Vec<String>, targets: &[usize], time: (i64, i64)) {
    let targets = targets.iter().map(|&at| id(at)).collect();
    world.plants.push(Plant { cause, sources, port: None, targets, from: time.0, to: time.1 });
}

fn brute_force(world: &mut World) {
    let length = world.random.range(10, 60) * 60;
    let (from, target, source) = (begin(world, length), public(world), world.random.outside());
    let (port, pause) = (world.random.pick(&[22, 3389, 3306]), world.random.range(1, 6));
    let pause = slower(world, pause);
    for n in 0..length / pause {
        world.refused(target, &source, port, from + n * pause);
    }
    put(world, "brute-force", vec![source], &[target], (from, from + length));
}

fn port_scan(world: &mut World, from_inside: bool) {
    let (ports, length) = (some(world, 100, 1000), world.random.range(2, 20) * 60);
    let from = begin(world, length);
    let (source, target) = match from_inside {
        true => (inside(world), private(world)),
        false => (world.random.outside(), public(world)),
    };
    let first = world.random.range(1, 40_000);
    for n in 0..ports {
        world.refused(target, &source, (first + n) as u16, from + length * n / ports);
    }
    put(world, "port-scan", vec![source], &[target], (from, from + length));
}

fn host_sweep(world: &mut World, from_inside: bool) {
    let length = world.random.range(2, 15) * 60;
    let from = begin(world, length);
    let (source, targets, tries): (_, Vec<usize>, _) = match from_inside {
        true => (inside(world), (PUBLIC + 6..PUBLIC + 6 + world.random.range(6, 15) as usize).collect(), 2),
        false => (world.random.outside(), (0..PUBLIC - 1).collect(), some(world, 60, 60)),
    };
    let port = world.random.pick(&[445, 3389, 22, 5985]);
    for &target in &targets {
        for _ in 0..tries {
            let at = from + world.random.range(0, length);
            world.refused(target, &source, port, at);
        }
    }
    put(world, "host-sweep", vec![source], &targets, (from, from + length));
}

fn distributed_surge(world: &mut World) {
    let length = world.random.range(20, 60) * 60;
    let (from, port) = (begin(world, length), world.random.pick(&[23, 5555, 37_215]));
    let count = world.random.range(1, PUBLIC as i64 - 2) as usize;
    let (targets, mut sources): (Vec<usize>, _) = ((0..count).collect(), Vec::new());
    for _ in 0..some(world, 200, 600) * count as i64 {
        let (source, target) = (world.random.outside(), world.random.pick(&targets));
        let at = from + world.random.range(0, length);
        world.refused(target, &source, port, at);
        sources.push(source);
    }
    put(world, "distributed-surge", sources, &targets, (from, from + length));
    if let Some(plant) = world.plants.last_mut() {
        plant.port = Some(port);
    }
}

fn broken_dependency(world: &mut World) {
    let (target, closed) = (PUBLIC, world.closed);
    let source = inside(world);
    let mut at = START;
    while at < closed {
        world.accepted(target, &source, 5432, at, true);
        at += world.random.range(60, 400);
    }
    let (length, pause) = (world.random.range(2, 12) * HOUR, world.random.range(10, 60));
    let pause = slower(world, pause);
    for n in 0..length / pause {
        world.refused(target, &source, 5432, closed + n * pause);
    }
    put(world, "broken-dependency", vec![source], &[target], (closed, closed + length));
}

fn blocked_egress(world: &mut World) {
    let length = world.random.range(1, 6) * HOUR;
    let (from, at, remote) = (begin(world, length), private(world), world.random.outside());
    let (own, pause) = (ip(at), world.random.range(5, 25));
    let pause = slower(world, pause);
    for n in 0..length / pause {
        let port = world.random.range(1024, 65_535) as u16;
        let time = from + n * pause;
        let row = Row { at: time, from: (&own, port), to: (&remote, 443), accepted: false, flags: 2 };
        world.row(at, row);
    }
    put(world, "blocked-egress", vec![remote], &[at], (from, from + length));
}

fn blocked_reply(world: &mut World) {
    let length = world.random.range(1, 3) * HOUR;
    let (from, target) = (begin(world, length), PUBLIC + 1);
    let source = format!("10.77.0.{}", world.random.range(1, 250));
    let pause = world.random.range(5, 20);
    let pause = slower(world, pause);
    for n in 0..length / pause {
        world.accepted(target, &source, 8000, from + n * pause, false);
    }
    put(world, "blocked-reply", vec![source], &[target], (from, from + length));
}

/// A victim answers those who seem to have asked.
fn backscatter(world: &mut World) {
    let length = world.random.range(20, 60) * 60;
    let (from, victim) = (begin(world, length), world.random.outside());
    let targets: Vec<usize> = (0..PUBLIC - 1).collect();
    for _ in 0..some(world, 1500, 4000) {
        let target = world.random.pick(&targets);
        let (own, at) = (ip(target), from + world.random.range(0, length));
        let port = world.random.range(1024, 65_535) as u16;
        let flags = world.random.pick(&[18, 18, 4]);
        let row = Row { at, from: (&victim, 443), to: (&own, port), accepted: false, flags };
        world.row(target, row);
    }
    put(world, "backscatter", vec![victim], &targets, (from, from + length));
}

fn slow_scan(world: &mut World, from_inside: bool) {
    let length = world.random.range(2, (world.days - 2).clamp(2, 5)) * DAY;
    let from = begin(world, length);
    let (source, targets): (_, Vec<usize>) = match from_inside {
        true => (inside(world), (PUBLIC + 6..PUBLIC + PRIVATE).collect()),
        false => (world.random.outside(), (0..PUBLIC - 1).collect()),
    };
    for n in 0..length / 600 {
        let (target, port) = (world.random.pick(&targets), world.random.range(1, 1200) as u16);
        let at = from + n * 600 + world.random.range(0, 300);
        world.refused(target, &source, port, at);
    }
    put(world, "slow-scan", vec![source], &targets, (from, from + length));
}

/// Many sources on many ports: nothing in common.
fn unclassified(world: &mut World) {
    let length = world.random.range(10, 40) * 60;
    let (from, target) = (begin(world, length), public(world));
    let mut sources = Vec::new();
    for _ in 0..some(world, 600, 1500) {
        let (source, at) = (world.random.outside(), from + world.random.range(0, length));
        let port = world.random.range(1025, 65_535) as u16;
        world.refused(target, &source, port, at);
        sources.push(source);
    }
    put(world, "unclassified", sources, &[target], (from, from + length));
}
