//! What lies below the sky, farthest first.

use super::{
    canvas::Canvas,
    color::{Color, Ink},
    random::Random,
    scene::{Hour, Land, Scene},
    shape::Shape,
    sky,
};

pub fn paint(canvas: &mut Canvas, scene: &Scene, random: &mut Random) {
    match scene.land {
        Land::Mountains => mountains(canvas, scene, random),
        Land::Sea => sea(canvas, scene, random),
        Land::Forest => forest(canvas, scene, random),
        Land::Desert => dunes(canvas, scene, random),
        Land::Snow => snow(canvas, scene, random),
        Land::Space => craters(canvas, scene, random),
        Land::Hills | Land::City => hills(canvas, scene, random),
    }
}

/// A ridge: its height at each column, in pixels from the top.
struct Ridge(Box<dyn Fn(f32) -> f32>);

impl Ridge {
    /// Around `level` of the height, swinging by `swing` of it, `bends` bends across the shorter side.
    fn rolling(canvas: &Canvas, random: &mut Random, level: f32, swing: f32, bends: f32) -> Self {
        let (wave, height, step) = (random.wave(), canvas.height(), bends / canvas.unit());
        Self(Box::new(move |x| height * (level + swing * wave.fractal(x * step, 3, 0.35))))
    }

    /// The same with peaks instead of round tops.
    fn jagged(canvas: &Canvas, random: &mut Random, level: f32, swing: f32, bends: f32) -> Self {
        let (wide, fine, height, step) = (random.wave(), random.wave(), canvas.height(), bends / canvas.unit());
        Self(Box::new(move |x| {
            let peak = 1.0 - 2.2 * wide.at(x * step).abs();
            height * (level - swing * (peak + 0.22 * fine.fractal(x * step * 3.0, 5, 0.55)))
        }))
    }

    fn at(&self, x: f32) -> f32 {
        (self.0)(x)
    }

    /// Fills the land below; it fades a little into what lies before it.
    fn fill(&self, canvas: &mut Canvas, scene: &Scene, color: Color, near: f32) {
        let far = scene.faded(color, near);
        let (top, depth) = (canvas.height() * scene.horizon() * 0.9, canvas.height() * 0.45);
        let shade = if scene.land == Land::Snow { far.mix(scene.sky.middle, 0.35) } else { far.darker(0.3) };
        canvas.fill_below(|x| self.at(x), |y| far.mix(shade, (y - top) / depth));
    }
}

/// Steps from far (0) to near (1).
fn nearer(steps: u8) -> impl Iterator<Item = f32> {
    (0..steps).map(move |step| f32::from(step) / f32::from(steps - 1))
}

fn hills(canvas: &mut Canvas, scene: &Scene, random: &mut Random) {
    let tint = scene.accent.filter(|_| scene.things.is_empty());
    for near in nearer(5) {
        let green = Color::hex(0x007f_a35c).mix(Color::hex(0x003f_7a38), near);
        let color = tint.map_or(green, |tint| green.mix(tint, 0.45));
        let ridge = Ridge::rolling(canvas, random, scene.horizon() - 0.06 + 0.30 * near, 0.055, 1.6 - 0.5 * near);
        ridge.fill(canvas, scene, color, near);
        if near < 0.9 {
            let size = canvas.unit() * (0.018 + 0.075 * near);
            for _ in 0..(16.0 - 10.0 * near) as u8 {
                let x = random.within(0.0, canvas.width());
                bush(canvas, scene, random, (x, ridge.at(x)), size, near);
            }
        }
    }
}

/// A round tree, lit from above.
fn bush(canvas: &mut Canvas, scene: &Scene, random: &mut Random, (x, y): (f32, f32), size: f32, near: f32) {
    let size = size * random.within(0.7, 1.25);
    let trunk = scene.faded(Color::hex(0x004a_3628), near);
    canvas.fill(&Shape::rectangle(x - size * 0.05, y - size * 0.5, size * 0.1, size * 0.55), trunk);
    let leaf = Color::hex(0x002f_5f31).mix(Color::hex(0x005f_8a35), random.within(0.0, 1.0));
    let leaf = scene.faded(leaf, near);
    let ink =
        Ink::Upright { from: (y - size, leaf.mix(scene.sky.light, 0.28)), to: (y - size * 0.3, leaf.darker(0.25)) };
    let crown = (0..10u8).map(|step| {
        let (sin, cos) = (f32::from(step) / 10.0 * std::f32::consts::TAU).sin_cos();
        let radius = size * 0.36 * random.within(0.85, 1.15);
        (x + radius * cos, y - size * 0.65 + radius * sin)
    });
    canvas.fill(&Shape::blob(&crown.collect::<Vec<_>>()), ink);
}

fn mountains(canvas: &mut Canvas, scene: &Scene, random: &mut Random) {
    for near in [0.0, 0.25, 0.5] {
        let level = scene.horizon() - 0.02 + 0.16 * near;
        let ridge = Ridge::jagged(canvas, random, level, 0.24 - 0.2 * near, 1.5 + near);
        let rough = random.wave();
        let (unit, snow_line) = (canvas.unit(), canvas.height() * (scene.horizon() - 0.07));
        let rock = |x: f32| {
            let top = ridge.at(x);
            let cap = (snow_line - top).max(0.0) * (0.55 + 0.4 * rough.fractal(x / unit * 22.0, 3, 0.6));
            top + cap.max(0.0)
        };
        let snow = scene.faded(Color::hex(0x00f4_f7ff), near + 0.25);
        canvas.fill_below(|x| ridge.at(x), |_| snow);
        let stone = scene.faded(Color::hex(0x0058_6478), near);
        let (top, depth) = (canvas.height() * 0.3, canvas.height() * 0.5);
        canvas.fill_below(rock, |y| stone.mix(scene.sky.low, 0.45 * (y - top) / depth));
    }
    for near in [0.55, 0.8, 1.0] {
        let ridge = Ridge::rolling(canvas, random, scene.horizon() + 0.30 * (near - 0.3), 0.04, 1.3);
        firs(canvas, scene, random, &ridge, near, Color::hex(0x0025_4a3c));
        ridge.fill(canvas, scene, Color::hex(0x0025_4a3c), near);
    }
}

/// A row of firs along a ridge.
fn firs(canvas: &mut Canvas, scene: &Scene, random: &mut Random, ridge: &Ridge, near: f32, color: Color) {
    let size = canvas.unit() * (0.035 + 0.15 * near * near);
    let count = (canvas.width() / size * 2.6) as u32;
    for _ in 0..count {
        let x = random.within(-0.02, 1.02) * canvas.width();
        let shade = scene.faded(color, near).mix(scene.sky.low, random.within(0.0, 0.09));
        fir(canvas, random, (x, ridge.at(x) + size * 0.08), size, shade);
    }
}

/// Three skirts, one above the other.
fn fir(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32, color: Color) {
    let (tall, wide) = (size * random.within(0.7, 1.35), size * random.within(0.2, 0.28));
    let skirts = |turn: f32| {
        [
            (0.0, -1.0),
            (0.42, -0.66),
            (0.24, -0.68),
            (0.72, -0.34),
            (0.4, -0.37),
            (1.0, -0.04),
            (0.1, -0.04),
            (0.1, 0.05),
        ]
        .map(|(across, up): (f32, f32)| (x + turn * across * wide, y + up * tall))
    };
    let right = skirts(1.0);
    canvas.fill(&Shape::polygon(right.into_iter().chain(skirts(-1.0).into_iter().rev())), color);
}

fn forest(canvas: &mut Canvas, scene: &Scene, random: &mut Random) {
    for near in nearer(5) {
        let color = Color::hex(0x004f_7a5c).mix(Color::hex(0x0013_3024), near);
        let ridge = Ridge::rolling(canvas, random, scene.horizon() - 0.08 + 0.34 * near, 0.04, 1.5);
        firs(canvas, scene, random, &ridge, near, color);
        ridge.fill(canvas, scene, color, near);
        let (top, depth) = (canvas.height() * (scene.horizon() - 0.06 + 0.34 * near), canvas.height() * 0.16);
        let mist = scene.sky.low.mix(scene.sky.middle, 0.3);
        if near < 0.9 {
            canvas.tint(0.0, top, canvas.width(), top + depth, |_, y| (mist, 0.5 * (y - top) / depth));
        }
    }
}

fn dunes(canvas: &mut Canvas, scene: &Scene, random: &mut Random) {
    let sand = scene.accent.filter(|_| scene.things.is_empty()).unwrap_or(Color::hex(0x00d9_a066));
    let (light, _) = sky::light_at(canvas, scene);
    for near in nearer(5) {
        let ridge =
            Ridge::rolling(canvas, random, scene.horizon() - 0.02 + 0.30 * near, 0.06, 0.9 + 0.5 * (1.0 - near));
        ridge.fill(canvas, scene, sand.lighter(0.18 * (1.0 - near)), near);
        // The slope that looks away from the light lies in shade.
        let slope =
            |x: f32| (ridge.at(x + 4.0) - ridge.at(x - 4.0)) * ((x - light) / canvas.width() * 3.0).clamp(-1.0, 1.0);
        let shade = scene.faded(sand.darker(0.5), near);
        let depth = canvas.height() * 0.13;
        let line: Vec<(f32, f32)> = (0..canvas.width() as u32).map(|x| (ridge.at(x as f32), slope(x as f32))).collect();
        let top = canvas.height() * (scene.horizon() - 0.12 + 0.30 * near);
        canvas.tint(0.0, top, canvas.width(), canvas.height(), |x, y| {
            let (line, slope) = line.get(x as usize).copied().unwrap_or_default();
            let under = (y - line) / depth;
            let part = if under < 0.0 { 0.0 } else { (1.0 - under).max(0.0) * (slope * 0.35).clamp(0.0, 0.8) };
            (shade, part)
        });
    }
}

fn snow(canvas: &mut Canvas, scene: &Scene, random: &mut Random) {
    for near in nearer(5) {
        let ridge = Ridge::rolling(canvas, random, scene.horizon() - 0.08 + 0.34 * near, 0.05, 1.4);
        if near < 0.9 {
            firs(canvas, scene, random, &ridge, near * 0.8, Color::hex(0x0033_5560).mix(Color::WHITE, 0.15));
        }
        ridge.fill(canvas, scene, Color::hex(0x00cf_dcef).mix(Color::WHITE, near), 0.35 + 0.65 * near);
    }
}

fn craters(canvas: &mut Canvas, scene: &Scene, random: &mut Random) {
    let dust = scene.accent.map_or(Color::hex(0x008d_8a99), |accent| Color::hex(0x008d_8a99).mix(accent, 0.35));
    for near in nearer(3) {
        let ridge = Ridge::rolling(canvas, random, scene.horizon() - 0.03 + 0.13 * near, 0.035, 1.8);
        let color = dust.darker(0.62 - 0.32 * near);
        canvas.fill_below(|x| ridge.at(x), |_| color);
        for _ in 0..7 {
            let x = random.within(0.0, canvas.width());
            let size = canvas.unit() * random.within(0.008, 0.03) * (0.5 + near);
            let at = (x, ridge.at(x) + size * 1.2 + random.within(0.0, 0.05) * canvas.height());
            canvas.fill(&Shape::ellipse(at, size * 1.1, size * 0.36), color.lighter(0.22));
            canvas.fill(&Shape::ellipse((at.0, at.1 + size * 0.06), size, size * 0.29), color.darker(0.4));
        }
    }
}

fn sea(canvas: &mut Canvas, scene: &Scene, random: &mut Random) {
    let horizon = canvas.height() * scene.horizon();
    for near in [0.1, 0.3] {
        let ridge = Ridge::rolling(canvas, random, scene.horizon() - 0.015, 0.05 * (0.4 + near), 1.2);
        let slate = scene.faded(Color::hex(0x004d_6478), near);
        canvas.fill_below(|x| ridge.at(x).min(horizon), |_| slate);
    }
    let (wave, unit, depth) = (random.wave(), canvas.unit(), canvas.height() - horizon);
    let deep = scene.accent.filter(|_| scene.things.is_empty()).unwrap_or(Color::hex(0x001d_4f74));
    let deep = scene.lit(deep);
    canvas.reflect(
        horizon,
        0.8,
        |down| wave.fractal(down / unit * 130.0, 2, 0.6) * (unit * 0.002 + down * 0.03),
        |down| (deep, 0.34 + 0.4 * down / depth),
    );
    ripples(canvas, scene, random, horizon);
    glitter(canvas, scene, random, horizon);
}

/// Thin bright and dark strokes, longer and farther apart when near.
fn ripples(canvas: &mut Canvas, scene: &Scene, random: &mut Random, horizon: f32) {
    let (unit, depth) = (canvas.unit(), canvas.height() - horizon);
    for _ in 0..(canvas.width() / unit * 170.0) as u32 {
        let near = random.within(0.02, 1.0);
        let (x, y) = (random.within(0.0, canvas.width()), horizon + depth * near);
        let (length, breadth) = (unit * 0.09 * near * random.within(0.4, 1.0), unit * 0.0022 * (0.4 + near));
        let color = if random.within(0.0, 1.0) < 0.6 { scene.sky.low } else { scene.sky.top };
        canvas.glaze(&Shape::ellipse((x, y), length, breadth), color, 0.16);
    }
}

/// The light's path on the water.
fn glitter(canvas: &mut Canvas, scene: &Scene, random: &mut Random, horizon: f32) {
    let (unit, depth) = (canvas.unit(), canvas.height() - horizon);
    let (light, _) = sky::light_at(canvas, scene);
    let strength = if scene.hour == Hour::Day { 0.4 } else { 0.65 };
    for _ in 0..230 {
        let near = random.within(0.0, 1.0);
        let spread = unit * (0.025 + 0.11 * near) * (random.within(-1.0, 1.0) + random.within(-1.0, 1.0)) * 0.6;
        let glint = Shape::ellipse(
            (light + spread, horizon + depth * near),
            unit * (0.006 + 0.022 * near) * random.within(0.5, 1.2),
            unit * (0.0008 + 0.0022 * near),
        );
        canvas.glaze(&glint, scene.sky.light, strength * (1.0 - 0.55 * near));
    }
}
