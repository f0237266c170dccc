//! Rejected spikes in simulated worlds: enough is found, under the right name, and little besides.

mod plants;
mod score;
mod world;

fn evaluate(seeds: std::ops::Range<u64>, days: i64) -> score::Score {
    let mut score = score::Score::default();
    for seed in seeds {
        let directory = tempfile::tempdir().unwrap();
        let mut world = world::World::new(seed, days, 1.0);
        plants::plant(&mut world);
        score::score(&world, directory.path(), &mut score);
    }
    println!("{score}");
    score
}

/// Long enough for hours of the week.
#[test]
fn two_weeks() {
    let score = evaluate(100..102, 15);
    let (recall, right) = score.recall_and_right();
    assert!(recall >= 0.95 && right >= 0.9, "{score}");
    assert!(score.wrong_per_thousand() <= 1.0, "{score}\n{}", score.wrong.join("\n"));
    let [lists, named, right] = score.lists;
    assert!(lists > 0 && named == right, "who is called a scanner is one: {score}");
    assert!(score.ignored > 0, "the scanner of the house was ignored, and that was counted");
}

/// Long enough for hours of the day.
#[test]
fn five_days() {
    let score = evaluate(200..203, 5);
    let (recall, right) = score.recall_and_right();
    assert!(recall >= 0.9 && right >= 0.85, "{score}");
    assert!(score.wrong.len() <= 3, "{score}\n{}", score.wrong.join("\n"));
}
