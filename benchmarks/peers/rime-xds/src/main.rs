//! Measures the crate rime-xds and prints a line of JSON for each figure; ../README.md says what each is.

mod experiments;
mod kernel;
mod measure;
mod memory;
mod resources;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

fn main() {
    for n in [10, 200, 1_000, 10_000] {
        kernel::apply_changed(n);
        kernel::apply_unchanged(n);
        kernel::apply_to_subscribers(n);
    }
    kernel::load_one_by_one(10_000);
    for n in [10_000, 100_000] {
        kernel::load_at_once(n);
    }
    for n in [10, 10_000] {
        memory::idle_subscriber(n);
    }
    experiments::snapshot_reads(200);
    experiments::one_resource_to_many(100);
    experiments::hashes();
    for n in [10, 200, 1_000, 10_000, 100_000] {
        experiments::one_change_among(n);
    }
}
