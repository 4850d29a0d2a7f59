//! Any bytes as the value of each typed header.

use super::exercise;

pub fn run(data: &[u8]) {
    exercise::header(data);
}
