//! What happens to a fleet, and what the model says that the provider sees of it.

use Event::{AnnounceKey, ComeBack, Flood, GoDown, Rotate, RotateWithoutOverlap};

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) start: Start,
    /// In order of their time, in seconds since the start.
    pub(crate) events: Vec<(u64, Event)>,
    pub(crate) phases: Vec<Phase>,
}

/// When replicas get their first request.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    /// At any moment of the first four minutes, the time between two refreshes: as after days.
    Spread,
    /// All at once: a deployment.
    Together,
}

#[derive(Clone, Copy)]
pub(crate) enum Event {
    /// The next key is published and signs nothing yet.
    AnnounceKey,
    /// The next key signs, whether it was announced or not; the last one stays published.
    Rotate,
    /// The next key signs, and the last one is gone.
    RotateWithoutOverlap,
    GoDown,
    ComeBack,
    /// Somebody sends tokens with made-up `kid`s to all replicas.
    Flood {
        seconds: u64,
    },
}

/// A time that is looked at.
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) from: u64,
    pub(crate) until: u64,
    /// What the model says of each replica: this many requests in this many seconds.
    pub(crate) model: (u32, u32),
}

/// One refresh in each 80 % of the lifetime, which is five minutes unless the provider or the policy says otherwise.
const STEADY: (u32, u32) = (1, 240);
/// The longest pause between two attempts.
const RETRY: (u32, u32) = (1, 60);
/// Each replica once, in a phase of a minute.
const ALL_IN_A_MINUTE: (u32, u32) = (1, 60);
/// What unknown `kid`s may cause.
const BUDGET: (u32, u32) = (2, 30);

pub(crate) fn all() -> Vec<Scenario> {
    let phase = |name, from, until, model| Phase { name, from, until, model };
    let spread = |name, events, phases| Scenario { name, start: Start::Spread, events, phases };
    let together = |name, events, phases| Scenario { name, start: Start::Together, events, phases };
    vec![
        spread("healthy", vec![], vec![phase("healthy", 600, 4_200, STEADY)]),
        together(
            "deployment",
            vec![],
            vec![
                phase("all start at once: first 10 s", 0, 10, (1, 10)),
                phase("first refresh: 210 to 270 s later", 210, 270, ALL_IN_A_MINUTE),
                phase("an hour later", 3_600, 4_200, STEADY),
            ],
        ),
        spread(
            "announced rotation",
            vec![(600, AnnounceKey), (1_200, Rotate)],
            vec![phase("rotation, announced 10 min before: 5 min", 1_200, 1_500, STEADY)],
        ),
        spread(
            "rotation",
            vec![(600, Rotate)],
            vec![phase("rotation with overlap, not announced: 1 min", 600, 660, ALL_IN_A_MINUTE)],
        ),
        spread(
            "rotation without overlap",
            vec![(600, RotateWithoutOverlap)],
            vec![phase("rotation without overlap: 1 min", 600, 660, ALL_IN_A_MINUTE)],
        ),
        spread(
            "outage",
            vec![(600, GoDown), (3_600, ComeBack)],
            vec![
                phase("outage of 50 min", 600, 3_600, RETRY),
                phase("recovery: first minute", 3_600, 3_660, ALL_IN_A_MINUTE),
                // All have keys of the same minute, so in ten minutes each refreshes them twice.
                phase("recovery: next 10 min", 3_660, 4_260, (2, 600)),
            ],
        ),
        spread(
            "flood",
            vec![(600, Flood { seconds: 600 })],
            vec![phase("flood of random `kid`s: 10 min", 600, 1_200, BUDGET)],
        ),
        together(
            "deployment in an outage",
            vec![(0, GoDown), (300, ComeBack)],
            vec![
                // At once, and after 5, 15, 35, 75, 135, 195 and 255 seconds.
                phase("all start in an outage of 5 min", 0, 300, (8, 300)),
                phase("its end: first minute", 300, 360, ALL_IN_A_MINUTE),
            ],
        ),
    ]
}
