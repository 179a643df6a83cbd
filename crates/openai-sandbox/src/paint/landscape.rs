//! The land, the sky above it, and what falls in front of both.

use std::f32::consts::TAU;

use rand::{RngExt, seq::IndexedRandom};
use tiny_skia::PathBuilder;

use super::{
    Painting,
    canvas::{Color, linear, oval, rectangle},
    motif,
    scene::{Hour, Land, Weather},
};

impl Painting {
    pub(super) fn sky(&mut self) {
        let (width, height, unit) = (self.canvas.width, self.canvas.height, self.canvas.unit);
        let (horizon, [top, middle, low], light) = (self.horizon(), self.scene.sky, self.scene.light);
        let bend = horizon * 0.55;
        self.canvas.fill(rectangle(0.0, 0.0, width, bend + 1.0), linear((0.0, 0.0), (0.0, bend), [top, middle]));
        self.canvas.fill(rectangle(0.0, bend, width, height), linear((0.0, bend), (0.0, horizon), [middle, low]));
        let at = (self.scene.sun.0 * width, self.scene.sun.1 * height);
        match (self.scene.land, self.scene.hour) {
            (Land::Space, _) => {
                for mist in [0x0060_2a8c, 0x001f_5fa0, 0x00a0_3a78, 0x001c_7a84, 0x0060_2a8c].map(Color::hex) {
                    let at = (self.chance.random_range(0.0..width), self.chance.random_range(0.1..0.6) * height);
                    self.canvas.glow(at, unit * 0.4, self.scene.accent.unwrap_or(mist).thin(0.5));
                }
                self.stars();
                let planet = (width * self.chance.random_range(0.3..0.72), height * 0.33);
                self.hang("planet", planet, unit * 0.3);
            }
            (_, Hour::Night) => {
                self.stars();
                self.hang("moon", at, unit * 0.12);
                self.clouds();
            }
            (_, Hour::Dawn | Hour::Day | Hour::Dusk) => {
                let radius = unit * if self.scene.hour == Hour::Dusk { 0.075 } else { 0.05 };
                self.canvas.glow(at, unit * 0.75, light.thin(0.45));
                self.canvas.glow(at, radius * 3.2, light.thin(0.7));
                self.canvas.fill(oval(at, radius, radius), light.shade(0.35));
                self.clouds();
            }
        }
    }

    /// A motif that shines, and its glow.
    fn hang(&mut self, name: &str, at: (f32, f32), size: f32) {
        let Some(motif) = motif::named(name) else { return };
        self.canvas.glow(at, size * 1.5, motif.own.thin(0.4));
        motif.draw(&mut self.canvas, &self.scene, at, size, self.scene.accent.unwrap_or(motif.own), 1.0);
    }

    fn stars(&mut self) {
        let (width, horizon, unit) = (self.canvas.width, self.horizon(), self.canvas.unit);
        for _ in 0..(width * horizon / (unit * unit) * 420.0) as u32 {
            let at = (self.chance.random_range(0.0..width), self.chance.random_range(0.0..horizon));
            let bright = self.chance.random::<f32>().powi(4);
            let (radius, color) = (unit * (0.0008 + 0.0018 * bright), Color::hex(0x00e8_ecf4));
            self.canvas.fill(oval(at, radius, radius), color.thin(0.35 + 0.65 * bright));
            self.canvas.glow(at, radius * 7.0, color.thin(0.35 * (bright - 0.6)));
        }
    }

    /// Clouds are flat below and puffed above.
    fn clouds(&mut self) {
        let (count, grey, strength) = match (self.scene.weather, self.scene.hour) {
            (Weather::Cloudy, _) => (9u8, 0.12, 0.88),
            (Weather::Rain, _) => (12, 0.5, 0.88),
            (Weather::Fair | Weather::Snowfall, Hour::Night) => (2, 0.0, 0.5),
            (Weather::Fair | Weather::Snowfall, Hour::Dawn | Hour::Day | Hour::Dusk) => (5, 0.0, 0.88),
        };
        for index in 0..count {
            let down = self.chance.random_range(0.06..0.7);
            let across = (f32::from(index) + self.chance.random::<f32>()) / f32::from(count);
            let (x, y) = (self.canvas.width * across, self.horizon() * down);
            // Lower clouds are farther away: smaller and flatter.
            let size = self.canvas.unit * (0.30 - 0.26 * down) * self.chance.random_range(0.7..1.3);
            let mut path = PathBuilder::new();
            for across in (-4..=4i8).map(|puff| f32::from(puff) * 0.19) {
                let radius = size * (0.40 - 0.36 * across.abs()) * self.chance.random_range(0.65..1.15);
                let (left, right, top) = (x + across * size - radius, x + across * size + radius, y - radius * 1.33);
                path.move_to(left, y);
                path.cubic_to(left, top, right, top, right, y);
            }
            let [top, middle, low] = self.scene.sky;
            let behind = top.mix(middle, down / 0.55).mix(low, (down - 0.55) / 0.45);
            let colors = [behind.mix(self.scene.light, 0.72).shade(-grey), behind.mix(low, 0.35).shade(-0.8 * grey)];
            let ink = linear((x, y - size * 0.42), (x, y), colors.map(|color| color.thin(strength)));
            self.canvas.fill(path.finish(), ink);
        }
    }

    /// Rain or snow in front of everything.
    pub(super) fn fall(&mut self) {
        let (width, height, unit) = (self.canvas.width, self.canvas.height, self.canvas.unit);
        for _ in 0..(width * height / (unit * unit) * 380.0) as u32 {
            let at = (self.chance.random_range(0.0..width), self.chance.random_range(0.0..height));
            let near = self.chance.random::<f32>().powi(2);
            let (across, down, color) = match self.scene.weather {
                Weather::Fair | Weather::Cloudy => return,
                Weather::Rain => (0.0008 + 0.0005 * near, 0.01 + 0.03 * near, Color::hex(0x00dc_e8f5).thin(0.4)),
                Weather::Snowfall => (0.0016 + 0.0055 * near, 0.0016 + 0.0055 * near, Color::WHITE.thin(0.75)),
            };
            self.canvas.fill(oval(at, unit * across, unit * down), color);
        }
    }

    pub(super) fn land(&mut self) {
        match self.scene.land {
            Land::Hills => self.ridges([0x007f_a35c, 0x003f_7a38], [-0.06, 0.24], "bush", 0.4),
            Land::Forest => self.ridges([0x004f_7a5c, 0x0013_3024], [-0.08, 0.26], "fir", 2.6),
            Land::Desert => self.ridges([0x00e0_ae78, 0x00c9_8a4c], [-0.02, 0.28], "", 0.0),
            Land::Snow => self.ridges([0x00cf_dcef, 0x00ff_ffff], [-0.08, 0.26], "fir", 1.0),
            Land::Space => self.ridges([0x0035_343a, 0x0062_606b], [-0.03, 0.1], "crater", 0.3),
            Land::Mountains => {
                self.peaks();
                self.ridges([0x0025_4a3c, 0x0025_4a3c], [0.07, 0.21], "fir", 2.6);
            }
            Land::City => {
                self.town();
                self.water(Color::hex(0x001d_3f5c));
            }
            Land::Sea => {
                for near in [0.1, 0.3] {
                    let coast = self.ridge(self.scene.land.horizon() - 0.015, 0.02 + 0.05 * near, 1.2);
                    self.canvas.fill_below(|x| coast.at(x), self.scene.faded(Color::hex(0x004d_6478), near));
                }
                self.water(self.scene.tint().unwrap_or(Color::hex(0x001d_4f74)));
            }
        }
    }

    /// In pixels from the top.
    fn horizon(&self) -> f32 {
        self.canvas.height * self.scene.land.horizon()
    }

    /// A ridge around `level` of the height, swinging by `swing` of it, in so many waves across the shorter side.
    fn ridge(&mut self, level: f32, swing: f32, waves: f32) -> Ridge {
        let (mut height, mut length) = (swing * self.canvas.height, TAU * waves / self.canvas.unit);
        let waves = (0..5).map(|_| {
            let wave = [height, length * self.chance.random_range(0.7..1.1), self.chance.random_range(0.0..TAU)];
            (height, length) = (height * 0.45, length * 2.1);
            wave
        });
        Ridge { waves: waves.collect(), level: level * self.canvas.height }
    }

    /// Ridge before ridge, the farthest first, and so many of a motif on them. Levels are below the horizon.
    fn ridges(&mut self, colors: [u32; 2], [from, to]: [f32; 2], growth: &str, density: f32) {
        let tint = self.scene.tint();
        let [far, close] = colors.map(Color::hex).map(|own| tint.map_or(own, |tint| own.mix(tint, 0.45)));
        for near in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let level = self.scene.land.horizon() + from + (to - from) * near;
            let ridge = self.ridge(level, 0.03, 1.5 - 0.5 * near);
            let (color, [_, middle, low]) = (self.scene.faded(far.mix(close, near), near), self.scene.sky);
            let shade = if self.scene.land == Land::Snow { color.mix(middle, 0.3) } else { color.shade(-0.3) };
            let (top, depth) = (level * self.canvas.height, self.canvas.height * 0.3);
            self.canvas.fill_below(|x| ridge.at(x), linear((0.0, top), (0.0, top + depth), [color, shade]));
            let Some(growth) = motif::named(growth).filter(|_| near < 1.0) else { continue };
            let (width, size) = (self.canvas.width, self.canvas.unit * (0.025 + 0.15 * near * near));
            for _ in 0..(width / size * density) as u32 {
                let (x, size) = (self.chance.random_range(0.0..width), size * self.chance.random_range(0.7..1.3));
                let at = (x, ridge.at(x) + size * self.chance.random_range(0.05..0.5));
                let own = growth.own.mix(low, self.chance.random_range(0.0..0.15));
                growth.draw(&mut self.canvas, &self.scene, at, size, own, near);
            }
        }
    }

    /// Ranges with snow above a line.
    fn peaks(&mut self) {
        let (height, horizon) = (self.canvas.height, self.scene.land.horizon());
        for near in [0.0, 0.25, 0.5] {
            let ridge = self.ridge(horizon - 0.08 + 0.16 * near, 0.13 - 0.12 * near, 1.4 + near);
            let rough = self.ridge(0.0, 0.9 / height, 16.0);
            let [snow, stone] = [(0x00f4_f7ff, 0.3), (0x0058_6478, 0.0)]
                .map(|(color, clear)| self.scene.faded(Color::hex(color), near + clear));
            self.canvas.fill_below(|x| ridge.jagged(x), snow);
            let snow_line = |top: f32| ((height * (horizon - 0.06) - top) * 0.5).max(0.0);
            let rock = |x: f32| ridge.jagged(x) + (snow_line(ridge.jagged(x)) * (1.0 + rough.at(x))).max(0.0);
            let ink = linear((0.0, height * 0.3), (0.0, height * 0.8), [stone, stone.mix(self.scene.sky[2], 0.45)]);
            self.canvas.fill_below(rock, ink);
        }
    }

    /// Rows of houses; nearer ones are lower, so that the towers behind show.
    fn town(&mut self) {
        for near in [0.1, 0.5, 1.0] {
            let (foot, mut x) = (self.horizon(), 0.0);
            while x < self.canvas.width {
                let name = ["block", "tower", "spire"].choose(&mut self.chance).unwrap_or(&"tower");
                let Some(house) = motif::named(name) else { return };
                let size = self.canvas.unit * self.chance.random_range(0.25..0.6) * (1.0 - 0.4 * near);
                let own = house.own.mix(Color::hex(0x007a_6a78), self.chance.random()).shade(-0.25 * near);
                house.draw(&mut self.canvas, &self.scene, (x, foot), size, own, 0.15 + 0.85 * near);
                x += size * self.chance.random_range(0.2..0.45);
            }
        }
    }

    /// Water from the horizon on: it mirrors what stands there, and has the light's path on it.
    fn water(&mut self, color: Color) {
        let (width, height, unit) = (self.canvas.width, self.canvas.height, self.canvas.unit);
        let (horizon, color) = (self.horizon(), self.scene.faded(color, 1.0));
        let wave = self.ridge(0.0, 1.0 / height, 50.0);
        self.canvas.reflect(horizon, 0.7, |down| wave.at(down) * (unit * 0.002 + down * 0.02));
        let deep = linear((0.0, horizon), (0.0, height), [color.thin(0.32), color.thin(0.72)]);
        self.canvas.fill(rectangle(0.0, horizon, width, height), deep);
        for ripple in 0..(width / unit * 340.0) as u32 {
            let near = self.chance.random_range(0.02..1.0);
            let y = horizon + (height - horizon) * near;
            let aside = self.chance.random_range(-0.6..0.6) + self.chance.random_range(-0.6..0.6);
            let path = self.scene.sun.0 * width + aside * unit * (0.025 + 0.11 * near);
            let (x, long, color) = match ripple % 4 {
                0 => (self.chance.random_range(0.0..width), 0.07 * near, self.scene.sky[0].thin(0.16)),
                1 => (self.chance.random_range(0.0..width), 0.07 * near, self.scene.sky[2].thin(0.16)),
                _ => (path, 0.006 + 0.02 * near, self.scene.light.thin(0.6 - 0.35 * near)),
            };
            let long = unit * long * self.chance.random_range(0.5..1.2);
            self.canvas.fill(oval((x, y), long, unit * 0.0022 * (0.4 + near)), color);
        }
    }
}

/// Waves upon waves, as height, length and shift, in pixels.
struct Ridge {
    level: f32,
    waves: Vec<[f32; 3]>,
}

impl Ridge {
    fn at(&self, x: f32) -> f32 {
        let wave = |[height, length, shift]: &[f32; 3]| height * (x * length + shift).sin();
        self.level - self.waves.iter().take(3).map(wave).sum::<f32>()
    }

    /// The same with peaks instead of round tops.
    fn jagged(&self, x: f32) -> f32 {
        let peak = |[height, length, shift]: &[f32; 3]| height * (1.0 - 2.0 * (x * length / 2.0 + shift).sin().abs());
        self.level - self.waves.iter().map(peak).sum::<f32>()
    }
}
