//! Choices of a fault: everything random in a run comes from its seed.

use rand::Rng;
use rand::rngs::StdRng;

/// One of `choices`.
pub fn choose<T: Copy>(random: &mut StdRng, choices: &[T]) -> T {
    choices[random.gen_range(0..choices.len())]
}
