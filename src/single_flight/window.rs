//! How much of a budget was spent recently.

use std::collections::VecDeque;
use std::time::Duration;

use super::policy::Budget;

/// The times of the latest calls that count against a [`Budget`], never more than it allows.
#[derive(Debug)]
pub(crate) struct Window {
    budget: Budget,
    /// In ascending order.
    spent_at: VecDeque<Duration>,
}

impl Window {
    pub(crate) const fn new(budget: Budget) -> Self {
        Self { budget, spent_at: VecDeque::new() }
    }

    /// How many calls count now.
    pub(crate) fn spent(&self, now: Duration) -> usize {
        self.spent_at.iter().filter(|at| self.budget.counts(now.saturating_sub(**at))).count()
    }

    /// How long until one more call is within the budget.
    pub(crate) fn until_room(&self, now: Duration) -> Duration {
        if self.budget.has_room(self.spent(now)) {
            return Duration::ZERO;
        }
        let oldest = self.spent_at.front().copied().unwrap_or_default();
        oldest.saturating_add(self.budget.window).saturating_sub(now)
    }

    pub(crate) fn note(&mut self, now: Duration) {
        while self.spent_at.len() >= self.budget.calls && self.spent_at.pop_front().is_some() {}
        self.spent_at.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f02_the_oldest_call_frees_its_place_first() {
        let mut window = Window::new(Budget { calls: 2, window: Duration::from_secs(30) });
        let at = Duration::from_secs;
        let state = |window: &Window, now| (window.spent(at(now)), window.until_room(at(now)).as_secs());
        assert_eq!(state(&window, 0), (0, 0));
        window.note(at(0));
        assert_eq!(state(&window, 10), (1, 0));
        window.note(at(10));
        assert_eq!([10, 29, 30, 39, 40].map(|now| state(&window, now)), [(2, 20), (2, 1), (1, 0), (1, 0), (0, 0)]);
        window.note(at(35));
        window.note(at(36));
        assert_eq!(state(&window, 36), (2, 29));
        for now in 0..1_000 {
            window.note(at(36 + now));
        }
        assert_eq!(window.spent_at.len(), 2);
    }
}
