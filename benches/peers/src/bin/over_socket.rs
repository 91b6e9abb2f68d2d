//! `cargo run --release --bin over_socket`

fn main() {
    tower_bearer_peers::over_socket::run();
}
