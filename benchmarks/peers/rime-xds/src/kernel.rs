//! What a change costs: the rows of the table that rime's own kernel is measured in.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use rime_xds::{Plane, ResourceMap, Subscriber, Update};
use xxhash_rust::xxh3::xxh3_64;

use crate::measure::{nanoseconds_each, report};
use crate::resources::{Changes, Loaded};

const RUNS: usize = 31;
const SUBSCRIBERS: usize = 100;

/// `apply` of a new body, in a Plane that nobody subscribes to.
pub fn apply_changed(n: usize) {
    let mut loaded = Loaded::with(n);
    let count = 100_000 / n.max(20);
    report("apply changed", n, RUNS, || {
        let changes = loaded.changes.take(count);
        nanoseconds_each(count, || {
            for (i, body) in changes {
                assert!(loaded.plane.apply(&loaded.changes.names[i], body));
            }
        })
    });
}

/// `apply` of the body that is there.
pub fn apply_unchanged(n: usize) {
    const COUNT: usize = 20_000;
    let mut loaded = Loaded::with(n);
    let held: Vec<_> = {
        let snapshot = loaded.plane.snapshot();
        let map = snapshot.load();
        loaded.changes.names.iter().map(|name| map[name].clone()).collect()
    };
    report("apply unchanged", n, RUNS, || {
        let same: Vec<_> = (0..COUNT).map(|i| (i % n, held[i % n].clone())).collect();
        nanoseconds_each(COUNT, || {
            for (i, body) in same {
                assert!(!loaded.plane.apply(&loaded.changes.names[i], body));
            }
        })
    });
}

/// `apply` of a new body, and what it means to 100 subscribers: each takes its update and acknowledges it.
pub fn apply_to_subscribers(n: usize) {
    let mut loaded = Loaded::with(n);
    let mut subscribers = loaded.subscribers(SUBSCRIBERS);
    let count = 1 + 500 / n;
    let runs = if n < 10_000 { RUNS } else { 5 };
    report("apply + 100 subscribers", n, runs, || {
        let changes = loaded.changes.take(count);
        nanoseconds_each(count, || {
            for (i, body) in changes {
                // the hash that acknowledges, which the crate leaves to its caller: once for all, not once for each
                let version = xxh3_64(&body);
                let name = &loaded.changes.names[i];
                loaded.plane.apply(name, body);
                for subscriber in &mut subscribers {
                    let update = next_update(subscriber);
                    assert_eq!(update.resources.len(), 1);
                    subscriber.acknowledge(name, version);
                }
            }
        })
    });
}

/// What `changed` gives once there is something: polled by hand, which costs less than any executor.
fn next_update(subscriber: &mut Subscriber) -> Update {
    match pin!(subscriber.changed()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(update)) => update,
        Poll::Ready(None) | Poll::Pending => panic!("a change, and no update"),
    }
}

/// Filling an empty Plane by `apply`; the figure is for all `n`.
pub fn load_one_by_one(n: usize) {
    let mut changes = Changes::of(n);
    report("load one by one", n, 3, || {
        let bodies = changes.take(n);
        nanoseconds_each(1, || {
            let (mut plane, _wake) = Plane::new();
            for (i, body) in bodies {
                plane.apply(&changes.names[i], body);
            }
            black_box(&plane);
        })
    });
}

/// The same by `reconcile`, which takes a map of all.
pub fn load_at_once(n: usize) {
    let mut changes = Changes::of(n);
    report("load at once", n, 7, || {
        let bodies = changes.take(n);
        nanoseconds_each(1, || {
            let (mut plane, _wake) = Plane::new();
            let map: ResourceMap = bodies
                .into_iter()
                .map(|(i, body)| (changes.names[i].clone(), body))
                .collect();
            plane.reconcile(map);
            black_box(&plane);
        })
    });
}
