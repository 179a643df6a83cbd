//! Chance that repeats itself: splitmix64, and smooth noise made of it.

#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64, variation: u32) -> Self {
        Self(seed ^ u64::from(variation).wrapping_mul(0x2545_F491_4F6C_DD1D))
    }

    /// FNV-1a, the same on every machine.
    pub fn seed(text: &str) -> u64 {
        text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Even within `from..to`.
    pub fn within(&mut self, from: f32, to: f32) -> f32 {
        from + (to - from) * unit(self.bits())
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let length = from.len().max(1) as u64;
        from.get((self.bits() % length) as usize)
    }

    /// A smooth curve through chance values, -1 to 1, one value a unit of `x`.
    pub fn wave(&mut self) -> Wave {
        Wave(self.bits())
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Wave(u64);

impl Wave {
    pub fn at(self, x: f32) -> f32 {
        let (cell, part) = (x.floor(), x - x.floor());
        let value = |cell: i64| unit(mix(self.0 ^ (cell as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93))) * 2.0 - 1.0;
        let (from, to) = (value(cell as i64), value(cell as i64 + 1));
        from + (to - from) * part * part * (3.0 - 2.0 * part)
    }

    /// Waves upon waves: `octaves` of them, each half as long and `rest` as high as the one before.
    pub fn fractal(self, x: f32, octaves: u32, rest: f32) -> f32 {
        let (mut sum, mut height, mut length) = (0.0, 1.0, 1.0);
        for octave in 0..octaves {
            sum += height * Self(self.0.wrapping_add(u64::from(octave))).at(x * length);
            height *= rest;
            length *= 2.0;
        }
        sum
    }
}

fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

fn unit(bits: u64) -> f32 {
    (bits >> 40) as f32 / (1u64 << 24) as f32
}
