//! Accepted traffic that should not be: services the internet reaches, addresses on watch lists, and ends that contradict
//! each other. Everything that is planted is found, and nothing else.

mod ends;
pub mod estate;
mod exposed;
mod watched;
use crate::world;
mod worlds;
