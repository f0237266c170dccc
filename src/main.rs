//! flowgate.
fn main() {}
