//! A source of numbers that is the same each time (xorshift64*).

pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % bound
    }

    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// Some of the choices, each once at most.
    pub(super) fn some(&mut self, choices: &[&'static str], most: usize) -> Vec<&'static str> {
        let mut found = Vec::new();
        for _ in 0..self.below(most + 1) {
            let choice = *self.of(choices);
            if !found.contains(&choice) {
                found.push(choice);
            }
        }
        found
    }
}
