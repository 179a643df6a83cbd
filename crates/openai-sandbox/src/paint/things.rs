//! The motifs: each drawn in its own measure, one high, its foot in the middle of the ground line, up being negative.

use super::{
    canvas::Canvas,
    color::{Color, Ink},
    random::Random,
    scene::{Land, Scene, Thing},
    shape::Shape,
    sky,
};

/// A place on the canvas where a thing is drawn.
struct Brush<'a> {
    canvas: &'a mut Canvas,
    scene: &'a Scene,
    at: (f32, f32),
    /// Across and down; negative mirrors.
    scale: (f32, f32),
    strength: f32,
    /// Replaces the thing's own main colour.
    accent: Option<Color>,
}

impl Brush<'_> {
    /// Fills with a colour as this hour shows it, lighter on the left.
    fn fill(&mut self, shape: Shape, color: Color) {
        let (left, _, right, _) = shape.bounds().unwrap_or_default();
        let color = self.scene.lit(color);
        let light = color.mix(self.scene.sky.light, 0.2);
        self.ink(shape, Ink::Sideways { from: (left, light), to: (right, color.darker(0.16)) });
    }

    /// Fills with a colour that no hour changes: lamps, lit windows.
    fn shine(&mut self, shape: Shape, color: Color) {
        self.ink(shape, Ink::Flat(color));
    }

    fn ink(&mut self, shape: Shape, ink: Ink) {
        let shape = shape.placed(self.at, self.scale);
        self.canvas.glaze(&shape, ink.placed(self.at, self.scale), self.strength);
    }

    fn glass(&self) -> Color {
        if self.scene.is_dim() { Color::hex(0x00ff_dd8c) } else { self.scene.lit(Color::hex(0x009f_c4d8)) }
    }

    fn draw(&mut self, thing: Thing) {
        let color = |own: u32| self.accent.unwrap_or(Color::hex(own));
        match thing {
            Thing::Balloon => self.balloon(color(0x00d2_4b3c)),
            Thing::Birds => self.bird(color(0x002c_3140)),
            Thing::Boat => self.boat(color(0x00c8_4436)),
            Thing::Cat => self.cat(color(0x0049_4450)),
            Thing::Flowers => self.flower(color(0x00dd_4a58)),
            Thing::House => self.house(color(0x00b4_4a3a)),
            Thing::Lighthouse => self.lighthouse(color(0x00c9_3b33)),
            Thing::Robot => self.robot(color(0x007f_a3b5)),
            Thing::Rocket => self.rocket(color(0x00d8_4038)),
            Thing::Tree => self.tree(color(0x004d_8a3c)),
        }
    }

    fn balloon(&mut self, color: Color) {
        let rope = Color::hex(0x003c_2e26);
        for side in [-0.06, 0.06] {
            self.fill(Shape::stroke((side, -0.12), (side * 2.4, -0.34), 0.008), rope);
        }
        let envelope = |wide: f32| {
            Shape::blob(&[
                (0.0, -1.0),
                (wide * 0.72, -0.92),
                (wide, -0.68),
                (wide * 0.74, -0.44),
                (wide * 0.28, -0.27),
                (-wide * 0.28, -0.27),
                (-wide * 0.74, -0.44),
                (-wide, -0.68),
                (-wide * 0.72, -0.92),
            ])
        };
        self.fill(envelope(0.37), color);
        self.fill(envelope(0.24), color.lighter(0.72));
        self.fill(envelope(0.12), color);
        self.fill(Shape::rectangle(-0.075, -0.13, 0.15, 0.13), Color::hex(0x009a_6a3c));
        self.fill(Shape::rectangle(-0.085, -0.14, 0.17, 0.03), Color::hex(0x0069_4526));
    }

    fn bird(&mut self, color: Color) {
        let wings = [
            (-0.9, -0.62),
            (-0.5, -0.78),
            (-0.12, -0.5),
            (0.0, -0.4),
            (0.12, -0.5),
            (0.5, -0.78),
            (0.9, -0.62),
            (0.5, -0.62),
            (0.12, -0.34),
            (0.0, -0.24),
            (-0.12, -0.34),
            (-0.5, -0.62),
        ];
        self.fill(Shape::blob(&wings), color);
    }

    fn boat(&mut self, color: Color) {
        let white = Color::hex(0x00f7_f2e6);
        self.fill(Shape::stroke((0.0, -0.16), (0.0, -1.0), 0.018), Color::hex(0x005a_4030));
        self.fill(Shape::blob(&[(0.025, -0.97), (0.1, -0.7), (0.36, -0.25), (0.2, -0.215), (0.025, -0.21)]), white);
        self.fill(
            Shape::blob(&[(-0.025, -0.88), (-0.06, -0.6), (-0.27, -0.25), (-0.15, -0.22), (-0.025, -0.21)]),
            color.lighter(0.12),
        );
        let pennant = [(0.0, -1.0), (0.13, -0.965), (0.0, -0.935)];
        self.fill(Shape::polygon(pennant), color);
        let hull = [(-0.42, -0.17), (0.46, -0.19), (0.36, -0.05), (0.27, 0.0), (-0.27, 0.0), (-0.36, -0.05)];
        self.fill(Shape::polygon(hull), color.darker(0.2));
        self.fill(Shape::polygon([(-0.42, -0.17), (0.46, -0.19), (0.435, -0.15), (-0.405, -0.135)]), white);
    }

    fn cat(&mut self, color: Color) {
        let (pale, pink) = (color.lighter(0.35), Color::hex(0x00d9_8a8e));
        let tail = [
            (0.18, -0.05),
            (0.36, -0.02),
            (0.5, -0.12),
            (0.52, -0.3),
            (0.44, -0.43),
            (0.39, -0.4),
            (0.44, -0.28),
            (0.42, -0.16),
            (0.34, -0.1),
            (0.2, -0.12),
        ];
        self.fill(Shape::blob(&tail), color.darker(0.15));
        let body = [
            (-0.22, -0.01),
            (-0.29, -0.14),
            (-0.24, -0.34),
            (-0.15, -0.5),
            (0.0, -0.56),
            (0.15, -0.5),
            (0.24, -0.34),
            (0.29, -0.14),
            (0.22, -0.01),
            (0.0, 0.0),
        ];
        self.fill(Shape::blob(&body), color);
        self.fill(Shape::ellipse((0.0, -0.36), 0.095, 0.15), pale);
        for side in [-1.0, 1.0] {
            self.fill(Shape::stroke((side * 0.07, -0.3), (side * 0.075, -0.04), 0.085), color.lighter(0.08));
            self.fill(Shape::ellipse((side * 0.085, -0.03), 0.075, 0.04), pale);
            let ear = |inset: f32| {
                Shape::polygon([
                    (side * (0.195 - inset), -0.73 - inset),
                    (side * 0.17, -0.98 + inset * 2.0),
                    (side * (0.045 + inset), -0.83 - inset / 2.0),
                ])
            };
            self.fill(ear(0.0), color);
            self.fill(ear(0.025), pink);
        }
        let head = [
            (-0.205, -0.7),
            (-0.14, -0.83),
            (0.0, -0.86),
            (0.14, -0.83),
            (0.205, -0.7),
            (0.13, -0.58),
            (0.0, -0.54),
            (-0.13, -0.58),
        ];
        self.fill(Shape::blob(&head), color);
        for side in [-1.0, 1.0] {
            let eye = (side * 0.088, -0.72);
            self.shine(Shape::ellipse(eye, 0.046, 0.042), Color::hex(0x00d9_d45a));
            self.shine(Shape::ellipse(eye, 0.014, 0.038), Color::hex(0x0014_1418));
            self.shine(Shape::circle((eye.0 - 0.013, eye.1 - 0.016), 0.008), Color::WHITE);
            self.fill(Shape::ellipse((side * 0.034, -0.612), 0.046, 0.034), pale);
            for lift in [-0.03, 0.0, 0.03] {
                self.fill(
                    Shape::stroke((side * 0.06, -0.615), (side * 0.27, -0.63 + lift * 1.6), 0.005),
                    pale.lighter(0.5),
                );
            }
        }
        self.fill(Shape::polygon([(-0.024, -0.645), (0.024, -0.645), (0.0, -0.618)]), pink);
    }

    fn flower(&mut self, color: Color) {
        let green = Color::hex(0x003f_7a38);
        self.fill(Shape::stroke((0.0, 0.0), (0.02, -0.74), 0.035), green);
        self.fill(Shape::blob(&[(0.0, -0.12), (0.1, -0.34), (0.28, -0.46), (0.2, -0.24)]), green.lighter(0.1));
        self.fill(Shape::blob(&[(0.0, -0.06), (-0.12, -0.24), (-0.3, -0.36), (-0.22, -0.14)]), green);
        for petal in 0..6u8 {
            let (sin, cos) = (f32::from(petal) / 6.0 * std::f32::consts::TAU).sin_cos();
            let shade = color.lighter(0.07 * f32::from(petal % 3));
            self.fill(Shape::ellipse((0.02 + 0.135 * cos, -0.78 + 0.135 * sin), 0.115, 0.115), shade);
        }
        self.fill(Shape::circle((0.02, -0.78), 0.085), Color::hex(0x00f2_c230));
    }

    fn house(&mut self, color: Color) {
        let (wall, wood) = (Color::hex(0x00f0_e4d0), Color::hex(0x006a_4a34));
        self.fill(Shape::rectangle(0.22, -0.98, 0.11, 0.3), color.darker(0.35));
        for (index, puff) in [(0.29, -1.06), (0.35, -1.16), (0.44, -1.25)].into_iter().enumerate() {
            self.fill(Shape::circle(puff, 0.04 + 0.018 * index as f32), Color::hex(0x00e9_e9ee));
        }
        self.fill(Shape::rectangle(-0.44, -0.52, 0.88, 0.52), wall);
        self.fill(Shape::polygon([(-0.54, -0.5), (-0.36, -0.9), (0.36, -0.9), (0.54, -0.5)]), color);
        self.fill(Shape::polygon([(-0.54, -0.5), (0.54, -0.5), (0.53, -0.46), (-0.53, -0.46)]), color.darker(0.35));
        self.fill(Shape::rectangle(-0.08, -0.32, 0.17, 0.32), wood);
        self.fill(Shape::circle((0.055, -0.16), 0.012), Color::hex(0x00d8_b25a));
        let glass = self.glass();
        for left in [-0.34, 0.19] {
            self.fill(Shape::rectangle(left - 0.015, -0.375, 0.18, 0.21), wood.lighter(0.6));
            self.shine(Shape::rectangle(left, -0.36, 0.15, 0.18), glass);
            self.fill(Shape::rectangle(left + 0.067, -0.36, 0.016, 0.18), wood.lighter(0.6));
            self.fill(Shape::rectangle(left, -0.278, 0.15, 0.016), wood.lighter(0.6));
        }
    }

    fn lighthouse(&mut self, color: Color) {
        let rock = [(-0.36, 0.03), (-0.28, -0.06), (-0.12, -0.1), (0.1, -0.11), (0.26, -0.05), (0.4, 0.03)];
        self.fill(Shape::polygon(rock), Color::hex(0x0058_5552));
        let half = |up: f32| 0.125 - 0.06 * up / 0.8;
        for band in 0..5u8 {
            let (low, high) = (0.08 + 0.14 * f32::from(band), 0.08 + 0.14 * f32::from(band + 1));
            let shade = if band % 2 == 0 { color } else { Color::hex(0x00f6_f2ea) };
            let (wide, narrow) = (half(low), half(high));
            self.fill(Shape::polygon([(-wide, -low), (wide, -low), (narrow, -high), (-narrow, -high)]), shade);
        }
        self.fill(Shape::rectangle(-0.105, -0.8, 0.21, 0.025), Color::hex(0x0030_3238));
        self.shine(Shape::rectangle(-0.055, -0.9, 0.11, 0.1), Color::hex(0x00ff_ecaa));
        self.fill(Shape::polygon([(-0.08, -0.9), (0.0, -1.0), (0.08, -0.9)]), color.darker(0.2));
        if self.scene.is_dim() && self.scale.1 > 0.0 {
            let whole = std::mem::replace(&mut self.strength, 0.22);
            self.shine(Shape::polygon([(-0.05, -0.85), (-2.4, -1.15), (-2.4, -0.72)]), Color::hex(0x00ff_f0b8));
            self.strength = whole;
        }
    }

    fn robot(&mut self, color: Color) {
        let (dark, lamp) = (color.darker(0.45), Color::hex(0x0066_f0e0));
        self.fill(Shape::stroke((0.0, -0.86), (0.0, -0.97), 0.02), dark);
        self.shine(Shape::circle((0.0, -0.97), 0.03), Color::hex(0x00ff_6a5a));
        for side in [-1.0, 1.0] {
            self.fill(Shape::rectangle(side * 0.11 - 0.05, -0.16, 0.1, 0.13), dark);
            self.fill(Shape::ellipse((side * 0.12, -0.02), 0.1, 0.04), color.darker(0.25));
            self.fill(Shape::stroke((side * 0.22, -0.46), (side * 0.34, -0.26), 0.07), dark);
            self.fill(Shape::circle((side * 0.345, -0.24), 0.055), color);
        }
        self.fill(Shape::blob(&[(-0.22, -0.5), (0.22, -0.5), (0.2, -0.16), (-0.2, -0.16)]), color);
        self.fill(Shape::rectangle(-0.11, -0.42, 0.22, 0.15), dark);
        for (index, light) in [0x00ff_6a5a, 0x00ff_d25a, 0x0066_f08a].into_iter().enumerate() {
            self.shine(Shape::circle((-0.06 + 0.06 * index as f32, -0.345), 0.018), Color::hex(light));
        }
        self.fill(Shape::rectangle(-0.06, -0.57, 0.12, 0.06), dark);
        self.fill(Shape::blob(&[(-0.22, -0.83), (0.22, -0.83), (0.22, -0.57), (-0.22, -0.57)]), color.lighter(0.12));
        self.fill(
            Shape::blob(&[(-0.16, -0.78), (0.16, -0.78), (0.16, -0.63), (-0.16, -0.63)]),
            Color::hex(0x001c_2733),
        );
        for side in [-0.085, 0.085] {
            self.shine(Shape::circle((side, -0.715), 0.034), lamp);
            self.shine(Shape::circle((side - 0.01, -0.725), 0.012), Color::WHITE);
        }
        self.shine(Shape::stroke((-0.05, -0.65), (0.05, -0.65), 0.012), lamp);
    }

    fn rocket(&mut self, color: Color) {
        for (wide, long, fire) in [(0.11, 0.26, 0x00ff_8a2c), (0.065, 0.18, 0x00ff_e27a)] {
            let flame = [
                (-wide, -0.2),
                (0.0, -0.24),
                (wide, -0.2),
                (wide * 0.5, -0.2 + long * 0.6),
                (0.0, -0.2 + long),
                (-wide * 0.5, -0.2 + long * 0.6),
            ];
            self.shine(Shape::blob(&flame), Color::hex(fire));
        }
        for side in [-1.0, 1.0] {
            self.fill(
                Shape::polygon([(side * 0.12, -0.5), (side * 0.28, -0.24), (side * 0.26, -0.14), (side * 0.1, -0.24)]),
                color,
            );
        }
        let body = [(0.0, -1.0), (0.11, -0.8), (0.145, -0.5), (0.1, -0.2), (-0.1, -0.2), (-0.145, -0.5), (-0.11, -0.8)];
        self.fill(Shape::blob(&body), Color::hex(0x00ee_eef2));
        self.fill(
            Shape::blob(&[(0.0, -1.0), (0.07, -0.9), (0.105, -0.8), (0.0, -0.77), (-0.105, -0.8), (-0.07, -0.9)]),
            color,
        );
        self.fill(Shape::circle((0.0, -0.6), 0.07), Color::hex(0x0050_5a68));
        self.shine(Shape::circle((0.0, -0.6), 0.05), Color::hex(0x0083_d0ee));
        self.fill(Shape::polygon([(-0.03, -0.42), (0.03, -0.42), (0.025, -0.14), (-0.025, -0.14)]), color);
    }

    fn tree(&mut self, color: Color) {
        let bark = Color::hex(0x0055_3d2a);
        self.fill(Shape::polygon([(-0.07, 0.0), (0.07, 0.0), (0.035, -0.5), (-0.035, -0.5)]), bark);
        for side in [-1.0, 1.0] {
            self.fill(Shape::stroke((0.0, -0.34), (side * 0.18, -0.58), 0.035), bark);
        }
        let crown = [
            (0.0, -0.52, 0.24),
            (-0.22, -0.54, 0.18),
            (0.23, -0.56, 0.18),
            (-0.16, -0.74, 0.19),
            (0.17, -0.75, 0.19),
            (0.0, -0.82, 0.17),
            (-0.28, -0.64, 0.1),
            (0.3, -0.66, 0.1),
        ];
        for (x, y, radius) in crown {
            self.fill(Shape::circle((x, y), radius), color.darker(0.24 + y * 0.16));
        }
        for (x, y, radius) in crown {
            self.fill(Shape::circle((x - 0.05, y - 0.05), radius * 0.5), color.lighter(0.14));
        }
    }
}

/// Sets the scene's things where such things stand.
pub fn place(canvas: &mut Canvas, scene: &Scene, random: &mut Random) {
    let (light, _) = sky::light_at(canvas, scene);
    let away = if light < canvas.width() / 2.0 { 1.0 } else { -1.0 };
    for (index, thing) in scene.things.iter().enumerate() {
        let accent = scene.accent.filter(|_| index == 0);
        let slot = if index % 2 == 0 { away } else { -away };
        let x = canvas.width() * (0.5 + slot * random.within(0.13, 0.22));
        let (width, height, unit) = (canvas.width(), canvas.height(), canvas.unit());
        let mut put = |x: f32, y: f32, size: f32, strength: f32, turn: f32| {
            let scale = (size * turn.signum(), size * turn.abs().max(0.0));
            Brush { canvas: &mut *canvas, scene, at: (x, y), scale, strength, accent }.draw(*thing);
        };
        match thing {
            Thing::Birds => {
                for _ in 0..9 {
                    let (across, down) = (random.within(-0.2, 0.2), random.within(0.12, 0.36));
                    put(width * 0.5 + across * width, height * down, unit * random.within(0.02, 0.045), 0.85, 1.0);
                }
            }
            Thing::Balloon => {
                put(x, height * random.within(0.44, 0.5), unit * 0.34, 1.0, 1.0);
                put(width - x, height * random.within(0.24, 0.32), unit * 0.13, 1.0, -1.0);
            }
            Thing::Rocket => put(x, height * 0.66, unit * 0.42, 1.0, 1.0),
            Thing::Flowers => {
                for row in 0..26u8 {
                    let near = f32::from(row) / 25.0;
                    let (across, size) = (random.within(0.0, 1.0) * width, unit * (0.07 + 0.15 * near));
                    put(across, height * (0.86 + 0.15 * near), size, 1.0, if row % 2 == 0 { 1.0 } else { -1.0 });
                }
            }
            Thing::Boat | Thing::Lighthouse if scene.land == Land::Sea => {
                let (y, size) = match thing {
                    Thing::Boat => (height * 0.73, unit * 0.34),
                    _ => (height * 0.625, unit * 0.44),
                };
                put(x, y, size, 1.0, slot);
            }
            Thing::Cat | Thing::Robot => put(x, height * 0.955, unit * 0.46, 1.0, slot),
            Thing::House => put(x, height * 0.86, unit * 0.27, 1.0, slot),
            Thing::Tree => put(x, height * 0.93, unit * 0.46, 1.0, slot),
            Thing::Boat | Thing::Lighthouse => put(x, height * 0.9, unit * 0.36, 1.0, slot),
        }
    }
}

/// Only the motif, as large as it fits.
pub fn cut_out(canvas: &mut Canvas, scene: &Scene, random: &mut Random) {
    let usual = [Thing::Balloon, Thing::Rocket, Thing::Tree, Thing::House, Thing::Robot];
    let thing = scene.things.first().or_else(|| random.pick(&usual)).copied().unwrap_or(Thing::Balloon);
    let scene = Scene { hour: super::scene::Hour::Day, things: vec![thing], ..*scene };
    let size = canvas.unit() * random.within(0.76, 0.84);
    let at = (canvas.width() / 2.0, canvas.height() / 2.0 + size * 0.5);
    Brush { canvas, scene: &scene, at, scale: (size, size), strength: 1.0, accent: scene.accent }.draw(thing);
}
