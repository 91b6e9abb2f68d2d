//! The median of some rounds, and how far it can be trusted.

use serde::Serialize;

/// A median, and the numbers that it lies between in 95 of 100 repetitions of the whole.
#[derive(Serialize)]
pub(crate) struct Interval {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// By order statistics, so that nothing is assumed of how the numbers are spread: of n, the j-th smallest and the j-th
/// largest, with the greatest j for which a fair coin thrown n times shows fewer than j heads at most once in 40 times.
/// Of fewer than six numbers nothing can be said at this level; it is then the smallest and the largest.
pub(crate) fn median_interval(mut numbers: Vec<f64>) -> Interval {
    numbers.sort_unstable_by(f64::total_cmp);
    let n = numbers.len();
    let middle = n / 2;
    let median = if n % 2 == 1 { numbers[middle] } else { f64::midpoint(numbers[middle - 1], numbers[middle]) };

    // `exactly` is the chance of `rank` heads, `at_most` that of so many or fewer.
    let mut exactly = 0.5_f64.powi(i32::try_from(n).unwrap());
    let mut at_most = exactly;
    let mut rank = 0;
    while at_most <= 0.025 && rank + 1 < n - rank {
        let throws = |number: usize| f64::from(u32::try_from(number).unwrap());
        exactly *= throws(n - rank) / throws(rank + 1);
        at_most += exactly;
        rank += 1;
    }
    let outermost = rank.saturating_sub(1);
    Interval { median, low: numbers[outermost], high: numbers[n - 1 - outermost] }
}

#[cfg(test)]
mod tests {
    /// The ranks are those of the tables: 6 and 15 of 20, 6 and 16 of 21, 1 and 6 of 6.
    #[test]
    fn ranks_are_those_of_the_tables() {
        for (n, low, high) in [(20, 6, 15), (21, 6, 16), (6, 1, 6), (3, 1, 3), (1, 1, 1)] {
            let interval = super::median_interval((1..=n).map(f64::from).collect());
            assert_eq!((interval.low, interval.high), (f64::from(low), f64::from(high)), "{n}");
        }
    }
}
