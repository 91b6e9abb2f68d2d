//! `cargo run --release --bin in_process`

fn main() {
    // Counted here, because an allocator that counts would slow the other program's servers.
    tower_bearer_peers::in_process::run(|call| {
        let counted = allocation_counter::measure(call);
        (counted.count_total, counted.bytes_total)
    });
}
