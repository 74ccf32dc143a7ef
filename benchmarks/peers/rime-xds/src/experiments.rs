//! The four experiments whose results the crate publishes. Its benches are not in the package, so each is made again here
//! from what its README says of it.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use rime_xds::{Index, ResourceMap, Snapshot};
use xxhash_rust::xxh3::xxh3_64;

use crate::measure::{nanoseconds_each, report};
use crate::resources::{Changes, Loaded, SIZE, body};

const RUNS: usize = 31;

/// Loading the snapshot, while nothing and while something is written.
pub fn snapshot_reads(n: usize) {
    let mut loaded = Loaded::with(n);
    let snapshot = loaded.plane.snapshot();
    report("snapshot read, idle writer", n, RUNS, || read(&snapshot));

    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                for (i, body) in loaded.changes.take(1) {
                    loaded.plane.apply(&loaded.changes.names[i], body);
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        report("snapshot read, busy writer", n, RUNS, || read(&snapshot));
        stop.store(true, Relaxed);
    });
}

fn read(snapshot: &Snapshot) -> f64 {
    const COUNT: usize = 2_000_000;
    nanoseconds_each(COUNT, || {
        for _ in 0..COUNT {
            black_box(snapshot.load());
        }
    })
}

/// One resource of 10 KB in the hands of `subscribers`: all of the handles made, kept, and let go.
pub fn one_resource_to_many(subscribers: usize) {
    let shared = Bytes::from(vec![b'x'; 10 * 1_024]);
    let copied = shared.to_vec();
    report("10 KB to subscribers, shared", subscribers, RUNS, || {
        hand_out(&shared, subscribers)
    });
    report("10 KB to subscribers, copied", subscribers, RUNS, || {
        hand_out(&copied, subscribers)
    });
}

fn hand_out<Handle: Clone>(resource: &Handle, subscribers: usize) -> f64 {
    const COUNT: usize = 500;
    nanoseconds_each(COUNT, || {
        for _ in 0..COUNT {
            black_box(
                (0..subscribers)
                    .map(|_| black_box(resource).clone())
                    .collect::<Vec<_>>(),
            );
        }
    })
}

/// One hash of 1 KiB; `n` is the number of bytes.
pub fn hashes() {
    let bytes = body(1);
    report("hash, xxh3", SIZE, RUNS, || hash(&bytes, xxh3_64));
    report("hash, std", SIZE, RUNS, || {
        hash(&bytes, |bytes| {
            let mut hasher = DefaultHasher::new();
            hasher.write(bytes);
            hasher.finish()
        })
    });
    report("hash, blake3", SIZE, RUNS, || hash(&bytes, blake3::hash));
}

fn hash<Digest>(bytes: &[u8], with: impl Fn(&[u8]) -> Digest) -> f64 {
    const COUNT: usize = 10_000;
    nanoseconds_each(COUNT, || {
        for _ in 0..COUNT {
            black_box(with(black_box(bytes)));
        }
    })
}

/// One of `n` resources changes, and what is to be sent must come out: by putting the map of all together anew, by
/// hashing all of it, or by one look into an index that is kept.
pub fn one_change_among(n: usize) {
    let mut changes = Changes::of(n);
    let first = changes.take(n);
    let mut map: ResourceMap = first
        .into_iter()
        .map(|(i, body)| (changes.names[i].clone(), body))
        .collect();
    let mut index = Index::new();
    let count = 1 + 100_000 / n.max(20);
    let runs = if n < 100_000 { RUNS } else { 7 };

    report("one change, full rebuild", n, runs, || {
        let changed = changes.take(count);
        nanoseconds_each(count, || {
            for (i, body) in changed {
                map.insert(changes.names[i].clone(), body);
                black_box(
                    map.iter()
                        .map(|(name, body)| (name.clone(), body.clone()))
                        .collect::<ResourceMap>(),
                );
            }
        })
    });

    index.reconcile(&map); // the rebuilds were not told to it
    report("one change, naive delta", n, runs, || {
        let changed = changes.take(count);
        nanoseconds_each(count, || {
            for (i, body) in changed {
                map.insert(changes.names[i].clone(), body);
                let delta = index.reconcile(&map);
                assert_eq!(delta.changed, [changes.names[i].as_str()]);
            }
        })
    });

    report("one change, persistent index", n, runs, || {
        const COUNT: usize = 5_000;
        let changed = changes.take(COUNT);
        nanoseconds_each(COUNT, || {
            for (i, body) in &changed {
                assert!(index.update(&changes.names[*i], body));
            }
        })
    });
}
