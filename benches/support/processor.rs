//! What the processor's cores did, and what the machine's host took of their time for its other guests.

/// Of the cores' time. A host that takes more disturbs a run of a second.
const DISTURBING: f64 = 0.01;

/// How often a run is tried.
const TRIES: usize = 3;

/// What a run gave, and the share of all cores' time that the host took meanwhile.
pub(crate) struct Run<T> {
    pub(crate) result: T,
    pub(crate) stolen: f64,
}

/// Runs again while the host disturbs it, and gives the run from which it took least. What was measured plays no part
/// in that.
pub(crate) fn undisturbed<T>(mut run: impl FnMut() -> T) -> Run<T> {
    let mut watched = || {
        let before = CoreTime::of_all();
        let result = run();
        Run { result, stolen: CoreTime::of_all().stolen_since(&before) }
    };
    let mut best = watched();
    for _ in 1..TRIES {
        if best.stolen <= DISTURBING {
            break;
        }
        let next = watched();
        if next.stolen < best.stolen {
            best = next;
        }
    }
    best
}

/// Time since the machine started, in ticks. Where the system does not tell, nothing was idle and nothing was taken.
#[derive(Default)]
pub(crate) struct CoreTime {
    idle: f64,
    stolen: f64,
    all: f64,
}

impl CoreTime {
    pub(crate) fn of_all() -> Self {
        Self::of("cpu ")
    }

    pub(crate) fn of_core(core: usize) -> Self {
        Self::of(&format!("cpu{core} "))
    }

    fn of(name: &str) -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let Some(line) = stat.lines().find_map(|line| line.strip_prefix(name)) else { return Self::default() };
        let ticks: Vec<f64> = line.split_whitespace().map(|ticks| ticks.parse().unwrap()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user.
        Self { idle: ticks[3] + ticks[4], stolen: ticks[7], all: ticks[..8].iter().sum() }
    }

    /// How much of the time there was something to do. What the host took counts: something would have computed.
    pub(crate) fn busy_since(&self, earlier: &Self) -> f64 {
        1.0 - (self.idle - earlier.idle) / (self.all - earlier.all).max(1.0)
    }

    fn stolen_since(&self, earlier: &Self) -> f64 {
        (self.stolen - earlier.stolen) / (self.all - earlier.all).max(1.0)
    }
}
