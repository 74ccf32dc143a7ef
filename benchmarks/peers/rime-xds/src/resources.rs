//! What is measured upon: a Plane with resources of 1 KiB.

use bytes::Bytes;
use rime_xds::{Plane, Server, Subscriber};
use tokio::sync::watch::Receiver;
use xxhash_rust::xxh3::xxh3_64;

pub const SIZE: usize = 1_024;

/// A body of `SIZE` bytes that no other stamp has.
pub fn body(stamp: u64) -> Bytes {
    let mut bytes = vec![b'x'; SIZE];
    bytes[..8].copy_from_slice(&stamp.to_le_bytes());
    bytes.into()
}

pub fn names(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("resource-{i}")).collect()
}

/// Names and bodies one after the other, round and round, each body a new one.
pub struct Changes {
    pub names: Vec<String>,
    made: usize,
}

impl Changes {
    pub fn of(n: usize) -> Self {
        Self {
            names: names(n),
            made: 0,
        }
    }

    /// The next `count`: which name, by its place in `names`, and its new body.
    pub fn take(&mut self, count: usize) -> Vec<(usize, Bytes)> {
        let from = self.made;
        self.made += count;
        (from..self.made)
            .map(|i| (i % self.names.len(), body(i as u64)))
            .collect()
    }
}

/// A Plane that holds `n` resources, and the changes to come.
pub struct Loaded {
    pub plane: Plane,
    pub changes: Changes,
    wake: Receiver<()>,
}

impl Loaded {
    pub fn with(n: usize) -> Self {
        let (mut plane, wake) = Plane::new();
        let mut changes = Changes::of(n);
        let first = changes.take(n);
        plane.reconcile(
            first
                .into_iter()
                .map(|(i, body)| (changes.names[i].clone(), body))
                .collect(),
        );
        Self { plane, changes, wake }
    }

    /// Clients that were sent everything and have acknowledged it.
    pub fn subscribers(&self, count: usize) -> Vec<Subscriber> {
        let server = Server::new(self.plane.snapshot());
        (0..count)
            .map(|_| {
                let mut subscriber = server.subscribe(self.wake.clone());
                for (name, body) in subscriber.initial().resources {
                    subscriber.acknowledge(&name, xxh3_64(&body));
                }
                subscriber
            })
            .collect()
    }
}
