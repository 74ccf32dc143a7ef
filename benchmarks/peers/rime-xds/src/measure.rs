//! Figures: how they are taken, and the line that tells one.

use std::time::Instant;

/// Nanoseconds that one of `count` pieces of work takes when `work` does them all.
pub fn nanoseconds_each(count: usize, work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_nanos() as f64 / count as f64
}

/// Prints a figure in nanoseconds: `run` is called once to warm up and then `runs` times for what it returns.
pub fn report(figure: &str, n: usize, runs: usize, mut run: impl FnMut() -> f64) {
    run();
    print(figure, n, "ns", (0..runs).map(|_| run()).collect());
}

/// Prints the minimum and the median of `values`, which must not be empty.
pub fn print(figure: &str, n: usize, unit: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    let runs = values.len();
    let median = (values[(runs - 1) / 2] + values[runs / 2]) / 2.0;
    println!(
        r#"{{"figure": "{figure}", "n": {n}, "unit": "{unit}", "min": {:.1}, "median": {median:.1}, "runs": {runs}}}"#,
        values[0]
    );
}
