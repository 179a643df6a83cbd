//! The motifs of `motifs.txt`, whose head says how they are written, and where they stand in a picture.

use rand::{RngExt, seq::IndexedRandom};
use tiny_skia::{Path, Transform};

use super::{
    Painting,
    canvas::{self, Canvas, Color, linear},
    scene::{LANDS, Land, Scene, every},
};

#[derive(Debug, Clone, Copy)]
pub(super) struct Motif {
    pub name: &'static str,
    pub own: Color,
    pub land: Option<Land>,
    pub words: &'static str,
    /// Number in a picture: none of what belongs to the scenery.
    count: u8,
    /// Of the farthest and the nearest, in parts of the picture.
    feet: [f32; 2],
    sizes: [f32; 2],
    /// As they are written.
    parts: &'static str,
}

/// All motifs, in the order of the file.
pub(super) fn all() -> impl Iterator<Item = Motif> {
    include_str!("motifs.txt").split("\n@").skip(1).filter_map(Motif::read)
}

pub(super) fn named(name: &str) -> Option<Motif> {
    all().find(|motif| motif.name == name)
}

impl Motif {
    fn read(text: &'static str) -> Option<Self> {
        let (head, parts) = text.split_once('\n')?;
        let (head, words) = head.split_once(':')?;
        let mut head = head.split(' ');
        let (name, own, count) = (head.next()?, hex(head.next()?)?, head.next()?.parse().ok()?);
        let mut part = || Some(head.next()?.parse::<f32>().ok()? / 100.0);
        let (feet, sizes) = ([part()?, part()?], [part()?, part()?]);
        let (land, words) = (head.next().and_then(|land| every(LANDS, &[land]).next()), words.trim());
        Some(Self { name, own, land, words, count, feet, sizes, parts })
    }

    /// Draws it with its foot at a place, `size` high (mirrored below 0), in its own colour or another; `near` is 1
    /// here and 0 at the horizon.
    pub(super) fn draw(&self, canvas: &mut Canvas, scene: &Scene, at: (f32, f32), size: f32, own: Color, near: f32) {
        let placed = Transform::from_row(size / 100.0, 0.0, 0.0, size.abs() / 100.0, at.0, at.1);
        for (path, ink, mirrored) in self.parts.lines().filter_map(part) {
            let Some(color) = color(ink, scene, own, near) else { continue };
            let twin = path.clone().transform(Transform::from_scale(-1.0, 1.0)).filter(|_| mirrored);
            for path in twin.into_iter().chain([path]) {
                let (left, right) = (path.bounds().left(), path.bounds().right());
                let lit = [color.mix(scene.light, 0.2), color.shade(-0.16)];
                let colors = if ink.contains('!') { [color, color] } else { lit };
                canvas.place(Some(path), linear((left, 0.0), (right, 0.0), colors), placed);
            }
        }
    }
}

/// A part's outline, its colour as it is written, and whether it has a mirror image.
fn part(line: &'static str) -> Option<(Path, &'static str, bool)> {
    let mut words = line.split(' ');
    let (shape, ink) = (words.next()?, words.next()?);
    let numbers: Vec<f32> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
    let (pairs, rest) = numbers.as_chunks();
    let points = pairs.iter().map(|&[x, y]| (x, y));
    let path = match (shape.trim_end_matches('*'), &numbers[..], rest) {
        ("blob", ..) => canvas::blob(points),
        ("poly", ..) => canvas::polygon(points),
        ("line", _, &[breadth]) => canvas::line(points, breadth, &[]),
        ("dash", &[dash, gap, other, wide, ..], &[breadth]) => {
            canvas::line(points.skip(2), breadth, &[dash, gap, other, wide])
        }
        ("oval", &[x, y, across, down], _) => canvas::oval((x, y), across, down),
        ("box", &[left, top, width, height], _) => canvas::rectangle(left, top, width, height),
        _ => None,
    };
    Some((path?, ink, shape.ends_with('*')))
}

/// The colour that is written so, as it looks there; `None` where it is not seen.
fn color(ink: &str, scene: &Scene, own: Color, near: f32) -> Option<Color> {
    let (shines, in_the_dark) = (ink.contains('!'), ink.contains('?'));
    let ink = ink.trim_end_matches(['!', '?']);
    let (ink, strength) = ink.split_once('/').unwrap_or((ink, "100"));
    let (base, shade) = ink.split_at(ink.find(['+', '-']).unwrap_or(ink.len()));
    let (shade, strength) = (shade.parse().unwrap_or(0.0) / 100.0, strength.parse::<f32>().ok()? / 100.0);
    let base = match base {
        "own" => own,
        "glass" if scene.is_dim() => return Some(Color::hex(0x00ff_dd8c)),
        "glass" => Color::hex(0x009f_c4d8),
        rgb => hex(rgb)?,
    };
    let shaded = base.shade(shade);
    let seen = if shines { shaded } else { scene.faded(shaded, near) };
    Some(seen.thin(strength)).filter(|_| !in_the_dark || scene.is_dim())
}

fn hex(text: &str) -> Option<Color> {
    u32::from_str_radix(text, 16).ok().map(Color::hex)
}

impl Painting {
    /// Sets the scene's motifs where such things stand.
    pub(super) fn motifs(&mut self) {
        let (unit, mut side) = (self.canvas.unit, if self.scene.sun.0 < 0.5 { 1.0 } else { -1.0 });
        for (index, motif) in self.scene.motifs.iter().enumerate() {
            let own = self.scene.accent.filter(|_| index == 0).unwrap_or(motif.own);
            for number in 1..=motif.count {
                let near = f32::from(number) / f32::from(motif.count);
                let between = |[far, close]: [f32; 2]| far + (close - far) * near;
                let (anywhere, aside) = (self.chance.random(), self.chance.random_range(0.13..0.22));
                let across = if motif.count > 2 { anywhere } else { 0.5 + side * aside };
                let at = (across * self.canvas.width, between(motif.feet) * self.canvas.height);
                motif.draw(&mut self.canvas, &self.scene, at, between(motif.sizes) * unit * side, own, 1.0);
                side = -side;
            }
        }
    }

    /// Draws only a motif, as large as it fits.
    pub(super) fn cut_out(&mut self) {
        let single: Vec<Motif> = all().filter(|motif| motif.count == 1).collect();
        let Some(motif) = self.scene.motifs.first().or_else(|| single.choose(&mut self.chance)) else { return };
        let size = self.canvas.unit * self.chance.random_range(0.74..0.8);
        let (x, y) = (self.canvas.width / 2.0, self.canvas.height / 2.0 + size * 0.52);
        motif.draw(&mut self.canvas, &self.scene, (x, y), size, self.scene.accent.unwrap_or(motif.own), 1.0);
    }

    /// Signs the picture "sandbox" in its lower right corner.
    pub(super) fn sign(&mut self) {
        let Some(mark) = named("mark") else { return };
        let dot = (self.canvas.unit / 420.0).max(1.0).round();
        let (x, y) = (self.canvas.width - 46.0 * dot, self.canvas.height - 6.0 * dot);
        for (color, shift) in [(Color::BLACK.thin(0.35), dot / 2.0), (Color::WHITE.thin(0.7), 0.0)] {
            mark.draw(&mut self.canvas, &self.scene, (x + shift, y + shift), dot * 10.0, color, 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_every_motif_can_be_read() {
        let text = include_str!("motifs.txt");
        assert_eq!(all().count(), text.lines().filter(|line| line.starts_with('@')).count());
        let scene = Scene::read("night", 0);
        for motif in all() {
            for line in motif.parts.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
                let read = part(line).and_then(|(_, ink, _)| color(ink, &scene, motif.own, 1.0));
                assert!(read.is_some(), "{}: {line}", motif.name);
            }
        }
    }
}
