//! What a subscriber holds, counted by the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering::Relaxed};

use crate::measure::print;
use crate::resources::Loaded;

static COUNTING: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicIsize = AtomicIsize::new(0);

/// The system's allocator. While `COUNTING` is set it keeps in `LIVE` how many bytes were asked for and not given back;
/// otherwise it only looks at that flag, so that the other figures do not pay for this one.
pub struct Counting;

fn count(bytes: isize) {
    if COUNTING.load(Relaxed) {
        LIVE.fetch_add(bytes, Relaxed);
    }
}

// SAFETY: all is handed to System as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(block, layout) }
    }
}

/// Bytes for one more subscriber that has acknowledged all: 100 of them against 50.
pub fn idle_subscriber(n: usize) {
    let loaded = Loaded::with(n);
    let live_with = |subscribers: usize| {
        LIVE.store(0, Relaxed);
        COUNTING.store(true, Relaxed);
        let held = black_box(loaded.subscribers(subscribers));
        COUNTING.store(false, Relaxed);
        drop(held);
        LIVE.load(Relaxed)
    };
    let fifty = live_with(50);
    let hundred = live_with(100);
    print(
        "memory of an idle subscriber",
        n,
        "bytes",
        vec![(hundred - fifty) as f64 / 50.0],
    );
}
