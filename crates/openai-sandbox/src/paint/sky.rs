//! The sky and what hangs in it or falls from it.

use super::{
    canvas::Canvas,
    color::{Color, Ink},
    random::Random,
    scene::{Hour, Land, Scene, Weather},
    shape::Shape,
};

pub fn paint(canvas: &mut Canvas, scene: &Scene, random: &mut Random) {
    let horizon = canvas.height() * scene.horizon();
    canvas.wash(|y| scene.sky.color(y / horizon));
    if scene.land == Land::Space {
        nebula(canvas, scene, random);
    }
    if scene.hour == Hour::Night {
        stars(canvas, horizon, random);
    }
    match (scene.land, scene.hour) {
        (Land::Space, _) => planet(canvas, scene, random),
        (_, Hour::Night) => moon(canvas, scene, random),
        _ => sun(canvas, scene),
    }
    if scene.land != Land::Space {
        clouds(canvas, scene, random);
    }
}

/// Where the sun or the moon stands, in pixels, for this commission.
pub fn light_at(canvas: &Canvas, scene: &Scene) -> (f32, f32) {
    let mut random = Random::new(scene.seed, 0);
    let x = random.within(0.24, 0.76) * canvas.width();
    let up = match scene.hour {
        Hour::Dusk => random.within(0.10, 0.24),
        Hour::Dawn => random.within(0.18, 0.36),
        Hour::Day | Hour::Night => random.within(0.58, 0.74),
    };
    (x, canvas.height() * scene.horizon() * (1.0 - up))
}

fn sun(canvas: &mut Canvas, scene: &Scene) {
    let (at, unit) = (light_at(canvas, scene), canvas.unit());
    let radius = unit * if scene.hour == Hour::Dusk { 0.075 } else { 0.05 };
    canvas.glow(at, unit * 0.75, scene.sky.light, 0.45);
    canvas.glow(at, radius * 3.2, scene.sky.light, 0.7);
    canvas.fill(&Shape::circle(at, radius), scene.sky.light.lighter(0.35));
}

fn moon(canvas: &mut Canvas, scene: &Scene, random: &mut Random) {
    let (at, unit) = (light_at(canvas, scene), canvas.unit());
    let radius = unit * 0.06;
    canvas.glow(at, unit * 0.5, scene.sky.light, 0.28);
    canvas.glow(at, radius * 2.4, scene.sky.light, 0.5);
    canvas.fill(&Shape::circle(at, radius), scene.sky.light);
    for _ in 0..7 {
        let (turn, far) = (random.within(0.0, 6.3), random.within(0.1, 0.68) * radius);
        let crater = (at.0 + far * turn.cos(), at.1 + far * turn.sin());
        let size = radius * random.within(0.08, 0.24);
        canvas.glaze(&Shape::circle(crater, size), scene.sky.light.darker(0.22), 0.45);
    }
}

fn stars(canvas: &mut Canvas, horizon: f32, random: &mut Random) {
    let unit = canvas.unit();
    let count = (canvas.width() * horizon / (unit * unit) * 420.0) as u32;
    for _ in 0..count {
        let at = (random.within(0.0, canvas.width()), random.within(0.0, horizon));
        let bright = random.within(0.0, 1.0).powi(4);
        let radius = unit * (0.0007 + 0.0018 * bright);
        let color = Color::hex(0x00ff_f4e2).mix(Color::hex(0x00bc_d2ff), random.within(0.0, 1.0));
        canvas.glaze(&Shape::circle(at, radius), color, 0.35 + 0.65 * bright);
        if bright > 0.75 {
            canvas.glow(at, radius * 7.0, color, 0.35);
        }
    }
}

fn nebula(canvas: &mut Canvas, scene: &Scene, random: &mut Random) {
    let unit = canvas.unit();
    let colors = [0x0060_2a8c, 0x001f_5fa0, 0x00a0_3a78, 0x001c_7a84].map(Color::hex);
    let across = random.within(-0.35, 0.35);
    for step in 0..26 {
        let t = step as f32 / 25.0;
        let x = canvas.width() * t;
        let y = canvas.height() * (0.36 + across * (t - 0.5) + random.within(-0.12, 0.12));
        let color = scene.accent.or_else(|| random.pick(&colors).copied()).unwrap_or(Color::WHITE);
        canvas.glow((x, y), unit * random.within(0.12, 0.34), color, random.within(0.1, 0.34));
    }
}

/// A ringed planet: the ring's far half, the ball, the ring's near half.
fn planet(canvas: &mut Canvas, scene: &Scene, random: &mut Random) {
    let unit = canvas.unit();
    let at = (canvas.width() * random.within(0.3, 0.72), canvas.height() * random.within(0.26, 0.4));
    let radius = unit * 0.15;
    let base = scene.accent.unwrap_or_else(|| {
        random.pick(&[0x00d9_8f52, 0x005f_9cc4, 0x00b8_6a8c].map(Color::hex)).copied().unwrap_or(Color::WHITE)
    });
    canvas.glow(at, radius * 2.2, base, 0.35);
    let ring = |lift: f32| {
        let (outer, inner) = (radius * 1.9, radius * 1.45);
        (0..40u8).map(move |step| {
            let turn = f32::from(step % 20) / 19.0 * std::f32::consts::PI;
            let (size, turn) = if step < 20 { (outer, turn) } else { (inner, std::f32::consts::PI - turn) };
            (at.0 + size * turn.cos(), at.1 + lift * size * 0.28 * turn.sin() - size * 0.12 * turn.cos())
        })
    };
    let ring_color = base.lighter(0.45);
    canvas.glaze(&Shape::polygon(ring(-1.0)), ring_color.darker(0.25), 0.7);
    let (left, right) = (at.0 - radius, at.0 + radius);
    canvas.fill(
        &Shape::circle(at, radius),
        Ink::Sideways { from: (left, base.lighter(0.35)), to: (right, base.darker(0.8)) },
    );
    for band in 0..5u8 {
        let up = (f32::from(band) - 2.0) * radius * 0.33;
        let half = (radius * radius - up * up).max(0.0).sqrt() * 0.98;
        let color = if band % 2 == 0 { base.lighter(0.5) } else { base.darker(0.5) };
        let stripe = Shape::ellipse((at.0, at.1 + up), half, radius * random.within(0.03, 0.07));
        canvas.glaze(&stripe, color, 0.2);
    }
    canvas.glaze(&Shape::polygon(ring(1.0)), ring_color, 0.85);
}

fn clouds(canvas: &mut Canvas, scene: &Scene, random: &mut Random) {
    let (count, grey) = match (scene.weather, scene.hour) {
        (Weather::Cloudy, _) => (9, 0.12),
        (Weather::Rain, _) => (12, 0.5),
        (_, Hour::Night) => (2, 0.0),
        _ => (5, 0.0),
    };
    let horizon = canvas.height() * scene.horizon();
    for index in 0..count {
        let height = random.within(0.06, 0.7);
        // Lower clouds are farther away: smaller and flatter.
        let size = canvas.unit() * (0.30 - 0.26 * height) * random.within(0.7, 1.3);
        let at = (canvas.width() * (index as f32 + random.within(0.0, 1.0)) / count as f32, horizon * height);
        let behind = scene.sky.color(height);
        let top = behind.mix(scene.sky.light, 0.72).darker(grey);
        let base = behind.mix(scene.sky.low, 0.35).darker(grey * 0.8);
        let ink = Ink::Upright { from: (at.1 - size * 0.42, top), to: (at.1, base) };
        canvas.glaze(&cloud(at, size, random), ink, if scene.hour == Hour::Night { 0.5 } else { 0.88 });
    }
}

/// Flat below, puffed above.
fn cloud((x, y): (f32, f32), size: f32, random: &mut Random) -> Shape {
    const STEPS: u8 = 120;
    let puffs: Vec<(f32, f32)> = (0..9u8)
        .map(|index| {
            let at = (f32::from(index) / 8.0 - 0.5) * 1.5;
            (at, (0.40 - 0.36 * at.abs()) * random.within(0.65, 1.15))
        })
        .collect();
    let top = |across: f32| {
        puffs.iter().map(|(at, radius)| (radius * radius - (across - at).powi(2)).max(0.0).sqrt()).fold(0.0, f32::max)
    };
    Shape::polygon((0..=STEPS).map(|step| {
        let across = (f32::from(step) / f32::from(STEPS) - 0.5) * 2.1;
        (x + across * size, y - top(across) * size)
    }))
}

/// Rain or snow in front of everything.
pub fn fall(canvas: &mut Canvas, scene: &Scene, random: &mut Random) {
    let unit = canvas.unit();
    let count = (canvas.width() * canvas.height() / (unit * unit) * 380.0) as u32;
    for _ in 0..count {
        let at = (random.within(-0.1, 1.1) * canvas.width(), random.within(0.0, canvas.height()));
        let near = random.within(0.0, 1.0).powi(2);
        match scene.weather {
            Weather::Fair | Weather::Cloudy => return,
            Weather::Rain => {
                let length = unit * (0.02 + 0.05 * near);
                let drop = Shape::stroke(at, (at.0 - length * 0.25, at.1 + length), unit * (0.0012 + 0.001 * near));
                canvas.glaze(&drop, Color::hex(0x00dc_e8f5), 0.22 + 0.25 * near);
            }
            Weather::Snowfall => {
                let flake = Shape::circle(at, unit * (0.0016 + 0.0055 * near));
                canvas.glaze(&flake, Color::WHITE, 0.85 - 0.35 * near);
            }
        }
    }
}
