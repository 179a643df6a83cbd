//! A city: rows of houses against the sky, windows lit when it is dim, a river in front.

use super::{canvas::Canvas, color::Color, random::Random, scene::Scene, shape::Shape};

pub fn paint(canvas: &mut Canvas, scene: &Scene, random: &mut Random) {
    let ground = canvas.height() * scene.horizon();
    for near in [0.1, 0.5, 1.0] {
        row(canvas, scene, random, ground, near);
    }
    let (wave, unit, depth) = (random.wave(), canvas.unit(), canvas.height() - ground);
    let water = scene.lit(Color::hex(0x001d_3f5c));
    canvas.reflect(
        ground,
        0.55,
        |down| wave.fractal(down / unit * 150.0, 2, 0.6) * (unit * 0.003 + down * 0.04),
        |down| (water, 0.3 + 0.35 * down / depth),
    );
    canvas.fill(&Shape::rectangle(0.0, ground - unit * 0.004, canvas.width(), unit * 0.008), water.darker(0.4));
}

/// One row of houses; nearer ones are lower, so that the towers behind show.
fn row(canvas: &mut Canvas, scene: &Scene, random: &mut Random, ground: f32, near: f32) {
    let unit = canvas.unit();
    let mut left = -unit * 0.05;
    while left < canvas.width() {
        let width = unit * random.within(0.055, 0.13) * (0.75 + 0.45 * near);
        let tall = unit * random.within(0.16, 0.58) * (1.0 - 0.45 * near);
        let wall = Color::hex(0x0046_5470).mix(Color::hex(0x007a_6a78), random.within(0.0, 1.0));
        let wall = scene.faded(wall.darker(0.25 * near), 0.15 + 0.85 * near);
        house(canvas, random, (left, ground - tall, width, tall), wall);
        if near > 0.3 {
            windows(canvas, scene, random, (left, ground - tall, width, tall), wall);
        }
        left += width * random.within(0.92, 1.2);
    }
}

fn house(canvas: &mut Canvas, random: &mut Random, (left, top, width, tall): (f32, f32, f32, f32), wall: Color) {
    canvas.fill(&Shape::rectangle(left, top, width, tall), wall);
    canvas.fill(&Shape::rectangle(left + width * 0.78, top, width * 0.22, tall), wall.darker(0.16));
    let (center, roof) = (left + width / 2.0, random.within(0.0, 1.0));
    if roof < 0.25 {
        canvas.fill(&Shape::rectangle(left + width * 0.2, top - width * 0.22, width * 0.6, width * 0.23), wall);
    } else if roof < 0.45 {
        let spire = [(left + width * 0.15, top + 1.0), (center, top - width * 0.55), (left + width * 0.85, top + 1.0)];
        canvas.fill(&Shape::polygon(spire), wall.darker(0.1));
    } else if roof < 0.65 {
        canvas.fill(
            &Shape::stroke((center, top), (center, top - width * 0.7), (width * 0.03).max(1.0)),
            wall.darker(0.2),
        );
    }
}

fn windows(
    canvas: &mut Canvas,
    scene: &Scene,
    random: &mut Random,
    (left, top, width, tall): (f32, f32, f32, f32),
    wall: Color,
) {
    let step = canvas.unit() * 0.0165;
    let glass = scene.accent.map_or(Color::hex(0x00ff_d98a), |accent| Color::hex(0x00ff_d98a).mix(accent, 0.5));
    let (columns, rows) = ((width / step) as u32, (tall / step / 1.35) as u32);
    for row in 1..rows {
        for column in 0..columns.saturating_sub(1) {
            let (x, y) = (left + step * (column as f32 + 0.75), top + step * 1.35 * (row as f32 - 0.3));
            let lit = random.within(0.0, 1.0) < if scene.is_dim() { 0.42 } else { 0.0 };
            let color = match (lit, scene.is_dim()) {
                (true, _) => glass.mix(Color::WHITE, random.within(0.0, 0.35)),
                (false, true) => wall.darker(0.3),
                (false, false) => wall.mix(scene.sky.middle, 0.5),
            };
            canvas.fill(&Shape::rectangle(x, y, step * 0.52, step * 0.72), color);
        }
    }
}
