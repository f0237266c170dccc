//! A week of an account in which nothing bad happens, but much that looks like it.

use super::estate::{DAY, End, Estate, HOUR, MONDAY, Random, Talk};
use End::{Host, Outside};

/// Busy in the afternoon, quiet at night and on the weekend.
fn load(hour: u32) -> f64 {
    let wave = ((f64::from(hour % 24) - 14.0) / 24.0 * std::f64::consts::TAU).cos();
    let weekend = if hour / 24 >= 5 { 0.6 } else { 1.0 };
    (0.55 + 0.45 * wave) * weekend
}

fn anybody(random: &mut Random) -> String {
    let first = [18, 31, 46, 62, 77, 81, 91, 109, 151, 188][random.below(10) as usize];
    format!("{first}.{}.{}.{}", random.below(256), random.below(256), random.between(1, 255))
}

fn pick(random: &mut Random, from: &[usize]) -> usize {
    from[random.below(from.len() as u32) as usize]
}

/// The week of a seed; hours from Monday on, at most seven days.
pub fn benign(seed: u64, rich: bool) -> Estate {
    let mut estate = Estate::new(rich);
    estate.add_managed("alb", 2, "interface", "ELB app/front/0123456789abcdef");
    estate.add_managed("nat", 1, "nat_gateway", "Interface for NAT Gateway nat-1");
    for (group, count) in [
        ("web", 40),
        ("app", 40),
        ("db", 4),
        ("cache", 4),
        ("worker", 12),
        ("mon", 1),
        ("bastion", 1),
        ("batch", 1),
        ("mail", 2),
        ("media", 4),
    ] {
        estate.add(group, count);
    }
    let new_web = estate.add("web", 10);
    let search = estate.add("search", 3);
    let gone = estate.add("web", 5);
    gone.iter().for_each(|host| estate.hosts[*host].gone = true);

    let mut random = Random(seed);
    for hour in 0..168 {
        an_hour(&mut estate, &mut random, hour, &new_web, &gone);
    }
    backups(&mut estate, &mut random);
    singles(&mut estate, &mut random);
    tasks(&mut estate, &mut random);
    // Friday: every web server begins to use a new search service.
    for hour in 106..168 {
        let web = alive(&estate, hour, &new_web, &gone);
        for host in web {
            if random.share() < 0.3 {
                let at = MONDAY + hour * HOUR + random.below(HOUR);
                let server = pick(&mut random, &search);
                estate.talk(&Talk::tcp(at, Host(host), Host(server), 9_200));
            }
        }
    }
    estate
}

/// Web servers come on Friday, others went on Wednesday.
fn alive(estate: &Estate, hour: u32, new: &[usize], gone: &[usize]) -> Vec<usize> {
    let all = estate.of("web").iter().copied();
    all.filter(|h| !(new.contains(h) && hour < 100 || gone.contains(h) && hour >= 60)).collect()
}

fn an_hour(estate: &mut Estate, random: &mut Random, hour: u32, new: &[usize], gone: &[usize]) {
    let start = MONDAY + hour * HOUR;
    let web = alive(estate, hour, new, gone);
    let group = |estate: &Estate, name: &str| estate.of(name).to_vec();
    let (alb, app, db, cache) =
        (group(estate, "alb"), group(estate, "app"), group(estate, "db"), group(estate, "cache"));
    let (worker, mail, nat) = (group(estate, "worker"), group(estate, "mail"), estate.of("nat")[0]);
    let (mon, bastion, batch) = (estate.of("mon")[0], estate.of("bastion")[0], estate.of("batch")[0]);
    // Visitors, and on Saturday evening a crowd of them.
    let crowd = if (138..141).contains(&hour) { 10.0 } else { 1.0 };
    for _ in 0..random.count(40.0 * load(hour) * crowd) {
        let (visitor, door) = (anybody(random), pick(random, &alb));
        let at = start + random.below(HOUR);
        let page = u64::from(random.between(1_000_000, 20_000_000));
        estate.talk(&Talk::tcp(at, Outside(&visitor), Host(door), 443).bytes(3_000, page));
        let server = pick(random, &web);
        estate.talk(&Talk::tcp(at, Host(door), Host(server), 8_080));
    }
    // What each does for the next.
    for _ in 0..random.count(60.0 * load(hour)) {
        let at = start + random.below(HOUR);
        let (w, a) = (pick(random, &web), pick(random, &app));
        let (d, c) = (pick(random, &db), pick(random, &cache));
        estate.talk(&Talk::tcp(at, Host(w), Host(a), 9_000));
        estate.talk(&Talk::tcp(at, Host(a), Host(d), 5_432));
        estate.talk(&Talk::tcp(at, Host(a), Host(c), 6_379));
    }
    // Health checks and scraping, by the clock.
    for minute in (0..60).step_by(2) {
        for &host in &web[..2] {
            estate.talk(&Talk::tcp(start + minute * 60, Host(alb[0]), Host(host), 8_080).bytes(300, 300));
        }
    }
    for minute in (0..60).step_by(10) {
        for &host in app[..6].iter().chain(&db) {
            estate.talk(&Talk::tcp(start + minute * 60 + 7, Host(mon), Host(host), 9_100).bytes(300, 9_000));
        }
    }
    // Agents of a monitoring service, of the patch service, and NTP.
    for &host in &app[..12] {
        for minute in (0..60).step_by(15) {
            let at = start + minute * 60 + host as u32 % 60;
            estate.talk(&Talk::tcp(at, Host(host), Outside("192.0.2.50"), 443).bytes(2_000, 500));
        }
        let at = start + host as u32;
        estate.talk(&Talk {
            protocol: 17,
            ..Talk::tcp(at, Host(host), Outside("198.51.100.123"), 123).bytes(76, 76)
        });
    }
    // NTP by one host only.
    for minute in (0..60).step_by(17) {
        let at = start + minute * 60;
        estate.talk(&Talk {
            protocol: 17,
            ..Talk::tcp(at, Host(mail[0]), Outside("131.188.3.5"), 123).bytes(76, 76)
        });
    }
    // Everything on 443, wherever it is; the NAT gateway sees it, too.
    for _ in 0..random.count(30.0 * load(hour) + 5.0) {
        let (target, at) = (anybody(random), start + random.below(HOUR));
        let host = if random.below(3) == 0 { pick(random, &worker) } else { pick(random, &app) };
        let sent = u64::from(random.between(1_000, 3_000_000));
        estate.talk(&Talk::tcp(at, Host(host), Outside(&target), 443).bytes(sent, 90_000));
        estate.talk(&Talk::tcp(at, Host(nat), Outside(&target), 443).bytes(sent, 90_000));
    }
    // Mail goes wherever it must.
    for _ in 0..random.count(6.0 * load(hour)) {
        let (target, at) = (anybody(random), start + random.below(HOUR));
        estate.talk(&Talk::tcp(at, Host(pick(random, &mail)), Outside(&target), 25).bytes(30_000, 900));
    }
    // One host polls a partner's interface every five minutes, all week; another polls inside.
    for minute in (0..60).step_by(5) {
        estate.talk(
            &Talk::tcp(start + minute * 60 + 3, Host(batch), Outside("100.42.7.77"), 443).bytes(700, 2_000),
        );
        estate
            .talk(&Talk::tcp(start + minute * 60 + 5, Host(worker[3]), Host(app[7]), 9_000).bytes(500, 900));
    }
    // Administrators come from the office during the day.
    if hour / 24 < 5 && (8..18).contains(&(hour % 24)) {
        let at = start + random.below(HOUR);
        let office = format!("203.0.113.{}", random.between(10, 60));
        estate.talk(&Talk::tcp(at, Outside(&office), Host(bastion), 22).lasting(1_500));
        let all: Vec<usize> = [app, db, worker].concat();
        estate.talk(&Talk::tcp(at + 20, Host(bastion), Host(pick(random, &all)), 22).lasting(1_400));
    }
    // Every interface is watched all the time, whether or not it has something to say.
    for host in 0..estate.hosts.len() {
        let there = !new.contains(&host) || hour >= 100;
        if there && !estate.hosts[host].gone {
            (0..6).for_each(|part| estate.idle(host, start + part * 600 + 30));
        }
    }
    // Calls between people: any address, any port.
    for host in estate.of("media").to_vec() {
        for _ in 0..random.count(3.0 * load(hour)) {
            let (peer, port, at) =
                (anybody(random), random.between(10_000, 60_000) as u16, start + random.below(HOUR));
            let call =
                Talk::tcp(at, Host(host), Outside(&peer), port).bytes(4_000_000, 4_000_000).lasting(300);
            estate.talk(&Talk { protocol: 17, ..call });
        }
    }
    for _ in 0..4 {
        let (scanner, at) = (anybody(random), start + random.below(HOUR));
        estate.knock(at, &scanner, bastion, 23);
    }
}

fn backups(estate: &mut Estate, random: &mut Random) {
    let (db, worker) = (estate.of("db").to_vec(), estate.of("worker").to_vec());
    let (batch, mail) = (estate.of("batch")[0], estate.of("mail")[1]);
    for day in 0..7 {
        let at = MONDAY + day * DAY;
        for &host in &db {
            let size = u64::from(random.between(18, 24)) * 1_000_000_000;
            let begin = at + 2 * HOUR + random.below(900);
            for part in 0..4 {
                let target = format!("52.218.{}.{}", random.below(64), random.between(1, 255));
                estate.talk(
                    &Talk::tcp(begin + part * 600, Host(host), Outside(&target), 443)
                        .bytes(size / 4, 9_000)
                        .lasting(590),
                );
            }
        }
        let size = u64::from(random.between(1_800, 2_300)) * 1_000_000;
        estate.talk(
            &Talk::tcp(at + 3 * HOUR, Host(batch), Outside("212.58.9.200"), 22)
                .bytes(size, 9_000)
                .lasting(900),
        );
        // A job without a fixed hour.
        let begin = at + random.below(20) * HOUR;
        estate.talk(
            &Talk::tcp(begin, Host(worker[1]), Outside("195.70.1.220"), 443)
                .bytes(5_000_000_000, 9_000)
                .lasting(1_200),
        );
    }
    // Moved from the night to noon, once.
    for (day, hour) in [(0, 4), (1, 4), (2, 4), (3, 12)] {
        let at = MONDAY + day * DAY + hour * HOUR;
        estate.talk(
            &Talk::tcp(at, Host(worker[2]), Outside("185.40.2.230"), 443)
                .bytes(3_000_000_000, 9_000)
                .lasting(1_200),
        );
    }
    // Once a week: nobody can know that.
    estate.talk(
        &Talk::tcp(MONDAY + 6 * DAY + 4 * HOUR, Host(mail), Outside("194.6.3.240"), 443)
            .bytes(1_000_000_000, 9_000)
            .lasting(1_200),
    );
}

/// What one host of many does, and rightly.
fn singles(estate: &mut Estate, random: &mut Random) {
    let worker = estate.of("worker").to_vec();
    let (app, bastion, cache) = (estate.of("app").to_vec(), estate.of("bastion")[0], estate.of("cache")[0]);
    // Whoever is the leader polls a partner; the leader changes twice.
    for minute in (0..7 * 1_440).step_by(2) {
        let leader = worker[5 + minute / (3 * 1_440)];
        let at = MONDAY + minute as u32 * 60 + 11;
        estate.talk(&Talk::tcp(at, Host(leader), Outside("23.21.60.78"), 443).bytes(640, 2_100));
    }
    // A client whose server is gone tries again and again.
    for minute in 0..7 * 1_440 {
        let at = MONDAY + minute * 60 + 20;
        estate.talk(&Talk::tcp(at, Host(worker[8]), Outside("80.90.1.210"), 8_443).bytes(180, 0));
    }
    // Exports to customers: whichever worker is free, whenever somebody asks.
    for _ in 0..14 {
        let host = worker[random.below(12) as usize];
        let target = format!("52.217.{}.{}", random.below(256), random.between(1, 255));
        let (at, size) =
            (MONDAY + random.below(166 * HOUR), u64::from(random.between(600, 3_000)) * 1_000_000);
        estate.talk(&Talk::tcp(at, Host(host), Outside(&target), 443).bytes(size, 9_000).lasting(800));
    }
    // An administrator at home now and then, and once at a host where nobody was before.
    for day in [1, 2, 4, 6] {
        let home = anybody(random);
        let at = MONDAY + day * DAY + 20 * HOUR + random.below(HOUR);
        estate.talk(&Talk::tcp(at, Outside(&home), Host(bastion), 22).lasting(900));
        if day == 6 {
            estate.talk(&Talk::tcp(at + 60, Host(bastion), Host(cache), 22).lasting(600));
        }
    }
    // From Saturday on all of the application sends its logs elsewhere.
    for hour in 122..168 {
        for &host in &app {
            let at = MONDAY + hour * HOUR + random.below(HOUR);
            estate.talk(&Talk::tcp(at, Host(host), Outside("192.0.2.99"), 9_243).bytes(90_000, 900));
        }
    }
}

/// Containers that live for three hours, each with an interface of its own that is gone when the inventory is made.
fn tasks(estate: &mut Estate, random: &mut Random) {
    for begin in (0..168).step_by(3) {
        let [task] = estate.add("task", 1)[..] else { unreachable!() };
        estate.hosts[task].gone = true;
        let database = estate.of("db")[0];
        for minute in 0..170 {
            let at = MONDAY + begin * HOUR + minute * 60;
            estate.talk(&Talk::tcp(at, Host(task), Outside("3.120.5.90"), 443).bytes(800, 900));
            if minute % 10 == 0 {
                estate.talk(&Talk::tcp(at + random.below(60), Host(task), Host(database), 5_432));
            }
        }
    }
}
