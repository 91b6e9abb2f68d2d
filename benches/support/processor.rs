//! What the machine's cores did, and what its host took of their time for its other guests.

use std::ops::{AddAssign, Sub};

/// Time, in ticks. Where the system does not tell, nothing was idle and nothing was taken.
#[derive(Clone, Copy, Default)]
pub(crate) struct CoreTime {
    idle: f64,
    stolen: f64,
    all: f64,
}

impl CoreTime {
    /// Since the machine started, of one core or of all.
    pub(crate) fn of(core: Option<usize>) -> Self {
        let name = core.map_or("cpu ".to_owned(), |core| format!("cpu{core} "));
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let Some(line) = stat.lines().find_map(|line| line.strip_prefix(&*name)) else { return Self::default() };
        let ticks: Vec<f64> = line.split_whitespace().map(|ticks| ticks.parse().unwrap()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user.
        Self { idle: ticks[3] + ticks[4], stolen: ticks[7], all: ticks[..8].iter().sum() }
    }

    /// How much of the time there was something to do. What the host took counts: something would have computed.
    pub(crate) fn busy(&self) -> f64 {
        1.0 - self.idle / self.all.max(1.0)
    }

    /// How much of the time the host took.
    pub(crate) fn stolen(&self) -> f64 {
        self.stolen / self.all.max(1.0)
    }
}

impl Sub for CoreTime {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { idle: self.idle - earlier.idle, stolen: self.stolen - earlier.stolen, all: self.all - earlier.all }
    }
}

impl AddAssign for CoreTime {
    fn add_assign(&mut self, more: Self) {
        *self = Self { idle: self.idle + more.idle, stolen: self.stolen + more.stolen, all: self.all + more.all };
    }
}
